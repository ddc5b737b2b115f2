#!/usr/bin/env python3
"""Writes a model for llama-server that answers from scripts.   usage: make_model.py OUT.gguf

No weights are fetched and nothing is trained. Attention and feed-forward are zero, so the next token depends on
the present one alone: the pair of matrices token_embd and output is a table of successors. The chat template
looks at the messages and ends the prompt with a control token such as <|S_TEXT|>; from there the table walks
through one script, whose tokens occur nowhere else, up to the end of the turn. So a real server, with its own
tokenizer, template engine, sampler and parser of tool calls, says what a test expects.
"""

import json
import sys

import gguf
import numpy as np

DIMENSIONS = 256
HEAD = 32
UNKNOWN, CONTROL, USER_DEFINED, BYTE = 2, 3, 4, 6


def tool_call(name, **arguments):
    call = json.dumps({"name": name, "arguments": arguments})
    return f"<tool_call>\n{call}\n</tool_call>"


# What each script says. The last user message chooses one by its name, such as "S:TEXT".
SCRIPTS = {
    "TEXT": "Hello! I am a tiny scripted model, and this is a plain answer.",
    "THINK": "<think>\nThe user wants a short reply, so I plan one.\n</think>\n\nHere is the short reply after thinking.",
    "LONG": " ".join(f"item{number:03d}," for number in range(400)) + " end.",
    "UNI": "日本語 emoji 😀👩‍👩‍👧 naïve café — done ✓",
    "WEATHER2": tool_call("get_weather", city="Paris, France")
    + "\n"
    + tool_call("get_weather", city='Zürich "old town" \\ ☃'),
    "BASH": "I will run it.\n" + tool_call("Bash", command="echo llama-$((40+2))", description="Print a marker"),
    # After a tool's result, whatever was asked.
    "AFTER": "The tool has answered; the task is finished.",
}

# The prompt, in the ChatML form that the server's parsers of tool calls and reasoning recognise.
TEMPLATE = r"""
{%- macro turn(role, text) %}<|im_start|>{{ role }}
{{ text }}<|im_end|>
{% endmacro %}
{%- if tools %}<|im_start|>system
{%- if messages[0].role == 'system' %}
{{ messages[0].content }}
{%- endif %}
# Tools
<tools>{%- for tool in tools %}
{{ tool | tojson }}{%- endfor %}
</tools>
For each function call, return a json object within <tool_call></tool_call> tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
{% elif messages[0].role == 'system' %}{{ turn('system', messages[0].content) }}{%- endif %}
{%- set seen = namespace(user='', role='') %}
{%- for message in messages %}
{%- if message.role == 'user' %}{%- set seen.user = message.content | string %}{{ turn('user', message.content) }}
{%- elif message.role == 'tool' %}{{ turn('user', '<tool_response>\n' ~ message.content ~ '\n</tool_response>') }}
{%- elif message.role == 'assistant' %}<|im_start|>assistant
{%- if message.reasoning_content %}
<think>
{{ message.reasoning_content }}
</think>
{% endif %}
{%- if message.content %}
{{ message.content }}{%- endif %}
{%- for call in message.tool_calls or [] %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{%- endfor %}<|im_end|>
{% endif %}
{%- if message.role != 'system' %}{%- set seen.role = message.role %}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% if seen.role == 'tool' %}<|S_AFTER|>
CHOICES
{%- else %}<|S_TEXT|>{% endif %}
{%- endif %}"""


