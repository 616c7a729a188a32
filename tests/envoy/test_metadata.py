"""What a real Envoy reads of requests and answers, without the two calls, and how its log line looks."""

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from accesslog.answer import answer_of
from accesslog.report import report_of
from tests.envoy.chain import CHAT, MESSAGES, Chain
from tests.web import NO_TLS

Sent = Callable[[], list[dict[str, Any]]]


READ = {
    "chat": (CHAT, "%s", {}, (2, 5, 0, 0)),
    "chat, details": (CHAT, "%s", {"x_stub_cached_tokens": "1", "x_stub_reasoning_tokens": "2"}, (2, 5, 1, 2)),
    "chat stream": (CHAT, '"stream":true,%s', {}, (2, 5, 0, 0)),
    "responses": ("/v1/responses", '"input":"a b c"', {}, (3, 5, 0, 0)),
    "responses stream": (
        "/v1/responses",
        '"stream":true,"input":"a b c"',
        {"x_stub_cached_tokens": "2", "x_stub_reasoning_tokens": "1"},
        (3, 5, 2, 1),
    ),
    "messages": ("/v1/messages", "%s", {"x_stub_cached_tokens": "1"}, (2, 5, 1, 0)),
    "messages stream": (
        "/v1/messages",
        '"stream":true,%s',
        {"x_stub_cached_tokens": "1", "x_stub_cache_creation_tokens": "1"},
        (2, 5, 1, 0),
    ),
    "embeddings": ("/v1/embeddings", '"input":"a b c"', {}, (3, None, 0, 0)),
}


@pytest.mark.parametrize(("path", "keys", "headers", "usage"), READ.values(), ids=READ.keys())
def test_usage_is_read(
    chain: Chain, path: str, keys: str, headers: dict[str, str], usage: tuple[int | None, ...]
) -> None:
    keys = keys % MESSAGES if "%s" in keys else keys
    body = f'{{"model":"mock-model","max_tokens":5,"max_output_tokens":5,{keys}}}'
    metadata = chain.metadata(body, path, accept_encoding="gzip", **headers)
    assert answer_of(metadata).ended == "done"
    asked = json.loads(metadata["asked"])
    assert (asked["model"], asked["max_tokens"], asked["max_output_tokens"]) == ("mock-model", 5, 5)
    report = report_of(answer_of(metadata).counts)
    assert report is not None
    assert (
        report.input_tokens,
        report.output_tokens,
        report.parts.cached_tokens,
        report.parts.reasoning_tokens,
    ) == usage


def counts_of(metadata: dict[str, Any]) -> Mapping[str, int]:
    return answer_of(metadata).counts


@pytest.mark.parametrize("per_event", ["1", "100000"])
def test_usage_is_read_after_events_of_any_size(chain: Chain, per_event: str) -> None:
    body = f'{{"model":"mock-model","stream":true,{MESSAGES}}}'
    metadata = chain.metadata(body, x_stub_tokens="100000", x_stub_tokens_per_event=per_event)
    assert counts_of(metadata)["usage.completion_tokens"] == 100_000
    assert answer_of(metadata).events == 100_000 // int(per_event)


def test_usage_of_a_large_answer_is_read(chain: Chain) -> None:
    metadata = chain.metadata(f'{{"model":"mock-model",{MESSAGES}}}', x_stub_tokens="1000000")  # 5 MB of JSON
    assert counts_of(metadata)["usage.completion_tokens"] == 1_000_000


