"""What belongs to the route and listener of envoy.yaml: the server's own limits, web pages, answers that flow."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
import yaml

from tests.envoy.chain import WITHOUT_SERVICES
from tests.envoy.conftest import envoy
from tests.web import WEB
from tollkeeper.envoy.render import render, rendered
from tollkeeper.envoy.settings import EnvoySettings
from tollkeeper.up.process import free_port

ORIGIN = "https://chat.example.com"
IDLE_SECONDS = 1.0
LIMITS = {
    "x-ratelimit-limit-requests": "30000",
    "x-ratelimit-remaining-tokens": "149999",
    "x-ratelimit-reset-tokens": "6ms",
    "x-ratelimit-over-limit": "no",
    "x-ratelimitbysize-query-cost": "1",
    "ratelimitbysize-reset": "1",
    "anthropic-ratelimit-input-tokens-remaining": "9",
    "anthropic-ratelimit-unified-fallback-percentage": "0.5",
    "ratelimit": "limit=9",
    "ratelimit-policy": '"a";q=9',
    "retry-after": "79731",
    "retry-after-ms": "5",
    "x-should-retry": "false",
    "x-admission": "queued",
    "x-queue-ms": "5",
}
OTHERS = {"x-retry-after": "theirs", "x-queue-ms-max": "theirs", "x-model": "ratelimit"}


class Server(BaseHTTPRequestHandler):
    """A model server that tells of its limits; `/flows` sends a byte every so often, `/sleeps` says nothing."""

    protocol_version = "HTTP/1.1"
    connections: ClassVar[set[object]] = set()

    def setup(self) -> None:
        self.connections.add(self)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.connections.discard(self)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/sleeps":
            time.sleep(5 * IDLE_SECONDS)
        with suppress(ConnectionError):  # Envoy may have given up
            self.answer()

    def answer(self) -> None:
        self.send_response(200)
        for name, value in {**LIMITS, **OTHERS, "content-type": "text/plain", "x-request-id": "theirs"}.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for _ in range(6 if self.path == "/flows" else 1):
            self.wfile.write(b"1\r\nx\r\n")
            self.wfile.flush()
            if self.path == "/flows":
                time.sleep(IDLE_SECONDS / 2)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def open_envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The complete envoy.yaml without the two calls."""
    directory, port = tmp_path_factory.mktemp("route"), free_port()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = EnvoySettings(
        upstream=f"http://127.0.0.1:{server.server_port}",
        listen=f"127.0.0.1:{port}",
        config_dir=str(directory),
        access_log=str(directory / "access.jsonl"),
        idle_timeout_seconds=IDLE_SECONDS,
        cors_origins=(ORIGIN,),
    )
    file = render(settings, directory)[0]
    config = yaml.safe_load(file.read_text())
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"] = [each for each in manager["http_filters"] if each["name"] not in WITHOUT_SERVICES]
    file.write_text(yaml.safe_dump(config))
    with envoy(file, port, directory / "envoy.log") as url:
        yield url
    server.shutdown()
    server.server_close()


def test_the_model_servers_own_limits_do_not_reach_the_client(open_envoy: str) -> None:
    answer = WEB.post(f"{open_envoy}/v1/x", json={})
    assert answer.status_code == 200
    assert not LIMITS.keys() & answer.headers.keys()
    assert answer.headers.items() >= OTHERS.items()


def test_a_connection_that_nobody_uses_is_given_up_before_the_model_server_does(open_envoy: str) -> None:
    """This one never would, and Envoy by itself after an hour; uvicorn and llama.cpp do after 5 s."""
    assert WEB.post(f"{open_envoy}/v1/x", json={}).status_code == 200
    deadline = time.monotonic() + 60
    while Server.connections:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_answer_that_flows_is_never_cut(open_envoy: str) -> None:
    answer = WEB.post(f"{open_envoy}/flows", json={}, timeout=30)
    assert answer.text == "x" * 6  # in three times as long as the idle timeout


def test_a_model_server_that_says_nothing_is_given_up(open_envoy: str) -> None:
    answer = WEB.post(f"{open_envoy}/sleeps", json={}, timeout=30)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")


def test_a_preflight_needs_no_credential(open_envoy: str) -> None:
    asks = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    answer = WEB.options(f"{open_envoy}/v1/chat/completions", headers=asks)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert "POST" in answer.headers["access-control-allow-methods"]


def test_a_refusal_can_be_read_by_the_page(open_envoy: str) -> None:
    answer = WEB.post(f"{open_envoy}/v1/x", content='{"n":1,"n":2}', headers={"origin": ORIGIN})
    assert answer.status_code == 400
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    other = WEB.post(f"{open_envoy}/v1/x", content='{"n":1,"n":2}', headers={"origin": "https://other.example"})
    assert "access-control-allow-origin" not in other.headers


def test_only_what_says_that_it_is_short_is_spared_the_filters_for_large_bodies() -> None:
    config = yaml.safe_load(rendered(EnvoySettings())["envoy.yaml"])
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    *_, short, last = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert short["match"]["headers"] == [{"name": "content-length", "range_match": {"start": 0, "end": 10000}}]
    switched = short.pop("typed_per_filter_config")
    assert switched.keys() == {"tollkeeper.uploads", "tollkeeper.buffer"}
    assert all(each["disabled"] for each in switched.values())
    assert {**short, "match": {"prefix": "/"}} == last
