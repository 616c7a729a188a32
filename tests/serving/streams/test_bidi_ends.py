"""Every way in which a bidirectional stream ends, on every engine."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import grpc
import pytest

from serving.call import BidiStream, Outgoing
from serving.engine_metrics import EngineMetrics
from tests.serving.conftest import Server, eventually
from tests.serving.streams.test_stream import Held
from tests.serving.talks import TALK, Echoes, Talks
from tests.serving.test_drain import HOLD, REFUSED, Holder, stopping


def test_we_may_end_a_stream_whose_client_has_not(serve: Server, talks: Talks) -> None:
    served, held = serve(talks.method), Held([b"a", b"not found"])
    call = served.talk(TALK, iter(held))
    assert next(call) == b"a"
    with pytest.raises(grpc.RpcError):
        next(call)
    assert (call.code(), call.details()) == (grpc.StatusCode.NOT_FOUND, "schlüssel\n")
    held.end.set()
    eventually(lambda: talks.closed() == [[False]])
    assert talks.opened[0].taken == [True, False]
    assert talks.opened[0].ends == 0


FAILURES = [
    ([b"a", b"malformed", b"b"], grpc.StatusCode.INVALID_ARGUMENT, "no entries"),
    ([b"a", b"broken", b"b"], grpc.StatusCode.INTERNAL, "internal error"),
    ([b"no end"], grpc.StatusCode.INTERNAL, "internal error"),
]


@pytest.mark.parametrize(("messages", "code", "details"), FAILURES)
def test_a_failure_ends_its_stream_only(
    serve: Server, talks: Talks, messages: list[bytes], code: grpc.StatusCode, details: str
) -> None:
    served = serve(talks.method)
    other_held = Held([b"x"])
    other = served.talk(TALK, iter(other_held))
    assert next(other) == b"x"
    failed = served.talk(TALK, iter(messages))
    with pytest.raises(grpc.RpcError):
        list(failed)
    assert (failed.code(), failed.details()) == (code, details)
    eventually(lambda: talks.closed() == [[], [False]])
    other_held.end.set()
    assert list(other) == []


def test_a_stream_that_cannot_be_opened_is_internal(serve: Server) -> None:
    def refuse(outgoing: Outgoing) -> Echoes:
        outgoing.send(b"too early")
        raise RuntimeError("secret detail")

    served = serve(BidiStream(TALK, refuse))
    failed = served.talk(TALK, iter([b"a"]))
    with pytest.raises(grpc.RpcError):
        list(failed)
    assert (failed.code(), failed.details()) == (grpc.StatusCode.INTERNAL, "internal error")


def test_a_message_beyond_the_limit_ends_its_stream(serve: Server, talks: Talks) -> None:
    served, held = serve(talks.method, max_message_bytes=1000), Held([b"a", bytes(1001)])
    call = served.talk(TALK, iter(held))
    with pytest.raises(grpc.RpcError):
        list(call)
    assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    held.end.set()
    eventually(lambda: talks.closed() == [[False]])
    assert talks.opened[0].received == [b"a"]


@pytest.mark.parametrize("messages", [[], [b"a", b"b"]], ids=["before a message", "later"])
def test_a_client_that_cancels_closes_its_stream(serve: Server, talks: Talks, messages: list[bytes]) -> None:
    served, held = serve(talks.method), Held(messages)
    call = served.talk(TALK, iter(held))
    eventually(lambda: talks.opened and talks.opened[0].received == messages)
    call.cancel()
    eventually(lambda: talks.closed() == [[False]])
    held.end.set()
    assert not talks.opened[0].outgoing.send(b"late")
    talks.opened[0].outgoing.finish()


def test_a_client_that_cancels_after_its_end_closes_its_stream(serve: Server, talks: Talks) -> None:
    served = serve(talks.method)
    call = served.talk(TALK, iter([b"more"]))
    eventually(lambda: talks.opened and talks.opened[0].ends)
    call.cancel()
    eventually(lambda: talks.closed() == [[False]])


def test_a_deadline_closes_its_stream(serve: Server, talks: Talks) -> None:
    served, held = serve(talks.method), Held([b"a"])
    call = served.talk(TALK, iter(held), timeout=0.3)
    with pytest.raises(grpc.RpcError):
        list(call)
    assert call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    held.end.set()
    eventually(lambda: talks.closed() == [[False]])


CLIENT = """
import sys, time, grpc
def messages():
    yield b"a"
    time.sleep(60)
for answer in grpc.insecure_channel(sys.argv[1]).stream_stream(sys.argv[2])(messages()):
    pass
"""


def test_a_killed_client_closes_its_stream(serve: Server, talks: Talks) -> None:
    served = serve(talks.method)
    client = subprocess.Popen([sys.executable, "-c", CLIENT, served.address, TALK])
    eventually(lambda: talks.opened and talks.opened[0].received)
    os.kill(client.pid, signal.SIGKILL)
    client.wait()
    eventually(lambda: talks.closed() == [[False]])


def test_open_streams_go_on_in_a_drain_until_no_call_is_held(serve: Server, talks: Talks) -> None:
    holder, more = Holder(), threading.Event()
    served = serve(holder.method, talks.method)

    def messages() -> Iterator[bytes]:
        yield b"before"
        more.wait(60.0)
        yield b"while draining"
        threading.Event().wait(60.0)

    answer, call = served.start(HOLD, b""), served.talk(TALK, messages(), timeout=60.0)
    assert next(call) == b"before"
    eventually(lambda: holder.calls)
    started = time.monotonic()
    thread = stopping(served, grace=60.0)
    more.set()
    assert next(call) == b"while draining"
    assert talks.closed() == [[]]
    holder.calls[0].reply(b"")
    thread.join()
    assert time.monotonic() - started < 20.0
    assert answer.result() == b""
    assert talks.closed() == [[False]]
    assert call.code() in REFUSED


def test_streams_are_counted_by_their_status(serve: Server, talks: Talks) -> None:
    observer = EngineMetrics([talks.method])
    served = serve(talks.method, observer=observer)
    assert list(served.talk(TALK, iter([b"a"]))) == [b"a"]
    for message in (b"broken", b"not found"):
        with pytest.raises(grpc.RpcError):
            list(served.talk(TALK, iter([message])))
    held = Held([b"a"])
    call = served.talk(TALK, iter(held))
    next(call)
    call.cancel()
    held.end.set()
    expected = {"OK": 1, "INTERNAL": 1, "NOT_FOUND": 1, "CANCELLED": 1}
    eventually(lambda: {code: observer.calls.counts[code] for code in expected} == expected)


def test_a_sink_that_fails_to_close_harms_nobody(serve: Server, talks: Talks) -> None:
    served, held = serve(talks.method), Held([b"quiet"])
    call = served.talk(TALK, iter(held))
    eventually(lambda: talks.opened and talks.opened[0].received)
    served.stop(grace=0.3)
    held.end.set()
    assert call.code() in REFUSED
    assert talks.closed() == [[False]]
