"""How far the charge of a stream that ends early is from what the server had made by then, over 200 random cuts.

One model sends a token an event, as vLLM, llama.cpp and the providers do; the other one or two, as with speculative
decoding, which whole answers have taught us.
"""

import json
import random
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
from msgspec.structs import replace

from accesslog.learned.speeds import Speeds
from accesslog.usage import usage_of
from ratelimit.tenants.average import NEEDED
from tests.formats.conftest import Meter
from tests.formats.wire import Answer, End

CUTS, LONGEST = 200, 200
WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    ",",
    "and",
    "then",
    "it",
    "went",
    "away",
    "to",
    "see",
    "what",
    "other",
    "things",
    "there",
    "were",
    "to",
    "be",
    "seen",
    "in",
    "town",
    ".",
]
AT_MOST = {"one": 1, "several": 2}  # tokens an event, by model


def event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def chat(text: str) -> bytes:
    data = {"id": "c1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}}]}
    return f"data: {json.dumps(data)}\n\n".encode()


def message(text: str) -> bytes:
    delta = {"type": "text_delta", "text": text}
    return event("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta})


def response(text: str) -> bytes:
    return event("response.output_text.delta", {"type": "response.output_text.delta", "item_id": "m1", "delta": text})


STARTED = {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}
CREATED = {"type": "response.created", "response": {"id": "r", "status": "in_progress"}}
STARTS: dict[Callable[[str], bytes], bytes] = {
    chat: b"",
    message: event("message_start", STARTED),
    response: event("response.created", CREATED),
}


def stream(chance: random.Random, made: Callable[[str], bytes], tokens: int, at_most: int) -> Answer:
    """As far as it came."""
    words = [" " + chance.choice(WORDS) for _ in range(tokens)]
    pieces, at = [STARTS[made]], 0
    while at < tokens:
        size = chance.randint(1, at_most)
        pieces.append(made("".join(words[at : at + size])))
        at += size
    return Answer(tuple(pieces), end=chance.choice([End.CUT, End.STALLED]))


def whole(chance: random.Random, at_most: int) -> Answer:
    """One that ends with its usage."""
    tokens = chance.randint(40, 60)
    usage = {"id": "c1", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": tokens}}
    end = f"data: {json.dumps(usage)}\n\ndata: [DONE]\n\n".encode()
    return Answer((*stream(chance, chat, tokens, at_most).pieces, end))


def learned(meter: Meter, chance: random.Random, model: str) -> Speeds:
    speeds = Speeds()
    for found in meter.entries([whole(chance, AT_MOST[model]) for _ in range(NEEDED)], model=model):
        taught = replace(found, total_ms=1000)
        speeds.learn(taught, usage_of(taught))
    return speeds


@pytest.mark.parametrize("model", AT_MOST)
def test_the_charge_of_a_stream_that_ends_early_is_near_to_what_was_made(meter: Meter, model: str) -> None:
    chance = random.Random(9)
    speed = learned(meter, chance, model).of(model)
    made = [chance.randint(1, LONGEST) for _ in range(CUTS // 2)]
    formats = [list(STARTS)[n % 3] for n in range(len(made))]
    answers = [stream(chance, form, tokens, AT_MOST[model]) for form, tokens in zip(formats, made, strict=True)]
    found = meter.entries(answers, model=model, output_cap=500, reserved_tokens=520)
    charged = [usage_of(entry, speed).output_tokens for entry in found]
    errors = sorted(abs(tokens / of - 1) for tokens, of in zip(charged, made, strict=True))
    assert median(errors) <= 0.1, errors
    assert errors[len(errors) * 9 // 10] <= 0.25, errors
