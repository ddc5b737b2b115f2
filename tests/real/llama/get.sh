#!/usr/bin/env bash
# Unpacks the real llama-server, from Debian unstable's package llama.cpp-tools, into FOLDER/root.
#
#   get.sh FOLDER
#
# The system is not changed and no root is needed: apt works on lists of its own, and asks the Debian mirror that
# this machine already uses. About 20 MB. Fails, with the reason on stderr, where the package cannot be had.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=$(realpath -m "$1")

fail() {
    echo "get.sh: $1" >&2
    exit 1
}

[ "$(uname -m)" = x86_64 ] || fail "only made for x86_64"
command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "no apt-get here"

mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -m1 '/debian/\?$' || true)
if [ -z "$mirror" ]; then
    mirror=$(grep -rhoE 'https?://[^ ]+/debian/? ' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null |
        head -1 | tr -d ' ' || true)
fi
[ -n "$mirror" ] || fail "no Debian mirror is configured on this machine"

rm -rf "$folder"
mkdir -p "$folder"/{lists/partial,cache/archives/partial,root}
cd "$folder"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >sources.list
# An empty status file: every library is fetched, also those that this machine has in an older version.
: >status

apt=(
    apt-get -q
    -o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$folder/lists" -o "Dir::State::status=$folder/status"
    -o "Dir::Cache=$folder/cache" -o Debug::NoLocking=1
    -o APT::Install-Recommends=false -o Acquire::http::Timeout=60 -o Acquire::Retries=2
)
timeout 300 "${apt[@]}" update >apt.log 2>&1 || fail "the lists of Debian unstable cannot be had: $(tail -1 apt.log)"
timeout 300 "${apt[@]}" install -y --download-only llama.cpp-tools >apt.log 2>&1 ||
    fail "the package llama.cpp-tools cannot be had: $(tail -1 apt.log)"
for package in cache/archives/*.deb; do
    dpkg -x "$package" root
done
rm -rf cache lists status sources.list apt.log
"$here/run.sh" "$folder" --version >/dev/null 2>&1 || fail "the unpacked server does not run"
