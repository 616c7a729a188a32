"""Several sidecars: behind one Envoy over TCP, and each with an Envoy of its own, on the same stores."""

import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.cpu import family
from ratelimit.tenants.uploads import SMALL
from ratelimit.uploads import MEBIBYTE, SHARE
from tenancy.redis.names import ENVOYS_KEY
from tenancy.values.lease_id import envoy_of
from tests.conftest import public_directory
from tests.e2e.attacks.test_tcp import BODY, CHAT, begin
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.e2e.envoys import envoy_process
from tests.e2e.outages.test_takeover import capacity, reserved, tell
from tests.e2e.outages.test_workers import IN_FLIGHT, stream
from tests.proxy import TcpProxy
from tests.warm import WarmProcess
from tests.web import WEB
from tollkeeper.config import Settings, as_environment
from tollkeeper.up.process import Process, free_port
from tollkeeper.up.stack import answers

SECRET = "s" * 32
MEBIBYTES = 32  # of bodies that may be held
SETTINGS = {"grpc_secret": SECRET, "uploads_max_mb": MEBIBYTES, "lease_seconds": 600}
FAR = 10**9  # tokens


@contextmanager
def another_sidecar(stack: Deployment, directory: Path, **changes: Any) -> Iterator[tuple[Settings, Process]]:
    """On the stores of `stack`."""
    places = {
        "metrics_listen": f"127.0.0.1:{free_port()}",
        "authz_socket": directory / "a.sock",
        "ratelimit_socket": directory / "r.sock",
        "data_dir": directory / "data",
        "access_log_file": directory / "access.jsonl",
        "model_clusters": None,
        "envoy_admin": None,
    }
    settings = stack.settings.model_copy(update={**places, **changes})
    log, environment = directory / "sidecar.log", as_environment(settings)
    process = WarmProcess("sidecar", ["sidecar"], log, stop_signal=signal.SIGINT, environment=environment)
    try:
        process.wait_until(lambda: answers(f"http://{settings.metrics_listen}/readyz"))
        yield settings, process
    finally:
        process.stop()


class Pair:
    """Two sidecars that answer over TCP, and may be cut off."""

    def __init__(self, stack: Deployment, second: Settings) -> None:
        self.stack = stack
        self.listens = [f"http://{each.metrics_listen}/metrics" for each in (stack.settings, second)]
        self.proxies = [TcpProxy(int(str(each.grpc_listen).rpartition(":")[2])) for each in (stack.settings, second)]

    @contextmanager
    def envoy(self, directory: Path) -> Iterator[tuple[str, Process]]:
        """One that asks both."""
        directory.mkdir()
        both = tuple(f"127.0.0.1:{proxy.port}" for proxy in self.proxies)
        asked: dict[str, Any] = {"authz": both, "ratelimit": both, "grpc_secret": SECRET}
        with envoy_process(self.stack, directory, self.stack.stub_url, **asked) as found:
            yield found

    def metric(self, name: str) -> list[float]:
        """Of each sidecar."""
        return [
            sum(float(line.split()[-1]) for line in WEB.get(url).text.splitlines() if line.startswith(f"{name}{{"))
            for url in self.listens
        ]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with public_directory() as directory, ExitStack() as stops:
        stack = Deployment(directory / "stack", settings={**SETTINGS, "grpc_listen": f"127.0.0.1:{free_port()}"})
        stops.callback(stack.close)
        (other := directory / "second").mkdir()
        listen = f"127.0.0.1:{free_port()}"
        second, _ = stops.enter_context(another_sidecar(stack, other, grpc_listen=listen))
        pair = Pair(stack, second)
        for proxy in pair.proxies:
            stops.callback(proxy.close)
        yield pair


def status(url: str, who: Credential, size: int = 0) -> int:
    body = {**BODY, "messages": [{"role": "user", "content": "Hello" + "x" * size}]}
    return WEB.post(url + CHAT, json=body, headers=who.headers, timeout=30).status_code


def many(url: str, who: Credential, count: int, size: int = 0) -> Counter[int]:
    with ThreadPoolExecutor(8) as pool:
        return Counter(pool.map(lambda _: status(url, who, size), range(count)))


