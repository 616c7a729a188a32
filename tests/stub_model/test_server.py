"""What the stub model can be told, and what it remembers."""

import threading
import time
from typing import Any

import httpx
import pytest

from stub_model import StubOptions, running
from tests.web import WEB

CHAT = "/v1/chat/completions"
BODY = {"model": "mock-model", "messages": [{"role": "user", "content": "hi"}]}


def post(url: str, body: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
    sent = {f"x-stub-{name.replace('_', '-')}": value for name, value in headers.items()}
    return WEB.post(url + CHAT, json=body or BODY, headers=sent, timeout=30)


def test_requests_are_remembered_whatever_they_are() -> None:
    with running(StubOptions(recorded=3)) as url:
        post(url)
        WEB.get(f"{url}/odd//path%2Fx?a=b", headers={"x-a": "1"})
        WEB.request("BREW", f"{url}/pot", content=b"\xff{")
        post(url, status="500")
        seen = WEB.get(f"{url}/stub/requests").json()
        assert [(one["method"], one["path"]) for one in seen] == [
            ("GET", "/odd//path%2Fx?a=b"),
            ("BREW", "/pot"),
            ("POST", CHAT),
        ]
        assert seen[0]["headers"]["x-a"] == "1"
        assert (seen[1]["body"], seen[1]["body_bytes"]) == ("\ufffd{", 2)
        WEB.delete(f"{url}/stub/requests")
        assert WEB.get(f"{url}/stub/requests").json() == []


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", CHAT, 405)])
def test_an_unknown_url_is_an_openai_error(method: str, path: str, status: int) -> None:
    with running() as url:
        answer = WEB.request(method, url + path)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == "unknown_url"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with running() as url:
        answer = WEB.post(url + CHAT, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_failures_come_at_the_rate_that_was_set() -> None:
    with running(StubOptions(failure_rate=0.25, failure_status=529)) as url:
        assert [post(url).status_code for _ in range(8)] == [200, 200, 200, 529] * 2


def test_a_request_can_ask_for_its_failure() -> None:
    with running() as url:
        answer = post(url, status="429")
    assert (answer.status_code, answer.json()["error"]["message"]) == (429, "The stub model was told to fail")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-stub-tokens", "many"),
        ("x-stub-tokens", "-1"),
        ("x-stub-tokens-per-second", "x"),
        ("x-stub-tokens-per-event", "0"),
        ("x-stub-status", "200"),
    ],
)
def test_a_header_that_cannot_be_used_is_named(header: str, value: str) -> None:
    with running() as url:
        answer = WEB.post(url + CHAT, json=BODY, headers={header: value})
    assert answer.status_code == 400
    assert header.removeprefix("x-stub-").replace("-", "_") in answer.json()["error"]["message"].replace("-", "_")


@pytest.mark.parametrize(
    "options",
    [{"failure_rate": 2}, {"capacity": -1}, {"failure_status": 200}, {"over_capacity": "x"}, {"tokens_per_event": 0}],
)
def test_an_option_that_cannot_be_used_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        StubOptions(**options)


def test_requests_beyond_the_capacity_are_refused_and_places_come_back() -> None:
    with running(StubOptions(capacity=1)) as url:
        first = threading.Thread(target=post, args=(url,), kwargs={"delay_ms": "1500"})
        first.start()
        wait_for_request(url)
        assert post(url).status_code == 503
        first.join()
        assert post(url).status_code == 200


def test_requests_beyond_the_capacity_can_wait() -> None:
    with running(StubOptions(capacity=1, over_capacity="wait")) as url:
        first = threading.Thread(target=post, args=(url,), kwargs={"delay_ms": "500"})
        first.start()
        wait_for_request(url)
        assert post(url).status_code == 200
        first.join()


def test_a_client_that_leaves_gives_its_place_back() -> None:
    with running(StubOptions(capacity=1)) as url:
        headers = {"x-stub-tokens": "1000", "x-stub-tokens-per-second": "20"}
        with WEB.stream("POST", url + CHAT, json={**BODY, "stream": True}, headers=headers) as stream:
            next(stream.iter_bytes())
        deadline = time.monotonic() + 20
        while (status := post(url).status_code) != 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert status == 200


def test_the_pace_can_be_set() -> None:
    with running() as url:
        started = time.monotonic()
        post(url, tokens="10", tokens_per_second="20")
        assert time.monotonic() - started >= 0.5


def wait_for_request(url: str) -> None:
    while not WEB.get(f"{url}/stub/requests").json():
        time.sleep(0.01)
