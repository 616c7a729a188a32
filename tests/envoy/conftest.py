"""A real Envoy for any bootstrap, and the stub model to put behind it."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from stub_model import StubOptions, running
from tests.envoy.chain import CLOSES_SOON, WITHOUT_SERVICES, Chain, existing_envoy
from tests.web import WEB
from tollkeeper.envoy.render import render
from tollkeeper.envoy.settings import EnvoySettings
from tollkeeper.up.process import Process, free_port
from tollkeeper.wheels import envoy_binary

FLUSH_MS = 5  # of the file log; Envoy's own is 10 s


@pytest.fixture(scope="session")
def stub_url() -> Iterator[str]:
    with running(StubOptions()) as url:
        yield url


@pytest.fixture
def sent(stub_url: str) -> Callable[[], list[dict[str, Any]]]:
    """The requests that reached the upstream since the test began."""
    WEB.delete(f"{stub_url}/stub/requests")
    return lambda: list(WEB.get(f"{stub_url}/stub/requests").json())


@contextmanager
def envoy(config: Path, port: int, log: Path) -> Iterator[str]:
    """Runs Envoy with `config`, whose listener is on `port`; gives its URL."""
    options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "error"]
    flush = ["--file-flush-interval-msec", str(FLUSH_MS)]
    process = Process("envoy", [envoy_binary(), "--config-path", config, *options, *flush], log)
    with ExitStack() as stack:
        stack.callback(process.stop)
        process.wait_until(lambda: listening(port))
        yield f"http://127.0.0.1:{port}"


@contextmanager
def envoy_with(bootstrap: Callable[[int], dict[str, Any]], directory: Path) -> Iterator[str]:
    """Runs Envoy with the bootstrap made for a free port."""
    port = free_port()
    config = directory / "bootstrap.json"
    config.write_text(json.dumps(bootstrap(port)))
    with envoy(config, port, directory / "envoy.log") as url:
        yield url


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def raw(url: str, request: bytes, seconds: float = 30.0) -> bytes:
    """Sends bytes as they are, and reads to the end of the connection."""
    parts = httpx.URL(url)
    received = b""
    with socket.create_connection((parts.host, parts.port or 80), seconds) as connection:
        # A refusal may come, and the connection end, before all is sent.
        with suppress(ConnectionError):
            connection.sendall(request)
        with suppress(ConnectionError):
            while chunk := connection.recv(65_536):
                received += chunk
    return received


@pytest.fixture(scope="module")
def chain(stub_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    directory = tmp_path_factory.mktemp("chain")
    with envoy_with(existing_envoy(directory, stub_url, left_out=WITHOUT_SERVICES), directory) as url:
        yield Chain(url, directory / "access.jsonl")


@pytest.fixture(scope="module")
def complete(stub_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The complete envoy.yaml, with no sidecar behind it."""
    directory = tmp_path_factory.mktemp("complete")
    port = free_port()
    settings = EnvoySettings(
        upstream=stub_url,
        listen=f"127.0.0.1:{port}",
        config_dir=str(directory),
        access_log=str(directory / "access.jsonl"),
        authz=(f"unix:{directory}/authz.sock",),
        ratelimit=(f"unix:{directory}/ratelimit.sock",),
    )
    whole = yaml.safe_load(render(settings, directory, envoy_binary())[0].read_text())
    for chain in whole["static_resources"]["listeners"][0]["filter_chains"]:
        chain["filters"][0]["typed_config"].update(CLOSES_SOON)
    config = directory / "closes-soon.json"
    config.write_text(json.dumps(whole))
    with envoy(config, port, directory / "envoy.log") as url:
        yield url
