import time

import grpc
import pytest
from prometheus_client.registry import CollectorRegistry
from structlog.testing import capture_logs

from serving.call import Call, Method, Unary
from serving.engine_metrics import EngineMetrics
from serving.metrics import Counter, Gauge, Metrics, MetricSet
from tests.serving.conftest import Server, eventually
from tests.serving.streams.test_stream import LOG, Sinks

ECHO, BROKEN, HOLD = "/test.Service/Echo", "/test.Service/Broken", "/test.Service/Hold"


def echo(message: bytes, call: Call) -> bytes:
    return message


def broken(message: bytes, call: Call) -> bytes:
    raise RuntimeError


class FailingObserver:
    def handled(self, path: str, seconds: float, code: str) -> None:
        raise KeyError(path)


def test_an_observer_that_fails_does_not_stop_the_engine(serve: Server) -> None:
    served = serve(Unary(ECHO, echo), observer=FailingObserver())
    with capture_logs() as events:
        assert [served.call(ECHO, b"hello") for _ in range(3)] == [b"hello"] * 3
        eventually(lambda: len(events) == 3)


def test_calls_are_counted_by_method_and_by_status(serve: Server) -> None:
    held: list[Call] = []

    def hold(message: bytes, call: Call) -> None:
        held.append(call)

    methods: list[Method] = [Unary(ECHO, echo), Unary(BROKEN, broken), Unary(HOLD, hold), Sinks().method]
    observer, metrics, registry = EngineMetrics(methods), Metrics(), CollectorRegistry()
    observer.register(metrics)
    registry.register(metrics)
    served = serve(*methods, observer=observer)
    for _ in range(3):
        served.call(ECHO, b"hello")
    served.stream(LOG, iter([b"a", b"b"])).result()
    for path in (BROKEN, "/test.Service/Other"):
        with pytest.raises(grpc.RpcError):
            served.call(path, b"")
    with pytest.raises(grpc.RpcError):
        served.call(HOLD, b"", timeout=0.2)
    eventually(lambda: held[0].time_remaining() == 0.0)
    time.sleep(0.1)  # the engine's own clock says so too
    held[0].reply(b"late")

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"tollkeeper_serving_{name}", labels)

    eventually(lambda: value("calls_total", code="CANCELLED") == 1)
    expected = {"OK": 4, "INTERNAL": 1, "UNIMPLEMENTED": 1, "CANCELLED": 1, "UNAVAILABLE": 0}
    assert {code: value("calls_total", code=code) for code in expected} == expected
    counts = {"Echo": 3, "Log": 1, "Broken": 1, "Hold": 1, "unknown": 1}
    assert {method: value("call_seconds_count", method=method) for method in counts} == counts
    assert {method: value("failures_total", method=method) for method in counts} == dict.fromkeys(counts, 0) | {
        "Broken": 1
    }
    total = value("call_seconds_sum", method="Hold")
    assert total is not None
    assert 0.1 < total < 10.0


def test_two_metrics_of_one_name_are_refused() -> None:
    metrics = Metrics()
    metrics.add(first := Counter("tollkeeper_test_calls", "Calls"), first)
    with pytest.raises(ValueError, match="two metrics tollkeeper_test_calls"):
        metrics.add(Gauge("tollkeeper_test_calls", "Others", lambda: 0.0))


def test_what_is_watched_too_late_to_be_shown_is_refused() -> None:
    parts = MetricSet("tollkeeper_test_")
    parts.watch("level", "Level", lambda: 1.0)
    assert [each.name for each in parts.members()] == ["tollkeeper_test_level"]
    with pytest.raises(ValueError, match="tollkeeper_test_later is watched after"):
        parts.watch("later", "Level", lambda: 1.0)
