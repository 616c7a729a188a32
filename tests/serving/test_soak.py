import gc
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import grpc
import pytest

from serving.call import Call, Malformed, Unary
from serving.completion_queue.calls import PendingCall
from serving.http2.calls import PendingCall as OurCall
from serving.threads.calls import HeldCall
from serving.threads.streams import BidiCall
from tests.serving.conftest import Served, Server, eventually
from tests.serving.streams.test_stream import Held, Sinks
from tests.serving.talks import TALK, Talks

ECHO, LATER, BROKEN = "/test.Service/Echo", "/test.Service/Later", "/test.Service/Broken"
WATCHED = "/test.Service/Watched"
BATCH = 100


@pytest.fixture
def answerer() -> Iterator[SimpleQueue[tuple[Call, bytes] | None]]:
    """A thread that answers what is put into its queue."""
    queue: SimpleQueue[tuple[Call, bytes] | None] = SimpleQueue()

    def run() -> None:
        while (item := queue.get()) is not None:
            item[0].reply(item[1])
            del item  # the last call

    thread = threading.Thread(target=run)
    thread.start()
    yield queue
    queue.put(None)
    thread.join()


def echo(message: bytes, call: Call) -> bytes:
    return message


def broken(message: bytes, call: Call) -> bytes:
    raise Malformed("no descriptor")


def live_calls() -> int:
    gc.collect()
    return sum(isinstance(thing, PendingCall | OurCall | HeldCall | BidiCall) for thing in gc.get_objects())


def soak(served: Served, sinks: Sinks, rounds: int) -> None:
    """Each round: calls answered at once, later, with an error, by nobody, and streams that end and that are cut."""
    for _ in range(rounds):
        answers = [served.start(path, b"x") for path in (ECHO, LATER, WATCHED) for _ in range(BATCH)]
        failures = [served.start(path, b"x") for path in (BROKEN, "/test.Service/Other") for _ in range(5)]
        held = Held([b"a"])
        cut, ended = served.stream("/test.Service/Log", iter(held)), served.stream("/test.Service/Log", iter([b"a"]))
        talk, talked = served.talk(TALK, iter(Held([b"a"]))), served.talk(TALK, iter([b"a"]))
        for left in (served.start(LATER, b"x"), served.start(WATCHED, b"x")):
            left.cancel()  # type: ignore[no-untyped-call]
        assert [answer.result() for answer in answers] == [b"x"] * (3 * BATCH)
        assert all(failure.code() is not grpc.StatusCode.OK for failure in failures)
        assert ended.result() == b"1"
        assert (next(talk), list(talked)) == (b"a", [b"a"])
        talk.cancel()
        cut.cancel()  # type: ignore[no-untyped-call]
        held.end.set()


def test_no_call_outlives_its_answer(serve: Server, answerer: "SimpleQueue[tuple[Call, bytes] | None]") -> None:
    def later(message: bytes, call: Call) -> None:
        answerer.put((call, message))

    def watched(message: bytes, call: Call) -> None:
        call.on_cancel(lambda: gone.append(call))
        answerer.put((call, message))

    sinks, talks = Sinks(), Talks()
    gone: list[Call] = []
    unary = [Unary(ECHO, echo), Unary(LATER, later), Unary(WATCHED, watched), Unary(BROKEN, broken)]
    served = serve(*unary, sinks.method, talks.method)
    soak(served, sinks, rounds=10)
    eventually(lambda: all(len(sink.closed) == 1 for sink in talks.opened))
    gone.clear()
    talks.opened.clear()
    eventually(lambda: live_calls() == 0)
    eventually(lambda: all(len(sink.finished) == 1 for sink in sinks.opened))
