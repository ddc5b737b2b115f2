"""The fields that the Python SDK's types know, as JSON on stdout.   usage: sdk_fields.py

`request`: every field of a request to create a message, with a value for it in a body that is valid otherwise.
A path names the kinds that it leads through: `/messages[user]/content[tool_result]/content[text]/text`; a literal
has one path for each of its values (`=high`). `response`: what the types of answers and events require.

The fields of the two namespaces are joined. Values are made from paths, so that the output is always the same.
"""

import importlib.metadata
import json
import sys
import types
import typing
import zlib
from collections import abc

import pydantic
import typing_extensions
from anthropic.types import message, message_create_params, raw_message_stream_event
from anthropic.types.beta import message_create_params as beta_message_create_params

ROOTS = (
    message_create_params.MessageCreateParamsStreaming,
    beta_message_create_params.MessageCreateParamsStreaming,
)
# What a field must be for the body to be valid, where its type does not say so.
SAMPLES = {
    "url": lambda path: f"https://{word(path).lower()}.example/",
    "tool_use_id": lambda path: "call1" if "[tool_result]" in path else word(path),
    "signature": lambda path: "c2lnbmVk",
}
HOMES = {
    "user": ("text", "image", "document", "search_result", "tool_result", "container_upload"),
    "assistant": (
        "text",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "server_tool_use",
        "advisor_tool_result",
        "bash_code_execution_tool_result",
        "code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "web_fetch_tool_result",
        "web_search_tool_result",
        "mcp_tool_use",
        "mcp_tool_result",
        "mcp_tool_listing",
        "compaction",
        "fallback",
    ),
    "system": ("text", "tool_addition", "tool_removal"),
}


def word(path):
    """A word that stands nowhere else, legal as a name and as base64."""
    return f"Zq{zlib.crc32(path.encode()):08x}Zq"


def number(path):
    return 1_000_000 + zlib.crc32(path.encode()) % 8_000_000


def bare(hint):
    """Without what wraps a type: whether it is required, notes, and None beside it."""
    origin = typing.get_origin(hint)
    if origin in (typing_extensions.Required, typing_extensions.NotRequired, typing.Annotated):
        return bare(typing.get_args(hint)[0])
    return hint


def options(hint):
    """The types that a value may have, without literals that only are examples of a string."""
    hint = bare(hint)
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return [] if hint is type(None) else [hint]
    all_of_them = [option for arg in typing.get_args(hint) for option in options(arg)]
    return [it for it in all_of_them if typing.get_origin(it) is not typing.Literal or str not in all_of_them]


def is_object(hint):
    return typing_extensions.is_typeddict(hint) or is_answer(hint)


def is_answer(hint):
    """A type of answers; clients send such blocks back as they are."""
    return isinstance(hint, type) and issubclass(hint, pydantic.BaseModel)


def item(hint):
    """The type of a list's items; None for what is no list."""
    origin = typing.get_origin(hint)
    if isinstance(origin, type) and issubclass(origin, abc.Iterable) and not issubclass(origin, abc.Mapping):
        return typing.get_args(hint)[0]
    if getattr(origin, "__name__", "") == "SequenceNotStr":
        return typing.get_args(hint)[0]
    return None


def fields(hint):
    """Name, type and necessity of an object's fields, without those that only say its kind."""
    if is_answer(hint):
        return {it.alias or name: (bare(it.annotation), it.is_required()) for name, it in hint.model_fields.items()}
    hints = typing_extensions.get_type_hints(hint, include_extras=True)
    required = typing_extensions.Required
    return {name: (bare(kind), typing.get_origin(kind) is required) for name, kind in hints.items()}


def kind_of(hint):
    """Which of several kinds an object is, by its `type` or its `role`."""
    known = fields(hint)
    for name in ("type", "role"):
        if name in known and typing.get_origin(known[name][0]) is typing.Literal:
            values = typing.get_args(known[name][0])
            return name if len(values) == 1 else None, values[0]
    return None, None


