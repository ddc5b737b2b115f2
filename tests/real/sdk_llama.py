"""The official Python SDK through `aiapiproxy serve` to a real llama-server.   usage: sdk_llama.py BASE_URL DIALECT

The server's model is scripted (llama/make_model.py): a word in the last user message chooses the answer.
"""

import sys

import anthropic
from anthropic import Anthropic, beta_tool

from checks import check, done, equal

BASE_URL, DIALECT = sys.argv[1:]
MODEL = "tiny"
TEXT = "Hello! I am a tiny scripted model, and this is a plain answer."
AFTER = "The tool has answered; the task is finished."
UNI = "日本語 emoji 😀👩‍👩‍👧 naïve café — done ✓"
CITIES = ["Paris, France", 'Zürich "old town" \\ ☃']
GET_WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
RED_DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"

# No retries: what fails once has failed.
client = Anthropic(base_url=BASE_URL, api_key="test-client-key", max_retries=0, timeout=60)


def ask(text, **more):
    return {"model": MODEL, "max_tokens": 300, "messages": [{"role": "user", "content": text}], **more}


def both_ways(request):
    """The answer as a whole and as a stream."""
    yield client.messages.create(**request)
    with client.messages.stream(**request) as stream:
        yield stream.get_final_message()


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


@check(f"llama {DIALECT} text: as a whole and as a stream, with the server's own usage")
def _():
    whole, streamed = both_ways(ask("S:TEXT"))
    for message in (whole, streamed):
        equal((text_of(message), message.stop_reason), (TEXT, "end_turn"))
        assert message.usage.output_tokens > 5, message.usage
    # The second prompt may come from the server's cache; read and not read together are the same prompt.
    prompts = {m.usage.input_tokens + (m.usage.cache_read_input_tokens or 0) for m in (whole, streamed)}
    equal(len(prompts), 1)


@check(f"llama {DIALECT} stream: arrives in many pieces")
def _():
    with client.messages.stream(**ask("S:LONG", max_tokens=4000)) as stream:
        pieces = list(stream.text_stream)
    assert len(pieces) > 100, len(pieces)
    assert "".join(pieces).startswith("item000, item001,") and "".join(pieces).endswith("end."), pieces[-3:]


@check(f"llama {DIALECT} thinking: becomes a thinking block before the text")
def _():
    for message in both_ways(ask("S:THINK")):
        equal([block.type for block in message.content], ["thinking", "text"])
        assert "short reply" in message.content[0].thinking, message.content[0]
        assert message.content[1].text.strip() == "Here is the short reply after thinking.", message.content[1]


@check(f"llama {DIALECT} tools: two calls at once, their arguments byte for byte")
def _():
    for message in both_ways(ask("S:WEATHER2", tools=[GET_WEATHER])):
        calls = [block for block in message.content if block.type == "tool_use"]
        equal([call.input for call in calls], [{"city": city} for city in CITIES])
        equal((message.stop_reason, len({call.id for call in calls})), ("tool_use", 2))


@check(f"llama {DIALECT} tools: the results come back and close the turn")
def _():
    first = client.messages.create(**ask("S:WEATHER2", tools=[GET_WEATHER]))
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "Sunny."}
        for block in first.content
        if block.type == "tool_use"
    ]
    turn = ask("S:WEATHER2", tools=[GET_WEATHER])
    turn["messages"] += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    for message in both_ways(turn):
        equal((text_of(message), message.stop_reason), (AFTER, "end_turn"))


@check(f"llama {DIALECT} tool runner: calls the function and ends with text")
def _():
    cities = []

    @beta_tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        cities.append(city)
        return "Sunny."

    request = ask("S:WEATHER2", tools=[get_weather])
    message = client.beta.messages.tool_runner(**request).until_done()
    equal((cities, text_of(message)), (CITIES, AFTER))


@check(f"llama {DIALECT} unicode: every byte arrives")
def _():
    for message in both_ways(ask("S:UNI")):
        equal(text_of(message), UNI)


@check(f"llama {DIALECT} max_tokens: an endless answer is cut")
def _():
    for message in both_ways(ask("S:LOOP", max_tokens=20)):
        equal((message.stop_reason, message.usage.output_tokens), ("max_tokens", 20))


@check(f"llama {DIALECT} stop sequence: is cut off and named")
def _():
    # The server itself, when it speaks Messages, names the sequence and calls it the end of the turn.
    reason = "end_turn" if DIALECT == "messages" else "stop_sequence"
    for message in both_ways(ask("S:TEXT", stop_sequences=["scripted"])):
        equal(
            (text_of(message), message.stop_reason, message.stop_sequence),
            ("Hello! I am a tiny ", reason, "scripted"),
        )


@check(f"llama {DIALECT} image: the server's refusal is told, no crash and no hang")
def _():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": RED_DOT}}
    try:
        client.messages.create(**ask([image, {"type": "text", "text": "S:TEXT"}]))
        raise AssertionError("no error")
    except anthropic.APIStatusError as error:
        assert "image" in error.body["error"]["message"], error.body
        assert error.body["type"] == "error" and error.body["error"]["type"].endswith("_error"), error.body


@check(f"llama {DIALECT} context: an overflow is told in the words that clients act on")
def _():
    for stream in (False, True):
        try:
            client.messages.create(**ask("overflow " * 10_000, stream=stream))
            raise AssertionError("no error")
        except anthropic.BadRequestError as error:
            message = error.body["error"]["message"]
            words = message.split()
            assert message.startswith("prompt is too long: ") and message.endswith(" maximum"), message
            assert int(words[4]) > int(words[7]) == 65536, message


@check(f"llama {DIALECT} models: the server's model can be asked for by its own name")
def _():
    equal(client.messages.create(**ask("S:TEXT")).model, MODEL)


done()
