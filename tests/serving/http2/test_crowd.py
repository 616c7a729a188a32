"""However many connections a caller opens, and whatever it sends on them: others are answered, memory is bounded."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from serving.call import Call, Method, Unary
from serving.http2 import frames
from serving.http2.crowd import TURN_BYTES, Bounds
from serving.http2.engine import Http2Engine
from serving.http2.frames import frame
from tests.serving.conftest import Served, Server, eventually
from tests.serving.desk import ECHO, HOLD, Desk, echo
from tests.serving.http2.wire import Wire, call, connected, head, headers, message
from tests.serving.streams.test_stream import LOG, Sinks

COUNT = "/test.Service/Count"


@contextmanager
def crowd(address: str, number: int) -> Iterator[list[Wire]]:
    with ExitStack() as opened:
        wires = [opened.enter_context(connected(address)) for _ in range(number)]
        for wire in wires:
            wire.begin()
        yield wires


def bounded(serve: Server, bounds: Bounds, desk: Desk, sinks: Sinks) -> Served:
    address = serve.address()
    methods: list[Method] = [Unary(ECHO, echo), desk.method, sinks.method]
    return serve.run(Http2Engine(methods, [address], None, max_message_bytes=4 << 20, bounds=bounds), address)


@dataclass
class Counter:
    """Counts calls; the first waits until it may go on, and with it the serving thread."""

    go_on: threading.Event = field(default_factory=threading.Event)
    seen: int = 0
    before_other: int = 0

    def count(self, message: bytes, call: Call) -> bytes:
        if not self.seen:
            self.go_on.wait()
        if message == b"other":
            self.before_other = self.seen
        self.seen += 1
        return message


def test_floods_of_many_connections_are_read_in_turns(serve: Server) -> None:
    counter = Counter()
    address = serve.address()
    methods = [Unary(ECHO, echo), Unary(COUNT, counter.count)]
    serve.run(Http2Engine(methods, [address], None, max_message_bytes=4 << 20), address)
    one = call(3, b"", COUNT)
    with crowd(address, 21) as wires:
        other, flooding = wires[0], wires[1:]
        flooding[0].send(one)  # nothing is read until it may go on
        eventually(lambda: not counter.seen)
        for wire in flooding:
            wire.own.setblocking(False)
            with suppress(BlockingIOError):  # as much as there is room for
                for stream in range(5, 20_000, 200):
                    wire.own.sendall(b"".join(call(each, b"", COUNT) for each in range(stream, stream + 200, 2)))
        other.send(call(3, b"other", COUNT))
        counter.go_on.set()
        assert other.answer(3)[1] == b"other"
    assert 0 < counter.before_other <= 3 * TURN_BYTES // len(one)


def test_who_has_been_silent_for_longest_makes_room(serve: Server, desk: Desk, sinks: Sinks) -> None:
    served = bounded(serve, Bounds(connections=4), desk, sinks)
    with capture_logs() as logs, crowd(served.address, 4) as wires:
        busy, silent, *_ = wires
        busy.send(call(3, b"1", HOLD))
        eventually(lambda: desk.calls)
        with crowd(served.address, 1) as more:
            with pytest.raises(EOFError):
                silent.next()
            more[0].send(call(3))
            assert more[0].answer(3)[1] == b"hello"
            with crowd(served.address, 3):  # all that have no call
                pass
        desk.calls[0].reply(b"still there")
        assert busy.answer(3)[1] == b"still there"
    assert [log["event"] for log in logs] == ["too many connections: those that are silent are closed for new ones"]


def test_where_each_has_a_call_the_new_one_is_refused(serve: Server, desk: Desk, sinks: Sinks) -> None:
    served = bounded(serve, Bounds(connections=2), desk, sinks)
    with crowd(served.address, 2) as wires:
        for wire in wires:
            wire.send(call(3, b"1", HOLD))
        eventually(lambda: len(desk.calls) == 2)
        with connected(served.address) as new, pytest.raises((EOFError, ConnectionError)):
            new.begin()
        assert desk.gone == []


def test_who_holds_most_is_closed_when_all_hold_too_much(serve: Server, desk: Desk, sinks: Sinks) -> None:
    served = bounded(serve, Bounds(held_bytes=1 << 20), desk, sinks)
    part = b"\0" + (4 << 20).to_bytes(4, "big") + bytes(16_000)
    with capture_logs() as logs, crowd(served.address, 4) as wires:
        small, *greedy = wires
        small.send(headers(3, head(LOG)), message(3, b"a", 0))
        for pieces, wire in zip((10, 20, 40), greedy, strict=True):
            wire.send(headers(3, head(LOG)), frame(frames.DATA, 0, 3, part))
            for _ in range(pieces):
                wire.send(frame(frames.DATA, 0, 3, bytes(16_000)))
        with pytest.raises((EOFError, ConnectionError)):
            greedy[2].until(frames.GOAWAY)
        for wire in (small, *greedy[:2]):
            wire.send(frame(frames.PING, 0, 0, bytes(8)))
            assert wire.until(frames.PING).flags == frames.ACK
    assert [log["event"] for log in logs] == ["connections hold too much: those that hold most are closed"]
