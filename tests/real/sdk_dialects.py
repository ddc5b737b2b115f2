"""One conversation through every dialect that a real llama-server speaks.   usage: sdk_dialects.py NAME=URL…

Each URL is an `aiapiproxy serve` before the same server, in another dialect. The answers must be the same, block by
block, as a whole and as a stream.
"""

import sys

from anthropic import Anthropic

from checks import check, done, equal

PROXIES = {
    name: Anthropic(base_url=url, api_key="test-client-key", max_retries=0, timeout=60)
    for name, url in (argument.split("=", 1) for argument in sys.argv[1:])
}
GET_WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def ask(messages, **more):
    return {"model": "tiny", "max_tokens": 300, "messages": messages, **more}


def user(content):
    return {"role": "user", "content": content}


def answers(client, request):
    """As a whole and as a stream."""
    with client.messages.stream(**request) as stream:
        return [client.messages.create(**request), stream.get_final_message()]


def said(message):
    """What a message says, without what every server makes up for itself: ids and signatures."""
    blocks = [
        (block.type, *(getattr(block, name, None) for name in ("text", "thinking", "name", "input")))
        for block in message.content
    ]
    usage = message.usage
    prompt = usage.input_tokens + (usage.cache_read_input_tokens or 0)
    return blocks, message.stop_reason, message.model, prompt, usage.output_tokens


def same_for_all(request_of):
    told = {name: answers(client, request_of(client)) for name, client in PROXIES.items()}
    everything = [(name, said(message)) for name, messages in told.items() for message in messages]
    _, first = everything[0]
    for name, other in everything:
        assert other == first, f"{name}: {other}\n  instead of {first}"


@check("llama dialects: text")
def _():
    same_for_all(lambda _: ask([user("S:TEXT")], system="Be brief."))


@check("llama dialects: letters of many bytes")
def _():
    same_for_all(lambda _: ask([user("S:UNI")]))


@check("llama dialects: thinking")
def _():
    same_for_all(lambda _: ask([user("S:THINK")]))


@check("llama dialects: two calls, their results, and the end of the turn")
def _():
    asked = ask([user("S:WEATHER2")], tools=[GET_WEATHER])
    same_for_all(lambda _: asked)

    def answered(client):
        calls = client.messages.create(**asked).content
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": "Sunny."}
            for block in calls
            if block.type == "tool_use"
        ]
        equal(len(results), 2)
        turn = asked["messages"] + [{"role": "assistant", "content": calls}, user(results)]
        return {**asked, "messages": turn}

    same_for_all(answered)


@check("llama dialects: the limit of tokens")
def _():
    same_for_all(lambda _: ask([user("S:LOOP")], max_tokens=20))


done()
