"""Every Responses request that the program writes is one by the types of the official OpenAI SDK.

usage: responses_requests.py PROGRAM   (with the SDK of python_openai.txt)

Takes every request of the golden files that is translated, each with the kinds of upstream that differ in what they
are sent, and validates what comes out: no member that the types do not know, none missing, none of another type.
"""

import collections.abc
import json
import pathlib
import subprocess
import sys
import typing

import openai
import pydantic
import typing_extensions
from openai.types.responses import response_create_params as params

FOLDERS = ["messages_via_chat", "messages_via_responses"]
PRESETS = ["openai", "generic"]


def forbid_unknown(kind, seen):
    """Makes every dictionary type that a type is built of refuse members that it does not know."""
    if id(kind) in seen:
        return
    seen.add(id(kind))
    if typing_extensions.is_typeddict(kind):
        kind.__pydantic_config__ = {"extra": "forbid", "strict": True}
        for inner in typing_extensions.get_type_hints(kind).values():
            forbid_unknown(inner, seen)
    for inner in typing.get_args(kind):
        forbid_unknown(inner, seen)


def consume(value):
    """Pydantic validates the elements of an iterable when they are read."""
    if isinstance(value, dict):
        return [consume(inner) for inner in value.values()]
    if isinstance(value, collections.abc.Iterable) and not isinstance(value, (str, bytes)):
        return [consume(inner) for inner in value]
    return value


def translated(program, requests, preset):
    """What the program makes of the requests; those that it refuses are left out."""
    command = [program, "convert", "--jsonl", "--to", "responses", "--preset", preset, "--model", "gpt-6-astra"]
    done = subprocess.run(command, input=requests, capture_output=True, timeout=120, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main(program):
    kinds = [params.ResponseCreateParamsNonStreaming, params.ResponseCreateParamsStreaming]
    seen = set()
    for kind in kinds:
        forbid_unknown(kind, seen)
    plain, streaming = (pydantic.TypeAdapter(kind) for kind in kinds)
    # The check itself must find what is wrong.
    for wrong in [
        {"model": "m", "unknown": 1},
        {"model": "m", "tools": [{"type": "function", "name": "f", "parameters": {}}]},
        {"model": "m", "input": [{"type": "message", "role": "user", "content": [{"type": "text", "text": "a"}]}]},
    ]:
        try:
            consume(plain.validate_python(wrong))
            print(f"FAIL openai {openai.__version__} responses: {wrong} is not refused")
        except pydantic.ValidationError:
            pass
    root = pathlib.Path(__file__).parents[1] / "fixtures"
    paths = [path for folder in FOLDERS for path in sorted((root / folder / "requests").glob("*.json"))]
    requests = [path.read_bytes().replace(b"\n", b" ") for path in paths if path.name.count(".") == 1]
    valid, faults = 0, []
    for preset in PRESETS:
        for body in translated(program, b"\n".join(requests), preset):
            try:
                consume((streaming if body.get("stream") else plain).validate_python(body))
                valid += 1
            except pydantic.ValidationError as error:
                faults.append(f"{preset}: {json.dumps(body)}: {error}")
    for fault in faults[:5]:
        print(fault, file=sys.stderr)
    name = f"openai {openai.__version__} responses: {valid} requests are what the SDK's types say"
    print("ok  " if valid > 100 and not faults else "FAIL", name, f"({len(faults)} are not)" if faults else "")
    return 1 if faults else 0


sys.exit(main(sys.argv[1]))
