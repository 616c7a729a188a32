"""The meter in a real Envoy, without the two calls: which bodies are refused, changed, passed as they are."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accesslog.answer import answer_of
from tests.envoy.chain import CHAT, MESSAGES, WITHOUT_SERVICES, Chain, existing_envoy
from tests.envoy.conftest import envoy_with, raw
from tollkeeper.envoy.settings import EnvoySettings

Sent = Callable[[], list[dict[str, Any]]]


AMBIGUOUS = {
    "model": '{"model":"a","model":"mock-model"}',
    "escaped": '{"model":"a","\\u006dodel":"mock-model"}',
    "upper case": '{"model":"a","MODEL":"mock-model"}',
    "upper case, escaped": '{"model":"a","\\u004DoDel":"mock-model"}',
    "kelvin sign": '{"max_tokens":1,"max_to\u212aens":9}',
    "long s, escaped": '{"max_tokens":1,"max_token\\u017f":9}',
    "max_completion_tokens": '{"max_completion_tokens":1,"a":[{}],"max_completion_tokens":2}',
    "max_output_tokens": '{"max_output_tokens":1,"max_output_tokens":1}',
    "n": '{"n":1,"n":100}',
    "stream": '{"stream":false,"stream":true}',
    "stream_options": '{"stream":true,"stream_options":{},"stream_options":null}',
    "include_usage": '{"stream":true,"stream_options":{"include_usage":true,"include_usag\\u0065":false}}',
    "after a byte order mark": '\ufeff {"n":1,"n":2}',
}


@pytest.mark.parametrize("body", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_a_key_that_is_there_twice_is_refused(chain: Chain, sent: Sent, body: str) -> None:
    answer = chain.post(body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "duplicate_key"
    assert sent() == []


UNAMBIGUOUS = {
    "in a string": '{"model":"mock-model","a":"\\"model\\":1,\\"model\\":2",%s}',
    "in a nested object": '{"model":"mock-model","a":{"model":"x","n":1},"b":[{"n":2}],%s}',
    "an escaped backslash": '{"model":"mock-model","\\\\u006dodel":"x",%s}',
    "as a value": '{"model":"mock-model","a":"model","b":"model",%s}',
    "another key twice": '{"model":"mock-model","seed":1,"seed":2,%s}',
    "brackets in strings": '{"model":"mock-model","a":"}{][\\\\","b":["}"],%s}',
}


@pytest.mark.parametrize("body", UNAMBIGUOUS.values(), ids=UNAMBIGUOUS.keys())
def test_a_key_that_is_there_once_passes_unchanged(chain: Chain, sent: Sent, body: str) -> None:
    assert chain.post(body % MESSAGES).status_code == 200
    assert sent()[0]["body"] == body % MESSAGES


def with_values(count: int) -> str:
    """A body of `count` values as the guard counts them: a list of numbers, and six others."""
    return '{"model":"mock-model","a":[' + ",".join("0" * (count - 6)) + f"],{MESSAGES}}}"


MAX_VALUES = 500_000


def test_one_value_too_many_is_refused(chain: Chain, sent: Sent) -> None:
    answer = chain.post(with_values(MAX_VALUES + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "too_many_values")
    assert sent() == []


def test_as_many_values_as_may_be_pass(chain: Chain) -> None:
    assert chain.post(with_values(MAX_VALUES)).status_code == 200


def sized(size: int) -> bytes:
    """A body of exactly `size` bytes."""
    start, end = b'{"model":"mock-model","a":"', f'",{MESSAGES}}}'.encode()
    return start + b"x" * (size - len(start) - len(end)) + end


LIMIT = 32 << 20


@pytest.mark.parametrize("size", [1 << 20, 5 << 20, 25 << 20, LIMIT])
def test_a_large_body_passes_whole(chain: Chain, sent: Sent, size: int) -> None:
    assert chain.post(sized(size)).status_code == 200
    assert sent()[0]["body_bytes"] == size


def test_a_large_body_is_changed_whole(chain: Chain, sent: Sent) -> None:
    body = sized(25 << 20).replace(b"{", b'{"stream":true,', 1)
    assert chain.post(body).status_code == 200
    assert sent()[0]["body_bytes"] == len(body) + len('"stream_options":{"include_usage":true},')


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + 1500, 33 << 20, 40 << 20, 100 << 20])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_32_mib_is_refused(chain: Chain, sent: Sent, size: int, chunked: bool) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    if chunked:
        head += b"transfer-encoding: chunked\r\n\r\n"
        request = head + b"%x\r\n" % size + sized(size) + b"\r\n0\r\n\r\n"
    else:
        request = head + b"content-length: %d\r\n\r\n" % size + sized(size)
    answer = raw(chain.url, request)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"request_too_large" in answer
    assert sent() == []


ASKED = '{"include_usage":true}'
STREAM_OPTIONS = {
    "absent": (None, ASKED),
    "null": ("null", ASKED),
    "empty": ("{ }", '{"include_usage":true }'),
    "false": ('{"include_usage": false}', '{"include_usage": true}'),
    "escaped": ('{"include_us\\u0061ge": null , "x":1}', '{"include_us\\u0061ge": true , "x":1}'),
    "nested": ('{"x":{"include_usage":true}}', '{"include_usage":true,"x":{"include_usage":true}}'),
    "true": ('{"include_usage":true,"x":"y"}', '{"include_usage":true,"x":"y"}'),
}


@pytest.mark.parametrize(("given", "expected"), STREAM_OPTIONS.values(), ids=STREAM_OPTIONS.keys())
def test_a_stream_asks_for_its_usage(chain: Chain, sent: Sent, given: str | None, expected: str) -> None:
    end = f'"model":"mock-model","stream":true,{MESSAGES}}}'
    body = "{" + (f'"stream_options":{given},' if given else "") + end
    assert "usage.completion_tokens=16" in chain.metadata(body)["usage"]
    assert sent()[0]["body"] == f'{{"stream_options":{expected},{end}'


@pytest.mark.parametrize("path", ["/v1/completions", "/V1/Chat/Completions/", "/x/chat/completions?y=/z"])
def test_every_spelling_of_the_path_asks(chain: Chain, sent: Sent, path: str) -> None:
    chain.post('{"model":"mock-model","stream":true,"prompt":"x"}', path)
    assert json.loads(sent()[0]["body"])["stream_options"] == {"include_usage": True}


NOT_CHANGED = {
    "not a stream": (CHAT, f'{{"model":"mock-model","stream":false,{MESSAGES}}}'),
    "null": (CHAT, f'{{"model":"mock-model","stream":null,{MESSAGES}}}'),
    "responses": ("/v1/responses", '{"model":"mock-model","stream":true,"input":"x"}'),
    "messages": ("/v1/messages", f'{{"model":"mock-model","stream":true,"max_tokens":3,{MESSAGES}}}'),
    "no JSON": (CHAT, '{"stream":true,'),
}


@pytest.mark.parametrize(("path", "body"), NOT_CHANGED.values(), ids=NOT_CHANGED.keys())
def test_other_bodies_are_not_changed(chain: Chain, sent: Sent, path: str, body: str) -> None:
    chain.post(body, path)
    assert sent()[0]["body"] == body


@pytest.mark.parametrize("key", ['"stream":1', '"stream":"true"', '"stream":true,"stream_options":"x"'])
def test_a_stream_that_servers_read_differently_is_refused(chain: Chain, sent: Sent, key: str) -> None:
    answer = chain.post(f'{{"model":"mock-model",{key},{MESSAGES}}}')
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_type")
    assert sent() == []


def test_usage_is_not_asked_for_when_switched_off(stub_url: str, tmp_path: Path, sent: Sent) -> None:
    settings = EnvoySettings(include_usage=False)
    body = f'{{"model":"mock-model","stream":true,{MESSAGES}}}'
    with envoy_with(existing_envoy(tmp_path, stub_url, settings, WITHOUT_SERVICES), tmp_path) as url:
        assert answer_of(Chain(url, tmp_path / "access.jsonl").metadata(body)).counts == {}
    assert sent()[0]["body"] == body