class Vocabulary:
    """The tokens, and which one follows which."""

    def __init__(self):
        self.texts, self.scores, self.kinds = [], [], []
        self.ids, self.successors = {}, {}

    def add(self, text, kind, score=0.0):
        assert text not in self.ids, text
        self.ids[text] = len(self.texts)
        self.texts.append(text.encode())
        self.scores.append(score)
        self.kinds.append(kind)
        return self.ids[text]

    def add_script(self, name, text, end):
        token = self.add(f"<|S_{name}|>", CONTROL)
        for piece in self.cut(text):
            following = self.add(piece, USER_DEFINED, -1000.0)
            self.successors[token], token = following, following
        self.successors[token] = end

    def cut(self, text):
        """Cuts a text into pieces of three characters or more, none of which is a token yet."""
        taken, pieces, start = set(self.ids), [], 0
        while start < len(text):
            size = 3
            while text[start : start + size] in taken and start + size < len(text):
                size += 1
            piece = text[start : start + size]
            start += size
            # A last piece that is too short or taken is glued to the one before.
            while (piece in taken or len(piece) < 2) and pieces:
                piece = pieces.pop() + piece
            pieces.append(piece)
            taken.add(piece)
        return pieces


def vocabulary():
    words = Vocabulary()
    for text, kind in (("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)):
        words.add(text, kind)
    for byte in range(256):
        words.add(f"<0x{byte:02X}>", BYTE)
    words.add("<|im_start|>", CONTROL)
    end = words.add("<|im_end|>", CONTROL)
    for text in ("<tool_call>", "</tool_call>", "<think>", "</think>"):
        words.add(text, USER_DEFINED)
    for name, text in SCRIPTS.items():
        words.add_script(name, text, end)
    # The one script that never ends.
    loop = [words.add("<|S_LOOP|>", CONTROL), words.add("around an", USER_DEFINED), words.add("d ~ ", USER_DEFINED)]
    words.successors.update(zip(loop, [loop[1], loop[2], loop[1]]))
    while len(words.texts) % 32:
        words.add(f"<|pad{len(words.texts)}|>", CONTROL)
    return words


def write(path, words):
    size = len(words.texts)
    embeddings = np.random.default_rng(0).standard_normal((size, DIMENSIONS)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    output = np.zeros((size, DIMENSIONS), np.float32)
    for token, following in words.successors.items():
        # The norm before the output makes the state sqrt(DIMENSIONS) long: a logit of 60 for the right token.
        output[following] += embeddings[token] * (60.0 / np.sqrt(DIMENSIONS))
    choices = [f"{{%- elif 'S:{name}' in seen.user %}}<|S_{name}|>" for name in [*SCRIPTS, "LOOP"]]

    model = gguf.GGUFWriter(path, "llama")
    model.add_name("tiny-scripted")
    model.add_context_length(262144)
    model.add_embedding_length(DIMENSIONS)
    model.add_block_count(1)
    model.add_feed_forward_length(HEAD)
    model.add_head_count(1)
    model.add_head_count_kv(1)
    model.add_key_length(HEAD)
    model.add_value_length(HEAD)
    model.add_rope_dimension_count(HEAD)
    model.add_layer_norm_rms_eps(1e-5)
    model.add_vocab_size(size)
    model.add_file_type(1)
    model.add_tokenizer_model("llama")
    model.add_tokenizer_pre("default")
    model.add_token_list(words.texts)
    model.add_token_scores(words.scores)
    model.add_token_types(words.kinds)
    model.add_unk_token_id(0)
    model.add_bos_token_id(1)
    model.add_pad_token_id(2)
    model.add_eos_token_id(words.ids["<|im_end|>"])
    model.add_add_bos_token(False)
    model.add_add_space_prefix(False)
    model.add_chat_template(TEMPLATE.strip().replace("CHOICES", "\n".join(choices)))

    model.add_tensor("token_embd.weight", embeddings.astype(np.float16))
    model.add_tensor("output.weight", output.astype(np.float16))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        model.add_tensor(f"{name}.weight", np.ones(DIMENSIONS, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "ffn_gate", "ffn_up"):
        model.add_tensor(f"blk.0.{name}.weight", np.zeros((HEAD, DIMENSIONS), np.float16))
    for name in ("attn_output", "ffn_down"):
        model.add_tensor(f"blk.0.{name}.weight", np.zeros((DIMENSIONS, HEAD), np.float16))
    model.write_header_to_file()
    model.write_kv_data_to_file()
    model.write_tensors_to_file()
    model.close()


write(sys.argv[1], vocabulary())
