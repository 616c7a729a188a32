"""Messages of bidirectional streams, on every engine: order, and backpressure."""

import threading
import time

import grpc
import pytest

from serving.call import Call, Unary
from tests.serving.conftest import Server, eventually
from tests.serving.streams.test_stream import Held
from tests.serving.talks import TALK, Talks

ECHO = "/test.Service/Echo"
MEGABYTE = 1024 * 1024


def echo(message: bytes, call: Call) -> bytes:
    return message


def test_large_and_empty_messages_pass_both_ways(serve: Server, talks: Talks) -> None:
    served = serve(talks.method)
    messages = [b"", bytes(3 * MEGABYTE), b""]
    assert list(served.talk(TALK, iter(messages))) == messages
    eventually(lambda: talks.closed() == [[True]])


@pytest.mark.parametrize("count", [0, 1, 2000])
def test_messages_keep_their_order_and_the_stream_ends_with_ok(serve: Server, talks: Talks, count: int) -> None:
    served = serve(talks.method)
    messages = [b"%d" % number for number in range(count)]
    call = served.talk(TALK, iter(messages), timeout=60.0)
    assert list(call) == messages
    assert call.code() is grpc.StatusCode.OK
    eventually(lambda: talks.closed() == [[True]])
    assert (talks.opened[0].received, talks.opened[0].ends) == (messages, 1)


def test_we_may_speak_first_and_after_the_client_has_ended(serve: Server, talks: Talks) -> None:
    served = serve(talks.method)
    call = served.talk(TALK, iter([b"more"]))
    eventually(lambda: talks.opened and talks.opened[0].ends)
    outgoing = talks.opened[0].outgoing
    assert next(call) == b"more"
    for message in (b"a", b"b"):
        assert outgoing.send(message)
        assert next(call) == message
    outgoing.send(b"last")
    outgoing.finish()
    assert list(call) == [b"last"]
    assert call.code() is grpc.StatusCode.OK

    held = Held([])
    pushed = served.talk(TALK, iter(held))
    eventually(lambda: len(talks.opened) == 2)
    talks.opened[1].outgoing.send(b"first")
    assert next(pushed) == b"first"
    held.end.set()


def test_what_is_no_bytes_is_refused_where_it_is_sent(serve: Server, talks: Talks) -> None:
    served = serve(talks.method)
    call = served.talk(TALK, iter([b"more"]))
    assert next(call) == b"more"
    with pytest.raises(TypeError):
        talks.opened[0].outgoing.send("text")  # type: ignore[arg-type]
    talks.opened[0].outgoing.finish()
    assert list(call) == []


def test_a_client_that_does_not_read_fills_a_bounded_queue_and_loses_nothing(serve: Server) -> None:
    talks = Talks(max_queued=5)
    served, held = serve(talks.method), Held([])
    call = served.talk(TALK, iter(held))
    eventually(lambda: talks.opened)
    outgoing, message, taken = talks.opened[0].outgoing, bytes(MEGABYTE), 0
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        taken += outgoing.send(message)
    assert 5 <= taken < 40  # the queue, and what gRPC holds
    outgoing.finish()
    assert list(call) == [message] * taken
    held.end.set()


def test_a_client_that_does_not_read_is_not_read_either(serve: Server) -> None:
    talks = Talks(max_queued=5)
    served = serve(talks.method)
    messages = [bytes([number]) * MEGABYTE for number in range(60)]
    call = served.talk(TALK, iter(messages), timeout=60.0)
    eventually(lambda: talks.opened and len(talks.opened[0].received) >= 5)
    time.sleep(0.5)
    assert len(talks.opened[0].received) < 20
    assert list(call) == messages
    assert talks.opened[0].taken == [True] * 60


def test_a_client_that_cancels_what_it_does_not_read_closes_its_stream(serve: Server) -> None:
    talks = Talks(max_queued=5)
    served = serve(talks.method)
    call = served.talk(TALK, iter([bytes(MEGABYTE)] * 30))
    eventually(lambda: talks.opened and len(talks.opened[0].received) >= 5)
    call.cancel()
    eventually(lambda: talks.closed() == [[False]])


def test_many_streams_calls_and_threads_go_on_side_by_side(serve: Server, talks: Talks) -> None:
    served = serve(talks.method, Unary(ECHO, echo))
    more = threading.Event()
    calls = [served.talk(TALK, iter(Held([b"a"], more)), timeout=60.0) for _ in range(40)]
    assert [next(call) for call in calls] == [b"a"] * 40

    def push(name: bytes) -> None:
        for sink in talks.opened:
            for _ in range(5):
                assert sink.outgoing.send(name)

    threads = [threading.Thread(target=push, args=[name]) for name in (b"x", b"y", b"z")]
    for thread in threads:
        thread.start()
    assert served.call(ECHO, b"hello") == b"hello"
    for thread in threads:
        thread.join()
    more.set()
    assert [sorted(call) for call in calls] == [[b"x"] * 5 + [b"y"] * 5 + [b"z"] * 5] * 40
    eventually(lambda: talks.closed() == [[True]] * 40)


def test_streams_that_nobody_reads_do_not_hold_up_the_stop(serve: Server) -> None:
    talks = Talks(max_queued=5)
    served, messages = serve(talks.method), [bytes(MEGABYTE)] * 30
    calls = [served.talk(TALK, iter(messages), timeout=60.0) for _ in range(3)]
    eventually(lambda: [len(sink.received) >= 5 for sink in talks.opened] == [True] * 3)
    started = time.monotonic()
    served.stop(grace=60.0)
    assert time.monotonic() - started < 20.0
    assert talks.closed() == [[False]] * 3
    for call in calls:
        with pytest.raises(grpc.RpcError):
            list(call)
