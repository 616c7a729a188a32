"""Metrics of several processes appear as one, and a process that is away does not hide the others."""

import json
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from serving.metrics import Counter, Gauge, Histogram, Metrics
from tests.accesslog.stack import wait_until
from tollkeeper.metrics_http import MAX_CONNECTIONS, MetricsServer, ProcessMetrics, families_of
from tollkeeper.up.process import free_port


def registry_of(*members: Counter | Histogram | Gauge) -> CollectorRegistry:
    metrics = Metrics()
    metrics.add(*members)
    registry = CollectorRegistry()
    registry.register(metrics)
    return registry


@pytest.fixture
def merged(tmp_path: Path) -> Iterator[str]:
    """The address that shows two processes as one; a third is away."""
    sockets = {name: tmp_path / f"{name}.sock" for name in ("one", "two", "away")}
    servers = []
    for name, count in (("one", 3), ("two", 4)):
        calls = Counter("tollkeeper_test_calls", "Calls", "outcome", ("good", "bad"))
        calls.add("good", count)
        seconds = Histogram("tollkeeper_test_seconds", "Time", (0.1, 1.0))
        seconds.observe(0.5)
        members = (calls, seconds, Gauge("tollkeeper_test_level", "Level", lambda count=count: count))  # type: ignore[misc]
        servers.append(MetricsServer(sockets[name], registry_of(*members), lambda: {"engine": True}))
    registry = CollectorRegistry()
    registry.register(ProcessMetrics(sockets))
    address = f"127.0.0.1:{free_port()}"
    servers.append(MetricsServer(address, registry, lambda: {"one": True, "away": False}, lambda: ["no file log"]))
    yield address
    for server in servers:
        server.close()


def test_of_clients_that_leave_nothing_is_printed(merged: str, capfd: pytest.CaptureFixture[str]) -> None:
    host, port = merged.split(":")
    for _ in range(20):
        with socket.create_connection((host, int(port))) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets it
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert urllib.request.urlopen(f"http://{merged}/metrics").status == 200
    assert "Traceback" not in capfd.readouterr().err


def test_samples_of_each_process_are_labelled(merged: str) -> None:
    with urllib.request.urlopen(f"http://{merged}/metrics") as response:
        lines = response.read().decode().splitlines()
    assert 'tollkeeper_test_calls_total{outcome="good",process="one"} 3.0' in lines
    assert 'tollkeeper_test_calls_total{outcome="good",process="two"} 4.0' in lines
    assert 'tollkeeper_test_level{process="two"} 4.0' in lines
    assert 'tollkeeper_test_seconds_bucket{le="0.1",process="one"} 0.0' in lines
    assert 'tollkeeper_test_seconds_bucket{le="1.0",process="one"} 1.0' in lines
    assert lines.count("# TYPE tollkeeper_test_calls_total counter") == 1


def test_readiness_names_the_part_that_is_not(merged: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(f"http://{merged}/readyz")
    with closing(raised.value) as answer:
        assert answer.code == 503
        found = json.load(answer)
    assert found["parts"] == {"one": True, "away": False}
    assert found["warnings"] == ["no file log"]


def test_it_listens_on_ipv6() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        address = f"[::1]:{taken.getsockname()[1]}"
    server = MetricsServer(address, CollectorRegistry(), lambda: {"one": True})
    try:
        assert urllib.request.urlopen(f"http://{address}/readyz").status == 200
    finally:
        server.close()


def test_an_unknown_path_says_which_there_are(merged: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(f"http://{merged}/nothing")
    with closing(raised.value) as answer:
        assert b"/metrics" in answer.read()


def test_a_label_value_outside_the_set_is_refused() -> None:
    with pytest.raises(KeyError):
        Counter("tollkeeper_test_calls", "Calls", "outcome", ("good",)).add("never seen")


def test_connections_that_ask_for_nothing_hold_up_no_scrape(merged: str) -> None:
    host, _, port = merged.rpartition(":")
    before = threading.active_count()
    with ExitStack() as stack:
        idle = [
            stack.enter_context(socket.create_connection((host, int(port)), 10)) for _ in range(2 * MAX_CONNECTIONS)
        ]
        assert [each.recv(1) for each in idle[:MAX_CONNECTIONS]] == [b""] * MAX_CONNECTIONS
        wait_until(lambda: threading.active_count() - before <= MAX_CONNECTIONS)
        with urllib.request.urlopen(f"http://{merged}/metrics", timeout=10) as response:
            assert response.status == 200


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
# As each sends it by default.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;"
    "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (PROMETHEUS_2, OPEN),
        (PROMETHEUS_3, OPEN),
        ("*/*", PLAIN),
        ("text/plain;version=0.0.4", PLAIN),
        (
            "application/openmetrics-text;version=no-number,;;,=",
            OPEN,
        ),
    ],
)
def test_who_names_openmetrics_gets_it_with_exemplars(tmp_path: Path, accept: str, content_type: str) -> None:
    seconds = Histogram("tollkeeper_test_seconds", "Time", (0.1, 1.0), "kind", ("a", "b"))
    for amount, trace in ((0.5, TRACE), (0.6, ""), (7.0, "")):
        seconds.observe(amount, "a", trace)
    calls = Counter("tollkeeper_test_calls", "Calls", "outcome", ("good", "bad"))
    with ExitStack() as stops:
        stops.callback(MetricsServer(tmp_path / "one.sock", registry_of(seconds, calls), dict).close)
        registry, address = CollectorRegistry(), f"127.0.0.1:{free_port()}"
        registry.register(ProcessMetrics({"one": tmp_path / "one.sock"}))
        stops.callback(MetricsServer(address, registry, dict).close)
        asked = urllib.request.Request(f"http://{address}/metrics", headers={"accept": accept})
        with urllib.request.urlopen(asked) as response:
            assert response.headers["content-type"] == content_type
            text = response.read().decode()
    found = {str(s.labels): s.exemplar for f in families_of(text) for s in f.samples if s.name.endswith("_bucket")}
    assert len(found) == 6
    exemplars = [each for each in found.values() if each is not None]
    if content_type.startswith("text/plain"):
        assert exemplars == []
    else:
        assert [(each.labels, each.value) for each in exemplars] == [({"trace_id": TRACE}, 0.5)]
        assert text.endswith("# EOF\n")
