"""The streams of the golden files, read by the official SDKs.   usage: replay_streams.py PROGRAM "NAME=COMMAND"…

Serves every tests/fixtures/*/streams/*.expected.sse as the program would send it, lets each SDK read all of them
(COMMAND is a reader, read_streams.py or .mjs; the address takes the place of URL among its words) and compares
what it made of each with what the program's own fold does: `convert --aggregate`. Numbers are compared exactly.
"""

import json
import shlex
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from checks import check, done, equal

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

# Where an SDK reads another tool input than our fold, for a reason that lies in the SDK: the beginning of its name
# and the stream, with what it reads.
EXCEPTIONS = {
    # All keep the members that are whole when a limit cuts the rest; our fold takes nothing of a cut input.
    ("", "messages_via_chat/arguments_cut_after_a_member"): '{"path": "a.txt", "lines": [1, 2]}',
    # Python's floats are doubles.
    ("python", "messages_via_chat/arguments_opaque"): """{"big": 9007199254740993, "price": 1.10, "tiny": 1e-7,
        "exact": 0.12345678901234568, "text": "é/😀", "nested": [0, {"9": null}]}""",
    # JavaScript's numbers all are doubles.
    ("typescript", "messages_via_chat/arguments_opaque"): """{"big": 9007199254740992, "price": 1.10, "tiny": 1e-7,
        "exact": 0.12345678901234568, "text": "é/😀", "nested": [0, {"9": null}]}""",
}

SURFACES = ("messages", "beta.messages")


class Stream:
    """One golden file: the events as the program sends them, and how it answers if none began."""

    def __init__(self, path):
        self.name = f"{path.parent.parent.name}/{path.name.removesuffix('.expected.sse')}"
        records = path.read_text(encoding="utf-8").split("\n\n")
        self.comments = [record for record in records if record.startswith(": ")]
        # Status and losses follow as comments, which the program does not send.
        self.body = "\n\n".join(record for record in records if not record.startswith(": "))
        if self.body and not self.body.endswith("\n\n"):
            self.body = self.body.rstrip("\n") + "\n\n"
        last = [record for record in self.body.split("\n\n") if record][-1]
        kind, _, data = last.partition("\ndata: ")
        self.error = json.loads(data)["error"] if kind == "event: error" else None
        statuses = [note.rsplit(" ", 1)[1] for note in self.comments if note.startswith(": answered with status ")]
        self.status = int(statuses[0]) if statuses else 200

    def answer(self):
        """Status, content type and body, as `serve` sends them."""
        if self.status == 200:
            return 200, "text/event-stream; charset=utf-8", self.body.encode()
        return self.status, "application/json", json.dumps({"type": "error", "error": self.error}).encode()


STREAMS = {stream.name: stream for stream in map(Stream, sorted(FIXTURES.glob("*/streams/*.expected.sse")))}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        stream = STREAMS[self.path.removeprefix("/").partition("/v1/messages")[0]]
        status, kind, body = stream.answer()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("request-id", "req_replayed")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def served():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def exactly(text):
    """JSON whose numbers keep every digit; 1.1 and 1.10 are equal."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def folded(program, stream):
    """What the program's own fold makes of it: a message, or None."""
    command = [program, "convert", "--from", "messages", "--kind", "stream", "--aggregate"]
    run = subprocess.run(command, input=stream.body.encode(), capture_output=True, timeout=30, check=False)
    assert run.returncode in (0, 65), run.stderr.decode()
    return exactly(run.stdout) if run.returncode == 0 else None


def without_absent(message):
    """SDKs say null for what nobody said; a tool's input is not theirs to fill."""
    if isinstance(message, dict):
        return {
            name: member if name == "input" else without_absent(member)
            for name, member in message.items()
            if member is not None
        }
    return [without_absent(item) for item in message] if isinstance(message, list) else message


def as_read_by(sdk, stream, message):
    """Our message, as this SDK must read it."""
    for (beginning, name), read in EXCEPTIONS.items():
        if sdk.startswith(beginning) and name == stream.name:
            [block] = message["content"]
            differing = exactly(read)
            assert str(block["input"]) != str(differing), "the exception is none any more"
            return {**message, "content": [{**block, "input": differing}]}
    return message


def compare(stream, ours, read):
    assert "exception" not in read, read["exception"]
    if stream.error is not None:
        assert ours is None, "our own fold takes a stream that ends in an error"
        assert "error" in read, f"a message instead of {stream.error}"
        said = {name: read["error"][name] for name in ("type", "message")}
        equal(said, {name: stream.error[name] for name in ("type", "message")})
        if stream.status != 200:
            equal(read["status"], stream.status)
        return
    assert ours is not None, "our own fold refuses a whole stream"
    assert "message" in read, f"{read.get('error')} instead of a message"
    equal(without_absent(read["message"]), without_absent(ours))
    blocks = ours["content"]
    equal(read["text"], "".join(block["text"] for block in blocks if block["type"] == "text"))


def read_by(command, url):
    """What one SDK makes of all streams, by surface and stream."""
    words = [url if word == "URL" else word for word in shlex.split(command)]
    names = "".join(f"{stream}\n" for stream in STREAMS)
    run = subprocess.run(words, input=names, stdout=subprocess.PIPE, text=True, timeout=240, check=False)
    read = {surface: {} for surface in SURFACES}
    for answer in map(exactly, run.stdout.splitlines()):
        read[answer["surface"]][answer["stream"]] = answer
    return read


def judge(name, surface, read, ours):
    @check(f"{name}, {surface}.stream: reads the {len(STREAMS)} streams of the golden files as we do")
    def _():
        equal(sorted(read), sorted(STREAMS))
        assert STREAMS, "no streams"
        faults = {}
        for stream in STREAMS.values():
            try:
                compare(stream, ours[stream.name] and as_read_by(name, stream, ours[stream.name]), read[stream.name])
            except AssertionError as fault:
                faults[stream.name] = str(fault)
        for stream, fault in faults.items():
            print(f"{stream}: {fault}", file=sys.stderr)
        equal(list(faults), [])


def main():
    program, *readers = sys.argv[1:]
    readers = [reader.split("=", 1) for reader in readers]
    url = served()
    with ThreadPoolExecutor() as pool:
        reading = [(name, pool.submit(read_by, command, url)) for name, command in readers]
        ours = dict(zip(STREAMS, pool.map(lambda stream: folded(program, stream), STREAMS.values())))
        for name, read in reading:
            for surface in SURFACES:
                judge(name, surface, read.result()[surface], ours)
    done()


main()
