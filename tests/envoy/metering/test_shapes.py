"""Texts whose shape is known are only compared with it: what is read of them is what is read of the same text anew.

A text with a line end in it is never taken for a known one, so the same behind one is read anew.
"""

import json
import random
import re
from collections.abc import Iterator

import pytest

from tests.envoy.chain import WITHOUT_SERVICES, Chain, existing_envoy
from tests.envoy.conftest import envoy_with
from tests.formats.wire import Answer, Upstream, running

STRINGS = [
    *(
        "a",
        "",
        "stop",
        "error",
        "completed",
        '\\"',
        "\\\\",
        'a \\"b\\" \\\\',
        "\\u00e9 é 漢字",
        "x" * 200,
        "lorem ipsum " * 40,
    ),
    *(
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB",
        "sk_" + "a" * 48,
        "tab\t",
        "](data:image/png;base64,AA)",
    ),
]
NUMBERS = ["0", "7", "123456", "1.5", "1.0", "-3", "-0", "007", "1e3", "12345678901234567", "1.", "-"]
BODIES = [
    '{"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 16}',
    '{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"a"}],"temperature":0.5,"stream":true}',
    '{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x"},{"image_url":{"url":"u"}}]}]}',
    '{"model":"m","stream":false,"stream_options":{"include_usage":true},"messages":[]}',
    '{"prompt":["a","b",["c"]],"n":2,"best_of":3,"model":"m"}',
    '{"input":["x","y"],"model":"e","user":"u","metadata":{"a":"b"},"background":true}',
    '{"inputs":"x","parameters":{"max_new_tokens":5}}',
    '{"parameters":[{"n":2},{"n":5}],"inputs":["a","b"]}',
    '{"model":"m","tools":[{"name":"x"}],"stop":["a"],"logit_bias":{"1":2},"messages":[]}',
    '{"model":"m","file":"x","document":{"data":"z"},"prompt":[1,2]}',
    '{"model":"m","model":"n"}',
]
ANSWERS = [
    '{"id":"c","choices":[{"index":0,"message":{"content":"Hello"},"finish_reason":"stop"}],'
    '"usage":{"prompt_tokens":12,"completion_tokens":30,"prompt_tokens_details":{"cached_tokens":1}},"service_tier":"x"}',
    '{"id":"r","status":"completed","usage":{"input_tokens":900},"output":[{"content":[{"type":"output_text","text":"x"}]}]}',
    '{"type":"message","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":3}}',
    '{"model":"l","response":"Hi","done":true,"eval_count":2}',
    '{"error":{"message":"x"},"usage":{"prompt_tokens":1}}',
    '{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}],'
    '"usageMetadata":{"promptTokenCount":1,"promptTokensDetails":[{"modality":"TEXT","tokenCount":1}]}}',
    '{"data":[{"b64_json":"xx"}],"usage":{"total_tokens":5}}',
    '{"choices":[{"text":"a","index":0,"usage":{"prompt_tokens":1}},{"text":"b","index":1,"usage":{"prompt_tokens":2}}]}',
]


def varied(text: str, chance: random.Random) -> str:
    """With other strings and numbers, now and then cut or with something behind it."""
    text = re.sub(r'"[^"\\]*"(?=\s*[,}\]])', lambda found: _one_of(chance, found[0], STRINGS, '"%s"'), text)
    text = re.sub(r"(?<=[:,\[])(\s*)\d+(?=\s*[,}\]])", lambda found: _one_of(chance, found[0], NUMBERS, "%s"), text)
    return chance.choice([*[text] * 20, text[:-1], text + " ", text + "x", text.replace(":", ": ", 1)])


def _one_of(chance: random.Random, now: str, others: list[str], form: str) -> str:
    return form % chance.choice(others) if chance.random() < 0.4 else now


@pytest.mark.parametrize("number", range(len(BODIES)))
def test_a_body_of_a_known_shape_is_read_as_it_is_anew(chain: Chain, number: int) -> None:
    chance = random.Random(number)
    for text in [BODIES[number], *(varied(BODIES[number], chance) for _ in range(15))]:
        known, anew = (chain.metadata(body.encode()).get("asked") for body in (text, "\n" + text))
        assert (known and json.loads(known)) == (anew and json.loads(anew)), text


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chain, Upstream]]:
    upstream, directory = Upstream(), tmp_path_factory.mktemp("shapes")
    with running(upstream) as url:
        bootstrap = existing_envoy(directory, url, left_out=WITHOUT_SERVICES)
        with envoy_with(bootstrap, directory) as envoy:
            yield Chain(envoy, directory / "access.jsonl"), upstream


@pytest.mark.parametrize("number", range(len(ANSWERS)))
def test_an_answer_of_a_known_shape_is_read_as_it_is_anew(answering: tuple[Chain, Upstream], number: int) -> None:
    (chain, upstream), chance = answering, random.Random(number)

    def found(text: str) -> dict[str, object]:
        answer = upstream.add(Answer((text.encode(),), "application/json"))
        metadata = chain.metadata('{"model":"m"}', x_answer=str(answer))
        return {**metadata, "usage": sorted(str(metadata.get("usage")).split())}

    for text in [ANSWERS[number], *(varied(ANSWERS[number], chance) for _ in range(15))]:
        assert found(text) == found("\n" + text), text


@pytest.mark.parametrize(
    "behind", ["\n", ANSWERS[0].replace("12", "90"), '{"error":{"message":"x"}}', "x", '{"usage":{"prompt_tokens":13']
)
def test_what_comes_behind_an_answer_of_a_known_shape_is_read(answering: tuple[Chain, Upstream], behind: str) -> None:
    chain, upstream = answering
    usual = ANSWERS[0].replace(',"service_tier":"x"', "")

    def found(*pieces: str) -> dict[str, object]:
        answer = upstream.add(Answer(tuple(piece.encode() for piece in pieces), "application/json", pause=0.02))
        metadata = chain.metadata('{"model":"m"}', x_answer=str(answer))
        return {**metadata, "usage": sorted(str(metadata.get("usage")).split())}

    assert found(usual) == found("\n" + usual)
    assert found(usual, behind) == found("\n" + usual, behind)