JSON = "application/json"
INVALID = {"body": "invalid"}
REQUEST: dict[str, tuple[bytes, str, dict[str, Any] | None]] = {
    "any content type": (b'{"model":"m","max_tokens":7,"n":2}', "text/plain", {"model": "m", "max_tokens": 7, "n": 2}),
    "a content type that is no text": (b'{"model":"m"}', "a/\xff", {"model": "m"}),
    "escapes": (b'{"\\u006dodel":"\\u006d\\n"}', JSON, {"model": "m\n"}),
    "byte order mark": (b'\xef\xbb\xbf{"model":"m"}', JSON, {"model": "m"}),
    "truncated": (b'{"model":"m"', JSON, INVALID),
    "not UTF-8": (b'{"model":"\xff"}', JSON, INVALID),
    "UTF-16": ('{"model":"m"}'.encode("utf-16"), JSON, INVALID),
    "NaN": (b'{"model":"m","n":NaN}', JSON, INVALID),
    "after it": (b'{"model":"m"}x', JSON, INVALID),
    "after it, behind a zero": (b'{"model":"m"}\x00{"n":1}', JSON, INVALID),
    "array": (b'[{"model":"m"}]', JSON, INVALID),
    "string": (b'"model"', JSON, INVALID),
    "deep": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON, {**INVALID, "length": 200_006}),
    "spaces": (b"  \n", JSON, INVALID),
    "nested": (b'{"a":{"model":1}}', JSON, {}),
    "empty": (b"", JSON, None),
}


@pytest.mark.parametrize(("body", "content_type", "expected"), REQUEST.values(), ids=REQUEST.keys())
def test_a_request_is_read(chain: Chain, body: bytes, content_type: str, expected: dict[str, Any] | None) -> None:
    request = httpx.Request("POST", chain.url + "/v1/x", content=body)
    request.headers = httpx.Headers([(b"host", b"x"), (b"x-request-id", name := f"q{time.monotonic_ns()}".encode())])
    request.headers["content-length"] = str(len(body))
    request.headers.encoding = "latin-1"
    request.headers["content-type"] = content_type
    with httpx.Client(verify=NO_TLS) as client:
        client.send(request)
    usage = chain.entry(name.decode())["meter"] or {}
    assert (json.loads(usage["asked"]) if "asked" in usage else None) == expected


def test_headers_that_multiply_or_hide_work_stay_behind(chain: Chain, sent: Sent) -> None:
    retry = {"x_envoy_retry_on": "5xx", "x_envoy_max_retries": "5", "x_envoy_hedge_on_per_try_timeout": "true"}
    answer = chain.post(f'{{"model":"mock-model",{MESSAGES}}}', accept_encoding="gzip", x_stub_status="500", **retry)
    assert answer.status_code == 500
    (request,) = sent()
    assert request["headers"]["accept-encoding"] == "identity"
    assert not [name for name in (*request["headers"], *answer.headers) if name.startswith("x-envoy-")]


def test_the_log_line_has_every_field(chain: Chain) -> None:
    body = f'{{"model":"mock-model",{MESSAGES}}}'
    chain.post(body, CHAT + "?key=secret", x_request_id="line", authorization="Bearer sk_secret")
    entry = chain.entry("line")
    absent = ("answer_file", "answer_id", "answer_model", "answer_status", "service_tier", "traceparent", "decision")
    assert entry | {"ended": 0, "usage": 0, "meter": 0} == {
        **dict.fromkeys(absent, "-"),
        "begun": "- - -",
        "content_type": "application/json",
        "ended": 0,
        "meter": 0,
        "method": "POST",
        "path": CHAT,
        "request_id": "line",
        "usage": 0,
    }
    start = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    ended = rf"DownstreamEnd {start} HTTP/1\.1 200 - {len(body)} \d+ \d+ \d+"
    assert re.fullmatch(ended, entry["ended"])
    assert re.fullmatch(r"- - - - \d+,\d+,done( \S+=\d+)+", entry["usage"])
    assert "secret" not in chain.log.read_text()


@pytest.mark.parametrize("name", ["stream", "background"])
def test_the_log_is_told_how_an_answer_is_asked_for(chain: Chain, name: str) -> None:
    body = '{"model":"mock-model","input":"a b c","%s":%s}'
    assert chain.metadata(body % (name, "true"), "/v1/responses")[name] == "true"
    assert name not in chain.metadata(body % (name, "false"), "/v1/responses")
