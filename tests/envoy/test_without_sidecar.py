"""Envoy with Tollkeeper's configuration and no sidecar: nothing passes, and every refusal has a JSON body."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.envoy.chain import existing_envoy
from tests.envoy.conftest import envoy_with, raw
from tests.web import WEB


def test_nothing_passes_without_the_sidecar(complete: str, sent: Callable[[], list[Any]]) -> None:
    answer = WEB.post(f"{complete}/v1/chat/completions", json={"model": "mock-model", "messages": []})
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "tollkeeper_unavailable"
    assert sent() == []


def test_nothing_passes_an_existing_envoy_without_the_sidecar(
    stub_url: str, tmp_path: Path, sent: Callable[[], list[Any]]
) -> None:
    with envoy_with(existing_envoy(tmp_path, stub_url), tmp_path) as url:
        answer = WEB.post(f"{url}/v1/chat/completions", json={"model": "mock-model", "messages": []})
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "tollkeeper_unavailable"
    assert sent() == []


UPGRADE = b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\nsec-websocket-version: 13\r\n"
REFUSED = {
    "escaped slash": (b"GET /v1%2Fmodels HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "escaped backslash": (b"GET /v1%5Cmodels HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "fragment": (b"GET /v1/models#x HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", 400),
    "length and chunks": (
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "unknown method": (b"BREW / HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "websocket": (b"GET /v1/realtime HTTP/1.1\r\nhost: x\r\n" + UPGRADE + b"\r\n", 403),
    "CONNECT": (b"CONNECT x:443 HTTP/1.1\r\nhost: x:443\r\n\r\n", 403),
    "HTTP/1.0": (b"GET /v1/models HTTP/1.0\r\nhost: x\r\n\r\n", 426),
    "headers of 100 KiB": (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 102_400 + b"\r\n\r\n", 431),
}


@pytest.mark.parametrize(("request_bytes", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_envoy_itself_refuses(complete: str, sent: Callable[[], list[Any]], request_bytes: bytes, status: int) -> None:
    head, _, body = raw(complete, request_bytes).partition(b"\r\n\r\n")
    assert head.split()[1] == str(status).encode()
    assert b"content-type: application/json" in head
    assert b'"error":{' in body
    assert sent() == []
