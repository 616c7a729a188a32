"""What a call hears of its caller's going, on every engine."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import grpc
import pytest
from structlog.testing import capture_logs

from serving.call import Call, Unary
from serving.engine_metrics import EngineMetrics
from tests.serving.conftest import Served, Server, eventually
from tests.serving.desk import ECHO, HOLD, Desk, cancel, echo, settled


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_caller_who_cancels_is_reported_once_and_at_once(serve: Server, desk: Desk) -> None:
    served = serve(desk.method, Unary(ECHO, echo))
    answer = served.start(HOLD, b"7")
    eventually(lambda: desk.calls)
    assert settled(served, desk) == []
    cancel(answer)
    eventually(lambda: desk.gone)
    desk.calls[0].reply(b"late")
    assert settled(served, desk) == [7]


def test_a_deadline_that_passes_is_reported(serve: Server, desk: Desk) -> None:
    served = serve(desk.method, Unary(ECHO, echo))
    assert served.code(HOLD, b"7", timeout=0.2)[0] is grpc.StatusCode.DEADLINE_EXCEEDED
    eventually(lambda: desk.gone)
    assert settled(served, desk) == [7]


CLIENT = """
import sys, grpc
grpc.insecure_channel(sys.argv[1]).unary_unary(sys.argv[2])(b"7", timeout=float(sys.argv[3]))
"""


@pytest.fixture
def client() -> Iterator[Callable[[Served, float], int]]:
    """Starts a process that calls HOLD with a timeout; its pid."""
    started: list[subprocess.Popen[bytes]] = []

    def start(served: Served, timeout: float) -> int:
        started.append(subprocess.Popen([sys.executable, "-c", CLIENT, served.address, HOLD, str(timeout)]))
        return started[-1].pid

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_killed_client_is_reported(serve: Server, desk: Desk, client: Callable[[Served, float], int]) -> None:
    served = serve(desk.method, Unary(ECHO, echo))
    process = client(served, 60.0)
    eventually(lambda: desk.calls)
    os.kill(process, signal.SIGKILL)
    eventually(lambda: desk.gone)
    assert settled(served, desk) == [7]


def test_the_deadline_of_a_client_that_is_frozen_passes_too(
    serve: Server, desk: Desk, client: Callable[[Served, float], int]
) -> None:
    served = serve(desk.method, Unary(ECHO, echo))
    process = client(served, 1.0)
    eventually(lambda: desk.calls)
    os.kill(process, signal.SIGSTOP)
    eventually(lambda: desk.gone)
    assert settled(served, desk) == [7]


def test_a_caller_who_left_before_it_was_asked_for_is_reported(serve: Server, desk: Desk) -> None:
    begun = threading.Event()

    def slow(message: bytes, call: Call) -> None:
        begun.set()
        time.sleep(0.5)
        desk.hold(message, call)

    served = serve(Unary(HOLD, slow), Unary(ECHO, echo))
    answer = served.start(HOLD, b"7")
    assert begun.wait(10.0)
    cancel(answer)
    eventually(lambda: desk.gone)
    assert settled(served, desk) == [7]


def test_what_is_registered_when_the_caller_is_known_to_have_gone_runs_there_and_then(
    serve: Server, desk: Desk
) -> None:
    served = serve(desk.method)
    answer = served.start(HOLD, b"7")
    eventually(lambda: desk.calls)
    cancel(answer)
    eventually(lambda: desk.gone)
    threads: list[threading.Thread] = []
    desk.calls[0].on_cancel(lambda: threads.append(threading.current_thread()))
    assert threads == [threading.current_thread()]


def test_a_second_callback_replaces_the_first(serve: Server, desk: Desk) -> None:
    served = serve(desk.method, Unary(ECHO, echo))
    answer = served.start(HOLD, b"1")
    eventually(lambda: desk.calls)
    desk.calls[0].on_cancel(lambda: desk.gone.append(2))
    cancel(answer)
    eventually(lambda: desk.gone)
    assert settled(served, desk) == [2]


def test_an_answer_that_arrived_is_not_followed_by_it(serve: Server, desk: Desk) -> None:
    served = serve(desk.method, Unary(ECHO, echo))
    answers = [served.start(HOLD, b"%d" % number) for number in range(20)]
    eventually(lambda: len(desk.calls) == 20)
    for call in desk.calls[:10]:
        call.reply(b"answer")
    for call in desk.calls[10:]:
        call.fail(grpc.StatusCode.ABORTED)
    codes = [answer.code() for answer in answers]
    assert sorted(codes, key=str) == [grpc.StatusCode.ABORTED] * 10 + [grpc.StatusCode.OK] * 10
    for answer in answers:
        cancel(answer)
    desk.calls[0].on_cancel(lambda: desk.gone.append(0))
    assert settled(served, desk) == []
    served.channel.close()
    served.stop()
    assert desk.gone == []


def test_what_the_engine_refuses_as_it_stops_is_reported(serve: Server, desk: Desk) -> None:
    served = serve(desk.method)
    answer = served.start(HOLD, b"7")
    eventually(lambda: desk.calls)
    served.stop(grace=0.3)
    assert answer.code() is grpc.StatusCode.UNAVAILABLE
    assert desk.gone == [7]
    desk.calls[0].on_cancel(lambda: desk.gone.append(8))
    assert desk.gone == [7, 8]


def test_a_caller_who_went_does_not_hold_up_the_stop(serve: Server, desk: Desk) -> None:
    served = serve(desk.method)
    answer = served.start(HOLD, b"7")
    eventually(lambda: desk.calls)
    cancel(answer)
    eventually(lambda: desk.gone)
    started = time.monotonic()
    served.stop(grace=60.0)
    assert time.monotonic() - started < 10.0


def test_a_callback_that_fails_is_logged_and_the_engine_lives_on(serve: Server) -> None:
    def hold(message: bytes, call: Call) -> None:
        call.on_cancel(lambda: [][0])

    served = serve(Unary(HOLD, hold), Unary(ECHO, echo))
    with capture_logs() as events:
        assert served.code(HOLD, b"", timeout=0.2)[0] is grpc.StatusCode.DEADLINE_EXCEEDED
        eventually(lambda: events)
    assert [(event["event"], event["method"]) for event in events] == [("callback failed", HOLD)]
    assert served.call(ECHO, b"next") == b"next"


def test_a_call_that_was_cancelled_counts_as_cancelled_though_nobody_answers_it(serve: Server, desk: Desk) -> None:
    observer = EngineMetrics([desk.method])
    served = serve(desk.method, observer=observer)
    answer = served.start(HOLD, b"7")
    eventually(lambda: desk.calls)
    cancel(answer)
    eventually(lambda: observer.calls.counts["CANCELLED"] == 1)