def test_what_one_tenant_makes_an_envoy_hold_is_bounded_by_both_of_its_sidecars(pair: Pair, public_path: Path) -> None:
    """And nobody is refused since one sidecar let its bodies in and the other was told that they are there."""
    who, other = pair.stack.tenant(tokens_per_minute=FAR), pair.stack.tenant(tokens_per_minute=FAR)
    share = MEBIBYTES * MEBIBYTE // SHARE // SMALL
    with pair.envoy(public_path / "envoy") as (url, _), ExitStack() as closing:
        assert many(url, who, 2 * share + 50) == {200: 2 * share + 50}
        assert min(pair.metric("tollkeeper_authz_decisions_total")) > share
        assert many(url, other, 20, size=2 * MEBIBYTE) == {200: 20}, "large bodies, which count for longer"
        for _ in range(2 * share):
            begin(closing, url, who)
        wait_for(lambda: True if many(url, who, 8) == {429: 8} else None, "the bound")
        assert many(url, other, 8) == {200: 8}
        held = sum(pair.metric("tollkeeper_authz_bodies_coming"))
        for _ in range(2 * share):
            begin(closing, url, who)
        assert many(url, who, 8) == {429: 8}
        assert share <= sum(pair.metric("tollkeeper_authz_bodies_coming")) <= held
        closing.close()
        wait_for(lambda: True if many(url, who, 8) == {200: 8} else None, "room")


@pytest.mark.parametrize("how", ["killed", "its machine lost"])
def test_what_ran_through_an_envoy_that_is_lost_is_over_in_both_of_its_sidecars(
    pair: Pair, public_path: Path, how: str
) -> None:
    """Also in the one that has no log stream of it: it has one worker, and so one stream."""
    who = pair.stack.tenant(max_in_flight=8)
    with pair.envoy(public_path / "envoy") as (url, envoy), ExitStack() as stops:
        assert status(url, who) == 200
        with suppress(httpx.TransportError), ExitStack() as running:
            for _ in range(8):
                running.enter_context(stream(url, who))
            assert min(pair.metric(IN_FLIGHT)) > 0
            assert status(url, who) == 429
            if how == "killed":
                envoy.kill()
            else:
                for proxy in pair.proxies:
                    stops.callback(proxy.restore)
                    proxy.freeze()
            wait_for(lambda: True if not sum(pair.metric(IN_FLIGHT)) else None, "free slots", 40)
            wait_for(lambda: True if len(reserved(pair.stack, who)) == 8 else None, "their rows", 40)
        envoy.kill()
    assert pair.stack.chat(who).status_code == 200


def test_what_ran_through_an_envoy_and_sidecar_that_are_lost_for_good_is_over_beside_others(
    pair: Pair, public_path: Path
) -> None:
    """All of a pod is killed; nobody comes in its place."""
    who = pair.stack.tenant(max_in_flight=4)
    with another_sidecar(pair.stack, public_path) as (settings, sidecar), ExitStack() as stops:
        asked: dict[str, Any] = {
            "authz": (f"unix:{settings.authz_socket}",),
            "ratelimit": (f"unix:{settings.ratelimit_socket}",),
        }
        (directory := public_path / "envoy").mkdir()
        url, envoy = stops.enter_context(envoy_process(pair.stack, directory, pair.stack.stub_url, **asked))
        wait_for(lambda: True if status(url, who) == 200 else None, "the pod")
        name = envoy_of(str(pair.stack.usage_when(who, 1)[0]["id"]))
        with pair.stack.redis() as redis:
            wait_for(lambda: redis.zscore(ENVOYS_KEY, name), "the first word of its Envoy")
        with suppress(httpx.TransportError), ExitStack() as running:
            for _ in range(4):
                running.enter_context(stream(url, who))
            assert pair.stack.chat(who).status_code == 429
            envoy.kill()
            processes = family(sidecar.pid)
            sidecar.kill()
            tell(sorted(processes), signal.SIGKILL)
            wait_for(lambda: True if pair.stack.chat(who).status_code == 200 else None, "a free slot", 40)
            rows = wait_for(lambda: rows if len(rows := reserved(pair.stack, who)) == 4 else None, "their rows", 40)
    assert all(row["output_tokens"] > 0 for row in rows)
    with pair.stack.redis() as redis:
        wait_for(lambda: True if not redis.zcard(f"tollkeeper:leases:{{{who.tenant_id}}}") else None, "no lease")


def test_what_is_over_makes_room_in_the_sidecar_that_admitted_it(pair: Pair, public_path: Path) -> None:
    """The other one has the log stream, and so hears of all ends."""
    who = pair.stack.tenant(tokens_per_minute=FAR)
    with pair.envoy(public_path / "envoy") as (url, _), capacity(pair.stack, 20):
        assert many(url, who, 200) == {200: 200}
        wait_for(lambda: True if pair.metric(IN_FLIGHT) == [0.0, 0.0] else None, "nothing in flight", 5)


def test_one_that_hangs_costs_time_and_no_answer(pair: Pair, public_path: Path) -> None:
    """Envoy waits for authz for 2 s: for one of two no longer than half of that."""
    who = pair.stack.tenant(tokens_per_minute=FAR)
    with pair.envoy(public_path / "envoy") as (url, _):
        assert many(url, who, 16) == {200: 16}
        pair.proxies[0].freeze()
        try:
            assert many(url, who, 16) == {200: 16}
        finally:
            pair.proxies[0].restore()
