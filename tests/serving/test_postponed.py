"""Answers that can wait for the other calls, on the engines that let them wait."""

import time
from collections.abc import Callable, Sequence

import grpc
import pytest

from serving.call import Call, Method, Unary
from serving.completion_queue.engine import CompletionQueueEngine
from serving.engine import MAX_MESSAGE_BYTES, Engine, EngineKind
from serving.http2.engine import Http2Engine
from tests.serving.conftest import Server, eventually

URGENT, PATIENT = "/test.Service/Urgent", "/test.Service/Patient"


@pytest.fixture(params=["http2", "completion_queue"])
def kind(request: pytest.FixtureRequest) -> EngineKind:
    kind: EngineKind = request.param
    return kind


class Order:
    """The order in which answers were made; each urgent one takes as long as its message says."""

    def __init__(self) -> None:
        self.methods = (Unary(URGENT, self._urgent), Unary(PATIENT, self._patient))
        self.begun = False
        self.made: list[str] = []

    def _urgent(self, message: bytes, call: Call) -> bytes:
        self.begun = True
        time.sleep(float(message))
        self.made.append("urgent")
        return message

    def _patient(self, message: bytes, call: Call) -> Callable[[], bytes]:
        def make() -> bytes:
            self.made.append("patient")
            return message

        return make


def test_what_can_wait_is_answered_after_those_who_came_later(serve: Server) -> None:
    order = Order()
    served = serve(*order.methods)
    served.call(URGENT, b"0")
    pause = served.start(URGENT, b"0.5")
    eventually(lambda: order.begun)
    patient = [served.start(PATIENT, b"") for _ in range(20)]
    urgent = [served.start(URGENT, b"0") for _ in range(20)]
    assert {answer.code() for answer in (pause, *patient, *urgent)} == {grpc.StatusCode.OK}
    assert sorted(order.made) == ["patient"] * 20 + ["urgent"] * 22
    assert order.made[:12] == ["urgent"] * 12  # the rest may have come too late for that


def test_a_call_that_can_wait_does_not_wait_for_ever(serve: Server) -> None:
    order = Order()
    served = serve(*order.methods)
    pause = served.start(URGENT, b"0.3")
    eventually(lambda: order.begun)
    patient = served.start(PATIENT, b"")
    urgent = [pause, *(served.start(URGENT, b"0.02") for _ in range(50))]
    assert {answer.code() for answer in (patient, *urgent)} == {grpc.StatusCode.OK}
    assert order.made[-1] == "urgent"


def test_a_drain_waits_for_them(serve: Server) -> None:
    order = Order()
    served = serve(*order.methods)
    pause = served.start(URGENT, b"0.3")
    eventually(lambda: order.begun)
    patient = [served.start(PATIENT, b"") for _ in range(20)]
    time.sleep(0.1)
    served.stop(grace=10.0)
    assert {answer.code() for answer in (pause, *patient)} == {grpc.StatusCode.OK}


def with_few(kind: EngineKind, methods: Sequence[Method], address: str) -> Engine:
    """An engine on which at most five answers wait."""
    if kind == "http2":
        return Http2Engine(methods, [address], None, max_message_bytes=MAX_MESSAGE_BYTES, max_postponed=5)
    return CompletionQueueEngine(methods, [address], [], None, max_postponed=5)


def test_beyond_so_many_nobody_waits(serve: Server) -> None:
    order, address = Order(), serve.address()
    served = serve.run(with_few(serve.kind, order.methods, address), address)
    pause = served.start(URGENT, b"0.5")
    eventually(lambda: order.begun)
    patient = [served.start(PATIENT, b"") for _ in range(10)]
    urgent = [served.start(URGENT, b"0") for _ in range(20)]
    assert {answer.code() for answer in (pause, *patient, *urgent)} == {grpc.StatusCode.OK}
    assert order.made.index("patient") < len(order.made) - 10
