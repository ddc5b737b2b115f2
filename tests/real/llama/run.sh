#!/usr/bin/env bash
# Runs the llama-server that get.sh has unpacked, with its own loader and libraries and a clean environment.
#
#   run.sh FOLDER [llama-server options]
set -euo pipefail

root=$(realpath "$1")/root
shift
libraries=$root/usr/lib/x86_64-linux-gnu

# The server is built without a CPU backend of its own; the best one that this machine can run is named to it.
backend=x64
if grep -qw avx2 /proc/cpuinfo; then backend=haswell; fi
if grep -qw avx512f /proc/cpuinfo; then backend=skylakex; fi
backend=$(find "$libraries/ggml" -name "libggml-cpu-$backend.so" | head -1)

exec env -i PATH="$PATH" HOME=/nonexistent LANG=C.UTF-8 GGML_BACKEND_PATH="$backend" \
    "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries:$libraries/llama" \
    "$root/usr/bin/llama-server" "$@"
