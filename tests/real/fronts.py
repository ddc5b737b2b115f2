"""Streams through the fronts of deploy/, token by token.   usage: fronts.py PROGRAM FOLDER

Starts nginx, HAProxy and Caddy, each with its snippet of deploy/ (only ports, names of certificate files and whatever
keeps it from touching the system are changed), over TLS, in front of PROGRAM, which asks a scripted upstream that sends
its next token only when the one before has arrived at the client. Each must pass every token on by itself, and a client
that goes away must be felt by the upstream. Fronts that this machine does not have come from Debian's packages, unpacked
into FOLDER; where those cannot be had either, a line says so.
"""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

from checks import check, done

PROGRAM, FOLDER = (Path(word).resolve() for word in sys.argv[1:3])
DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
HOST = "llm.example.com"
KEY = "fronts-0123456789abcdef"
TOKENS = 20
# Only against hanging.
PATIENCE = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition):
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: nothing after {PATIENCE} s"
        time.sleep(0.01)
    return value


class Upstream:
    """Sends a token for each release, and knows when its client has gone."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        self.begin()
        threading.Thread(target=self.accept, daemon=True).start()

    def begin(self):
        """For the next request."""
        self.released, self.gone = threading.Semaphore(0), threading.Event()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        released, gone = self.released, self.gone
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = connection.recv(65536)
                if not piece:
                    return
                head += piece
            head, _, body = head.partition(b"\r\n\r\n")
            length = int(re.search(rb"content-length: *(\d+)", head, re.I)[1])
            while len(body) < length:
                body += connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
            for number in range(TOKENS):
                # The client's end of the connection tells more than a send that still succeeds.
                while not released.acquire(timeout=0.01):
                    connection.setblocking(False)
                    try:
                        if connection.recv(1) == b"":
                            gone.set()
                            return
                    except BlockingIOError:
                        pass
                    except OSError:
                        gone.set()
                        return
                    finally:
                        connection.setblocking(True)
                delta = {"choices": [{"index": 0, "delta": {"content": f"token-{number} "}}]}
                connection.sendall(f"data: {json.dumps(delta)}\n\n".encode())
            end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
            connection.sendall(f"data: {json.dumps(end)}\n\ndata: [DONE]\n\n".encode())


class Process:
    """A program that runs until the end of a block; its output goes to a file."""

    def __init__(self, name, command, environment):
        self.log = FOLDER / f"{name}.log"
        self.process = subprocess.Popen(
            [str(word) for word in command], env=environment, stdin=subprocess.DEVNULL,
            stdout=self.log.open("wb"), stderr=subprocess.STDOUT, cwd=FOLDER,
        )

    def told(self):
        return self.log.read_text(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def unpacked(name):
    """The program of a Debian package: the machine's own, or one that is unpacked here; None if there is none."""
    own = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if own:
        return own, {}
    root = FOLDER / f"{name}.root"
    if not root.exists():
        cache = FOLDER / f"{name}.cache"
        (cache / "archives/partial").mkdir(parents=True, exist_ok=True)
        apt = ["apt-get", "-q", "-o", f"Dir::Cache={cache}", "-o", "Debug::NoLocking=1", "-o", "Acquire::Retries=2"]
        try:
            subprocess.run(
                [*apt, "install", "-y", "--download-only", "--no-install-recommends", name],
                check=True, capture_output=True, timeout=120,
            )
            half = FOLDER / f"{name}.half"
            for package in (cache / "archives").glob("*.deb"):
                subprocess.run(["dpkg", "-x", package, half], check=True, capture_output=True)
            half.rename(root)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or str(error).encode()
            print(f"skipped {name}: its package cannot be had: {said.decode(errors='replace').strip()[-200:]}")
            return None
        finally:
            shutil.rmtree(cache, ignore_errors=True)
    libraries = ":".join(str(path) for path in root.glob("usr/lib/*-linux-gnu"))
    found = [root / folder / name for folder in ("usr/sbin", "usr/bin") if (root / folder / name).exists()]
    return (found[0], {"LD_LIBRARY_PATH": libraries}) if found else None


def replaced(text, *pairs):
    for before, after in pairs:
        assert before in text, f"{before!r} is not in the snippet"
        text = text.replace(before, after)
    return text


def nginx(program, port, gateway, folder):
    site = replaced(
        (DEPLOY / "nginx.conf").read_text(),
        ("127.0.0.1:8082", gateway),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        (f"/etc/ssl/certs/{HOST}.pem", str(FOLDER / "cert.pem")),
        (f"/etc/ssl/private/{HOST}.key", str(FOLDER / "key.pem")),
    )
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = f"daemon off; pid {folder}/pid; error_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{site}}}\n"
    (folder / "nginx.conf").write_text(text)
    return [program, "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"]


def haproxy(program, port, gateway, folder):
    text = replaced(
        (DEPLOY / "haproxy.cfg").read_text(),
        ("127.0.0.1:8082", gateway),
        (f"bind :443 ssl crt /etc/haproxy/{HOST}.pem", f"bind 127.0.0.1:{port} ssl crt {FOLDER}/both.pem"),
    )
    (folder / "haproxy.cfg").write_text(text)
    return [program, "-db", "-f", folder / "haproxy.cfg"]


