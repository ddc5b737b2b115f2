"""Reads streams with the official Python SDK.   usage: read_streams.py BASE_URL <NAMES

Each line of stdin names a stream, served below BASE_URL/NAME. Each line of stdout says what the SDK made of it,
once for `messages` and once for `beta.messages`: the final message, or the error.
"""

import json
import sys

import anthropic
from anthropic import Anthropic

REQUEST = {"model": "claude-sonnet-5-5", "max_tokens": 1000, "messages": [{"role": "user", "content": "Go."}]}

# No retries: what fails once has failed.
client = Anthropic(base_url=sys.argv[1], api_key="test-client-key", max_retries=0, timeout=30)


def read(messages):
    pieces, inputs = [], []
    try:
        with messages.stream(**REQUEST) as stream:
            for event in stream:
                if event.type == "text":
                    pieces.append(event.text)
                elif event.type == "input_json":
                    inputs.append(event.partial_json)
            message = stream.get_final_message()
    except anthropic.APIError as error:
        body = error.body if isinstance(error.body, dict) else {}
        return {"status": getattr(error, "status_code", None), "error": body.get("error", repr(error))}
    except Exception as error:  # whatever else: the comparison shows it
        return {"exception": repr(error)}
    return {"message": message.to_dict(mode="json"), "text": "".join(pieces), "input": "".join(inputs)}


for name in sys.stdin.read().split():
    of_stream = client.with_options(base_url=f"{sys.argv[1]}/{name}")
    for surface, messages in (("messages", of_stream.messages), ("beta.messages", of_stream.beta.messages)):
        print(json.dumps({"stream": name, "surface": surface, **read(messages)}), flush=True)
