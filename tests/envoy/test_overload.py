"""What Envoy does as its memory fills up, in this order: it resets the streams that hold most, refuses, and closes."""

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

import httpx
import pytest
import yaml

from tests.e2e.deployment import wait_for
from tests.envoy.chain import CHAT, WITHOUT_SERVICES
from tests.envoy.conftest import envoy
from tests.web import NO_TLS, WEB
from tollkeeper.envoy.render import render
from tollkeeper.envoy.settings import EnvoySettings
from tollkeeper.up.process import free_port

T = TypeVar("T")
MEBIBYTE = 1024 * 1024
HEAP = 64  # MiB
UPLOAD = 5 * MEBIBYTE  # of each that stands still
ENOUGH = 40
RESETS = "envoy.overload_actions.reset_high_memory_stream.count"


class Small(NamedTuple):
    """A complete Envoy with little memory, and no sidecar."""

    port: int
    admin: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, name: str) -> int:
        found = WEB.get(f"{self.admin}/stats?filter=^{name}$").text.split()
        return int(found[-1]) if found else 0


@pytest.fixture
def small(stub_url: str, tmp_path: Path) -> Iterator[Small]:
    made = Small(free_port(), f"http://127.0.0.1:{free_port()}")
    settings = EnvoySettings(
        upstream=stub_url,
        listen=f"127.0.0.1:{made.port}",
        admin=made.admin.removeprefix("http://"),
        config_dir=str(tmp_path),
        access_log=str(tmp_path / "access.jsonl"),
        max_heap_mb=HEAP,
    )
    whole = yaml.safe_load(render(settings, tmp_path)[0].read_text())
    manager = whole["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"] = [each for each in manager["http_filters"] if each["name"] not in WITHOUT_SERVICES]
    config = tmp_path / "small.json"
    config.write_text(json.dumps(whole))
    with envoy(config, made.port, tmp_path / "envoy.log"):
        yield made


def until(step: Callable[[], object], found: Callable[[], T | None]) -> T:
    """Takes steps, each once what came of the one before is seen, until something is found."""
    for _ in range(ENOUGH):
        step()
        with suppress(AssertionError):
            return wait_for(found, "not yet", timeout=0.5)
    raise AssertionError("never")


def test_new_requests_are_refused_and_then_new_connections_closed(small: Small) -> None:
    uploads: list[socket.socket] = []
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {30 * MEBIBYTE}\r\n\r\n"

    def upload(connection: socket.socket | None = None) -> None:
        sending = connection or socket.create_connection(("127.0.0.1", small.port), 10)
        if connection is None:
            uploads.append(sending)
            sending.sendall(head.encode())
        sending.sendall(b"x" * UPLOAD)

    def refused() -> httpx.Response | None:
        answer = client.get("/v1/models")
        return answer if answer.status_code != 200 else None

    def closed() -> bool | None:
        with socket.create_connection(("127.0.0.1", small.port), 10) as new:
            new.settimeout(0.3)
            with suppress(TimeoutError, ConnectionError):
                return True if not new.recv(1) else None
        return None

    with ExitStack() as closing, httpx.Client(verify=NO_TLS, base_url=small.url) as client:
        closing.callback(lambda: close(uploads))
        assert client.get("/v1/models").status_code == 200
        answer = until(upload, refused)
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "overloaded"
        assert answer.headers["retry-after"] == "1"
        assert until(lambda: upload(uploads[0]), closed)
    with httpx.Client(verify=NO_TLS, base_url=small.url) as client:
        wait_for(lambda: True if served(client) else None, "memory")


def close(connections: list[socket.socket]) -> None:
    for each in connections:
        each.close()


def served(client: httpx.Client) -> bool:
    with suppress(httpx.HTTPError):
        return client.get("/v1/models").status_code == 200
    return False


def test_streams_of_http2_that_hold_most_go_first(small: Small) -> None:
    curl = ["curl", "-sS", "--http2-prior-knowledge", "-X", "POST", "-H", f"content-length: {30 * MEBIBYTE}", "-T", "-"]

    def upload() -> None:
        sending = closing.enter_context(
            subprocess.Popen([*curl, small.url + CHAT], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        )
        closing.callback(sending.kill)
        assert sending.stdin is not None
        sending.stdin.write(b"x" * UPLOAD)
        sending.stdin.flush()

    with ExitStack() as closing, httpx.Client(verify=NO_TLS, base_url=small.url) as client:
        assert until(upload, lambda: small.count(RESETS) or None)
        assert client.get("/v1/models").status_code == 200
    assert small.count("http.tollkeeper.downstream_rq_overload_close") == 0
