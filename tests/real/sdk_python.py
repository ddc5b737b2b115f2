"""The official Python SDK against `aiapiproxy serve --demo`.   usage: sdk_python.py BASE_URL

The demo answers deterministically, calls the first tool offered when asked to "use a tool", and closes the
turn with text once it has the tool's result.
"""

import asyncio
import sys

import anthropic
from anthropic import Anthropic, AsyncAnthropic, beta_tool

from checks import check, done, equal

BASE_URL = sys.argv[1]
SDK = f"python {anthropic.__version__}"
MODEL = "claude-sonnet-5-5"
HELLO = [{"role": "user", "content": "Say hello."}]
USE_A_TOOL = [{"role": "user", "content": "Please use a tool."}]
ADD = {
    "name": "add",
    "description": "Adds two whole numbers.",
    "input_schema": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}

# No retries: what fails once has failed.
client = Anthropic(base_url=BASE_URL, api_key="test-client-key", max_retries=0, timeout=30)


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


@check(f"{SDK} create: a whole message, with usage and a request id")
def _():
    message = client.messages.create(model=MODEL, max_tokens=200, messages=HELLO)
    equal((message.type, message.role, message.model, message.stop_reason), ("message", "assistant", MODEL, "end_turn"))
    assert message.id and message._request_id, "no id"
    assert text_of(message), "no text"
    assert message.usage.input_tokens > 0 and message.usage.output_tokens > 0, message.usage


@check(f"{SDK} create: system prompt, several turns, other way of sending the key")
def _():
    with_token = Anthropic(base_url=BASE_URL, auth_token="test-client-key", api_key=None, max_retries=0, timeout=30)
    message = with_token.messages.create(
        model=MODEL,
        max_tokens=200,
        system="Be brief.",
        messages=[*HELLO, {"role": "assistant", "content": "Hello."}, *HELLO],
    )
    assert text_of(message), "no text"


@check(f"{SDK} stream: many pieces, the same answer as in one piece")
def _():
    whole = client.messages.create(model=MODEL, max_tokens=200, messages=HELLO)
    with client.messages.stream(model=MODEL, max_tokens=200, messages=HELLO) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert len(pieces) > 1, f"the stream came as {len(pieces)} piece(s)"
    equal("".join(pieces), text_of(whole))
    equal((text_of(message), message.stop_reason), (text_of(whole), whole.stop_reason))
    assert message.usage.output_tokens > 0, message.usage


@check(f"{SDK} stream: the raw events are in order")
def _():
    kinds = [event.type for event in client.messages.create(model=MODEL, max_tokens=200, messages=HELLO, stream=True)]
    equal(kinds[0], "message_start")
    equal(kinds[-3:], ["content_block_stop", "message_delta", "message_stop"])


@check(f"{SDK} tools: a call whose input fits the schema, and text after its result")
def _():
    call = client.messages.create(model=MODEL, max_tokens=200, tools=[ADD], messages=USE_A_TOOL)
    equal(call.stop_reason, "tool_use")
    [tool] = [block for block in call.content if block.type == "tool_use"]
    equal((tool.name, type(tool.input["a"]), type(tool.input["b"])), ("add", int, int))
    result = {"type": "tool_result", "tool_use_id": tool.id, "content": "3"}
    turn = [*USE_A_TOOL, {"role": "assistant", "content": call.content}, {"role": "user", "content": [result]}]
    answer = client.messages.create(model=MODEL, max_tokens=200, tools=[ADD], messages=turn)
    equal(answer.stop_reason, "end_turn")
    assert text_of(answer), "no text"


@check(f"{SDK} tools: the streamed call is the same call")
def _():
    with client.messages.stream(model=MODEL, max_tokens=200, tools=[ADD], messages=USE_A_TOOL) as stream:
        message = stream.get_final_message()
    [tool] = [block for block in message.content if block.type == "tool_use"]
    equal((message.stop_reason, tool.name, sorted(tool.input)), ("tool_use", "add", ["a", "b"]))