def caddy(program, port, gateway, folder):
    text = replaced(
        (DEPLOY / "Caddyfile").read_text(),
        ("127.0.0.1:8082", gateway),
        (f"\n{HOST} {{", f"\nhttps://{HOST}:{port} {{\n\ttls {FOLDER}/cert.pem {FOLDER}/key.pem"),
    )
    text = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + text
    (folder / "Caddyfile").write_text(text)
    return [program, "run", "--adapter", "caddyfile", "--config", folder / "Caddyfile"]


def certificate():
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", FOLDER / "key.pem", "-out", FOLDER / "cert.pem", "-subj", f"/CN={HOST}",
         "-addext", f"subjectAltName=DNS:{HOST}"],
        check=True, capture_output=True,
    )
    (FOLDER / "both.pem").write_bytes((FOLDER / "cert.pem").read_bytes() + (FOLDER / "key.pem").read_bytes())


def stream(port):
    """A streamed request over TLS; the connection, with the answer's head read."""
    context = ssl.create_default_context(cafile=FOLDER / "cert.pem")
    connection = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname=HOST)
    connection.settimeout(PATIENCE)
    body = json.dumps({"model": "claude-sonnet-5", "max_tokens": 64, "stream": True,
                       "messages": [{"role": "user", "content": "hi"}]})
    connection.sendall(
        f"POST /v1/messages HTTP/1.1\r\nhost: {HOST}\r\nx-api-key: {KEY}\r\naccept-encoding: gzip, br, zstd\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
    )
    return connection


def read_until(connection, read, words):
    """Reads until the words have come. What a front held back would never come, for nothing else is sent."""
    while words not in read:
        piece = connection.recv(65536)
        assert piece, f"the front closed the connection before {words!r}: {bytes(read)[-300:]!r}"
        read += piece


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def try_front(name, configure, upstream, gateway):
    found = unpacked(name)
    if not found:
        return
    program, environment = found
    folder = FOLDER / name
    folder.mkdir(exist_ok=True)
    port = free_port()
    environment = {"PATH": "/usr/sbin:/usr/bin:/bin", "HOME": str(folder), **environment}
    with Process(name, configure(program, port, gateway, folder), environment) as front:
        try:
            wait_for(name, lambda: answers(port))
        except AssertionError as error:
            reason = front.told() or str(error)

            @check(f"{name}: starts with its snippet")
            def start():
                raise AssertionError(reason)

            return

        @check(f"{name}: each of {TOKENS} tokens passes before the next is sent")
        def tokens():
            upstream.begin()
            with stream(port) as connection:
                read = bytearray()
                slowest = 0.0
                for number in range(TOKENS):
                    released = time.monotonic()
                    upstream.released.release()
                    read_until(connection, read, f"token-{number} ".encode())
                    slowest = max(slowest, time.monotonic() - released)
                read_until(connection, read, b"event: message_stop")
                assert b"200 OK" in read and b"content-encoding" not in read.lower(), bytes(read[:600])
            print(f"     {name}: the slowest token took {slowest * 1000:.1f} ms", file=sys.stderr)

        @check(f"{name}: a client that goes away is felt by the upstream")
        def cancel():
            upstream.begin()
            gone = upstream.gone
            with stream(port) as connection:
                upstream.released.release()
                read_until(connection, bytearray(), b"token-0 ")
                left = time.monotonic()
            assert gone.wait(PATIENCE), f"the upstream still sends after {PATIENCE} s"
            print(f"     {name}: felt after {(time.monotonic() - left) * 1000:.1f} ms", file=sys.stderr)

        @check(f"{name}: a client that goes away while the model thinks is felt by the upstream")
        def cancel_early():
            upstream.begin()
            gone = upstream.gone
            before = metrics(gateway, "aiapiproxy_inflight_requests")
            with stream(port):
                wait_for("the request", lambda: metrics(gateway, "aiapiproxy_inflight_requests") > before)
            assert gone.wait(PATIENCE), f"the upstream still waits after {PATIENCE} s"


def metrics(gateway, name):
    host, port = gateway.split(":")
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        connection.sendall(
            f"GET /metrics HTTP/1.1\r\nhost: localhost\r\nx-api-key: {KEY}\r\nconnection: close\r\n\r\n".encode()
        )
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return int(re.search(rf"^{name} (\d+)$".encode(), answer, re.M)[1])


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not shutil.which("openssl"):
        print("skipped fronts: there is no openssl to make a certificate with")
        return
    certificate()
    upstream = Upstream()
    environment = {"PATH": os.environ["PATH"], "HOME": str(FOLDER), "OPENAI_BASE_URL": upstream.url,
                   "OPENAI_API_KEY": "k-0123456789", "CLIENT_API_KEYS": KEY}
    with Process("gateway", [PROGRAM, "serve", "--port", "0"], environment) as program:
        listening = re.compile(r"listening on http://(\S+:\d+) ")
        gateway = wait_for("the program", lambda: listening.search(program.told()))[1]
        for name, configure in (("nginx", nginx), ("haproxy", haproxy), ("caddy", caddy)):
            try_front(name, configure, upstream, gateway)
    done()


main()
