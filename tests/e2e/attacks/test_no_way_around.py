"""No way around: whatever a request looks like, it is counted or refused.  The table lists each with its outcome."""

import uuid
from dataclasses import dataclass
from typing import Literal

import pytest

from tests.e2e.deployment import Deployment
from tests.e2e.wire import CHAT, JSON, body_of, chunked, request, send

# counted: both calls were made, the model server saw it, the ledger has it.
# refused: the model server never saw it.
# denied: refused by ratelimit, so the ledger has the refusal too.
Outcome = Literal["counted", "refused", "denied"]
MEBIBYTE = 1024 * 1024
BUDGET = 50_000_000  # tokens a minute: holds any body that Envoy takes


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    raw: bytes
    outcome: Outcome
    status: int


def chat(**fields: object) -> bytes:
    return request(body=body_of(**fields))


def with_body(body: bytes) -> bytes:
    return request(body=body)


def sized(size: int) -> bytes:
    return with_body(body_of(messages=[{"role": "user", "content": "x" * size}]))


GOOD = body_of()
CASES = [
    Case("plain", chat(), "counted", 200),
    Case("no max_tokens", chat(max_tokens=None), "counted", 200),
    Case("max_tokens null", with_body(GOOD.replace(b'"max_tokens": 8', b'"max_tokens": null')), "counted", 200),
    Case("no content type", request(body=GOOD, headers=()), "counted", 200),
    Case("text/plain", request(body=GOOD, headers=(("Content-Type", "text/plain"),)), "counted", 200),
    Case("form content type", request(body=GOOD, headers=(("Content-Type", "multipart/form-data"),)), "counted", 200),
    Case("chunked", request(body=chunked(GOOD), headers=(*JSON, ("Transfer-Encoding", "chunked")), length=False),
         "counted", 200),
    Case("expect 100-continue", request(body=GOOD, headers=(*JSON, ("Expect", "100-continue"))), "counted", 200),
    Case("5 MiB body", sized(5 * MEBIBYTE), "counted", 200),
    Case("merged slashes", request(path="//v1//chat///completions", body=GOOD), "counted", 200),
    Case("dot segments", request(path="/v1/x/../chat/./completions", body=GOOD), "counted", 200),
    Case("query", request(path=f"{CHAT}?api-version=1&x=%2F", body=GOOD), "counted", 200),
    Case("absolute URI", request(path=f"http://models.example{CHAT}", body=GOOD), "counted", 200),
    Case("unread path, upper case", request(path="/V1/CHAT/COMPLETIONS", body=GOOD), "counted", 404),
    Case("unread path", request(path="/rooms/1/messages", body=b'{"content":"hello"}'), "denied", 404),
    Case("unread path, no JSON", request(path="/rooms/1/messages", body=b"hello"), "denied", 404),
    Case("GET", request("GET", "/v1/models"), "counted", 200),
    Case("HEAD", request("HEAD", "/v1/models"), "counted", 200),
    Case("OPTIONS", request("OPTIONS", "/v1/models"), "counted", 405),
    Case("DELETE", request("DELETE", "/v1/models"), "denied", 404),
    Case("PUT with a body", request("PUT", CHAT, GOOD), "denied", 404),
    Case("a route that controls the server", request("GET", "/metrics"), "denied", 403),
    Case("path parameters", request(path=f"{CHAT};/v1/models", body=GOOD), "denied", 404),
    Case("a model in capitals", with_body(GOOD.replace(b'"model"', b'"Model"')), "refused", 400),
    Case("empty body", with_body(b""), "counted", 400),
    Case("truncated body", with_body(GOOD[:-5]), "denied", 400),
    Case("garbage after the body", with_body(GOOD + b"x"), "denied", 400),
    Case("array body", with_body(b"[" + GOOD + b"]"), "denied", 400),
    Case("number body", with_body(b"7"), "denied", 400),
    Case("not a number", chat(temperature=float("nan")), "denied", 400),
    Case("non-UTF-8 body", with_body(GOOD.replace(b"Hello", b"\xff\xfe")), "denied", 400),
    Case("UTF-16 body", with_body(GOOD.decode().encode("utf-16")), "denied", 400),
    Case("deeply nested body", with_body(GOOD[:-1] + b', "x": ' + b"[" * 1_000 + b"]" * 1_000 + b"}"), "denied", 400),
    Case("model twice", with_body(GOOD[:-1] + b', "model": "other"}'), "refused", 400),
    Case("max_tokens twice", with_body(GOOD[:-1] + b', "max_tokens": 100000}'), "refused", 400),
    Case("model twice, escaped", with_body(GOOD[:-1] + b', "\\u006dodel": "other"}'), "refused", 400),
    Case("model twice, in capitals", with_body(GOOD[:-1] + b', "Model": "other"}'), "refused", 400),
    Case("40 MiB body", sized(40 * MEBIBYTE), "refused", 413),
    Case("escaped slash", request(path="/v1%2Fchat/completions", body=GOOD), "refused", 400),
    Case("websocket", request("GET", "/v1/realtime", headers=(("Upgrade", "websocket"),), connection="Upgrade"),
         "refused", 403),
    Case("CONNECT", request("CONNECT", "models.example:443", headers=()), "refused", 403),
    Case("two lengths", request(body=GOOD, headers=(*JSON, ("Content-Length", "1"))), "refused", 400),
    Case("length and chunked", request(body=chunked(GOOD), headers=(*JSON, ("Transfer-Encoding", "chunked"))),
         "refused", 400),
    Case("HTTP/1.0", request(body=GOOD, version="HTTP/1.0"), "refused", 426),
    Case("unknown method", request("BREW", CHAT, GOOD), "refused", 400),
    Case("max_tokens negative", chat(max_tokens=-1_000_000), "counted", 400),
    Case("max_tokens a word", chat(max_tokens="many"), "counted", 400),
    Case("max_tokens beyond the budget", chat(max_tokens=10**9), "denied", 429),
    Case("max_tokens beyond int64", chat(max_tokens=10**30), "denied", 429),
    Case("n multiplies", chat(max_tokens=BUDGET * 3 // 4, n=2), "denied", 429),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_request_is_counted_or_refused(stack: Deployment, case: Case) -> None:
    who, mark = stack.tenant(tokens_per_minute=BUDGET), uuid.uuid4().hex
    raw = case.raw.replace(b"{credential}", f"Authorization: Bearer {who.secret}\r\nx-case: {mark}".encode(), 1)
    answer = send(stack.envoy_host_port, raw)
    assert answer.status == case.status, answer.body[:500]
    upstream = [seen for seen in stack.seen_upstream() if mark in str(seen["headers"])]
    assert len(upstream) == (case.outcome == "counted")
    if case.outcome == "refused":
        return
    (row,) = stack.usage_when(who, 1)
    assert (row["admission"] == "refused") == (case.outcome == "denied")
    assert row["status"] == case.status


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_without_a_key_nothing_passes(stack: Deployment, case: Case) -> None:
    mark = uuid.uuid4().hex
    answer = send(stack.envoy_host_port, case.raw.replace(b"{credential}", f"x-case: {mark}".encode(), 1))
    assert answer.status in (401, 400, 403, 404, 413, 426), answer.status
    assert not [seen for seen in stack.seen_upstream() if mark in str(seen["headers"])]


def test_http2_is_counted(stack: Deployment) -> None:
    import subprocess

    who = stack.tenant()
    done = subprocess.run(
        ["curl", "-sS", "--http2-prior-knowledge", "-w", "%{http_code} %{http_version}", "-o", "/dev/null",
         "-H", f"authorization: Bearer {who.secret}", "-H", "content-type: application/json", "-d", GOOD.decode(),
         f"http://{stack.envoy_address}{CHAT}"],
        check=True, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.stdout == "200 2"
    (row,) = stack.usage_when(who, 1)
    assert row["usage_source"] == "reported"


def test_pipelined_requests_are_each_counted(stack: Deployment) -> None:
    who = stack.tenant()
    first = request(body=GOOD).replace(b"Connection: close\r\n", b"")
    raw = (first + request(body=GOOD)).replace(b"{credential}", f"Authorization: Bearer {who.secret}".encode())
    send(stack.envoy_host_port, raw)
    assert len(stack.usage_when(who, 2)) == 2