def minimal(hint, path):
    """The least that is valid."""
    choice = sorted(options(hint), key=preference)[0]
    if is_object(choice):
        known = fields(choice)
        sample = {name: minimal(kind, f"{path}/{name}") for name, (kind, needed) in known.items() if needed}
        tag, value = kind_of(choice)
        if tag:
            sample[tag] = value
        return sample
    if typing.get_origin(choice) is typing.Literal:
        return typing.get_args(choice)[0]
    if item(choice) is not None:
        return [minimal(item(choice), path)]
    return scalar(choice, path)


def preference(hint):
    preferred = is_object(hint) and kind_of(hint)[1] in (None, "tool_reference")
    return (hint is not str and not preferred, is_object(hint), str(hint))


def scalar(hint, path):
    name = path.rsplit("/", 1)[-1]
    if hint is str or hint is object or hint is typing.Any:
        return SAMPLES.get(name, word)(path)
    if hint is bool:
        return True
    if hint is int:
        return number(path)
    if hint is float:
        return number(path) / 100_000_000
    if typing.get_origin(hint) in (dict, abc.Mapping):
        return {word(path): word(path + "!")}
    if getattr(hint, "__name__", "") in ("IO", "PathLike", "datetime") or typing.get_origin(hint) is not None:
        return None
    raise TypeError(f"{path}: {hint}")


def walk(hint, path, place, found, seen=()):
    """Notes every value that may stand at `place`, a function that puts a value there."""
    for option in options(hint):
        if is_object(option):
            tag, kind = kind_of(option)
            here = f"{path}[{kind}]" if kind else path
            if option in seen:
                continue
            base = minimal(option, here)
            if base:
                note(found, here, place(base))
            for name, (of, _) in fields(option).items() if is_at_home(here) else ():
                if name != tag:
                    below = lambda value, name=name: place({**base, name: value})
                    walk(of, f"{here}/{name}", below, found, (*seen, option))
        elif typing.get_origin(option) is typing.Literal:
            for value in typing.get_args(option):
                note(found, f"{path}={value}", place(value))
        elif item(option) is not None:
            walk(item(option), path, lambda value: place([value]), found, seen)
        else:
            value = scalar(option, path)
            if value is not None:
                note(found, path, place(value))


def note(found, path, body):
    found.setdefault(path, body)


def is_at_home(path):
    """Whether to look at what is below. A block belongs to messages of one role, though the types allow it in all;
    and a tool that is defined in mid-conversation has the fields of those in `tools`."""
    role, _, block = path.removeprefix("/messages[").partition("]/content[")
    block = block.partition("]")[0]
    return "/definition[" not in path and (not path.startswith("/messages[") or block in HOMES.get(role, ()) or not block)


def request_fields():
    found = {}
    for root in ROOTS:
        for name, (hint, _) in fields(root).items():
            walk(hint, f"/{name}", lambda value, name=name: {name: value}, found)
    return found


def response_fields():
    """The required fields of every type that an answer or an event is made of."""
    found = {}
    waiting = [message.Message, *options(raw_message_stream_event.RawMessageStreamEvent)]
    while waiting:
        model = waiting.pop()
        if model.__name__ in found:
            continue
        required = {name: field for name, field in model.model_fields.items() if field.is_required()}
        found[model.__name__] = {
            name: typing.get_args(field.annotation)[0] if name == "type" else "" for name, field in required.items()
        }
        for field in model.model_fields.values():
            for option in options(field.annotation):
                for inner in options(item(option) or option):
                    if is_answer(inner):
                        waiting.append(inner)
    return found


def main():
    listed = {
        "anthropic": importlib.metadata.version("anthropic"),
        "request": request_fields(),
        "response": response_fields(),
    }
    lines = [f'{{"anthropic": {json.dumps(listed["anthropic"])}']
    for part in ("request", "response"):
        entries = sorted(listed[part].items())
        rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}" for name, value in entries)
        lines.append(f'"{part}": {{\n{rows}\n}}')
    sys.stdout.write(",\n".join(lines) + "}\n")


main()