@check(f"{SDK} tool runner: calls the function and ends with text")
def _():
    calls = []

    @beta_tool
    def look_up(city: str) -> str:
        """Looks up a city.

        Args:
            city: Its name.
        """
        calls.append(city)
        return "Found."

    # The runner keeps the conversation on the server first; refused, it sends all of it each time.
    message = client.beta.messages.tool_runner(
        model=MODEL, max_tokens=200, tools=[look_up], messages=USE_A_TOOL
    ).until_done()
    equal((len(calls), message.stop_reason), (1, "end_turn"))
    assert text_of(message), "no text"


@check(f"{SDK} threads: refused in the way that the tool runner understands")
def _():
    try:
        client.beta.messages.create(
            model=MODEL,
            max_tokens=200,
            messages=HELLO,
            betas=["message-threads-2026-08-12"],
            extra_body={"thread": {"type": "create"}},
        )
    except anthropic.BadRequestError as error:
        details = error.body["error"]["details"]
        equal((details["error_code"], details["unsupported"]), ("thread_unsupported_request", ["thread"]))
    else:
        raise AssertionError("a thread was accepted")


@check(f"{SDK} count_tokens: more text, more tokens")
def _():
    short = client.messages.count_tokens(model=MODEL, messages=HELLO)
    long = client.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "Say hello. " * 100}])
    assert 0 < short.input_tokens < long.input_tokens, f"{short.input_tokens}, {long.input_tokens}"


@check(f"{SDK} models: each one that is listed can be retrieved")
def _():
    models = list(client.models.list())
    assert models, "no models"
    for model in models:
        equal(client.models.retrieve(model.id).id, model.id)


@check(f"{SDK} models: page by page, there and back, they are the same")
def _():
    ids = [model.id for model in client.models.list()]
    assert len(ids) > 2, ids
    for surface in (client.models, client.beta.models):
        equal([model.id for model in surface.list(limit=2)], ids)
        equal([model.id for model in surface.list(limit=1, after_id=ids[0])], ids[1:])
        # The page before a model; the SDK goes on from there towards the first.
        page = surface.list(limit=1, before_id=ids[-1])
        equal([model.id for model in page.data], [ids[-2]])
        equal(sorted(model.id for model in page), sorted(ids[:-1]))


@check(f"{SDK} beta surfaces: create, stream and count_tokens answer the same")
def _():
    request = {"model": MODEL, "messages": HELLO, "betas": ["context-1m-2025-08-07", "never-heard-of-2099-01-01"]}
    whole = client.beta.messages.create(max_tokens=200, **request)
    with client.beta.messages.stream(max_tokens=200, **request) as stream:
        message = stream.get_final_message()
    equal((text_of(message), message.stop_reason), (text_of(whole), "end_turn"))
    counted = client.beta.messages.count_tokens(**request)
    equal(counted.input_tokens, client.messages.count_tokens(model=MODEL, messages=HELLO).input_tokens)


@check(f"{SDK} errors: an unknown model and a bad request are told apart")
def _():
    try:
        client.models.retrieve("no-such-model")
        raise AssertionError("no error")
    except anthropic.NotFoundError as error:
        equal((error.status_code, error.body["error"]["type"]), (404, "not_found_error"))
        assert error.request_id, "no request id"
    try:
        client.messages.create(model=MODEL, max_tokens=200, messages=[{"role": "nobody", "content": "x"}])
        raise AssertionError("no error")
    except anthropic.BadRequestError as error:
        equal(error.body["error"]["type"], "invalid_request_error")


@check(f"{SDK} async: eight streams at once")
def _():
    async def one(asynchronous):
        async with asynchronous.messages.stream(model=MODEL, max_tokens=200, messages=HELLO) as stream:
            return text_of(await stream.get_final_message())

    async def all_of_them():
        async with AsyncAnthropic(base_url=BASE_URL, api_key="k", max_retries=0, timeout=30) as asynchronous:
            return await asyncio.gather(*(one(asynchronous) for _ in range(8)))

    texts = asyncio.run(all_of_them())
    equal(len(set(texts)), 1)
    assert texts[0], "no text"


done()
