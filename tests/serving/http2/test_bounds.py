"""What a client may make the engine hold or do is bounded, and others are served meanwhile."""

import time
from contextlib import suppress

import pytest

from serving.call import Unary
from serving.engine import MAX_MESSAGE_BYTES
from serving.http2 import frames
from serving.http2.engine import Http2Engine
from serving.http2.frames import frame
from serving.http2.receiving import MAX_STREAMS
from serving.http2.sending import MAX_UNREAD_BYTES
from tests.serving.conftest import Served, Server, eventually
from tests.serving.desk import ECHO, HOLD, Desk, echo
from tests.serving.http2.wire import SECONDS, Wire, call, connected, head, headers, message
from tests.serving.streams.test_stream import LOG, Sinks
from tests.serving.talks import TALK, Talks

PINGS = frame(frames.PING, 0, 0, b"12345678") * 4096


def sent_until_refused(wire: Wire, data: bytes, most: int) -> int:
    """How much of it the engine takes, again and again, from a client that reads nothing."""
    total = 0
    wire.own.settimeout(0.5)
    with suppress(TimeoutError):
        while total < most:
            total += wire.own.send(data[total % len(data) :])
    wire.own.settimeout(SECONDS)
    return total


@pytest.mark.parametrize(
    "data", [PINGS, frames.settings({0x99: 1}) * 4096], ids=["pings", "settings"]
)  # each is to be answered
def test_who_does_not_read_is_not_read_from(served: Served, data: bytes) -> None:
    with connected(served.address) as wire, connected(served.address) as other:
        wire.begin()
        other.begin()
        total = sent_until_refused(wire, data, 64 * 1024 * 1024)
        assert total < 16 * MAX_UNREAD_BYTES
        other.send(call(3))
        assert other.answer(3)[1] == b"hello"
        answers = total // len(frame(*FIRST[data]))
        kind = FIRST[data][0]
        assert [wire.next()[:2] for _ in range(answers)] == [(kind, frames.ACK)] * answers


FIRST = {PINGS: (frames.PING, 0, 0, b"12345678"), frames.settings({0x99: 1}) * 4096: (frames.SETTINGS, 0, 0, bytes(6))}


def test_calls_that_are_taken_back_at_once_reach_no_handler_and_end_the_connection(served: Served, desk: Desk) -> None:
    with connected(served.address) as wire:
        wire.begin()
        taken_back = b"".join(
            call(stream, b"7", HOLD) + frames.reset(stream, frames.CANCEL) for stream in range(3, 203, 2)
        )
        wire.send(taken_back, call(203))
        assert wire.answer(203)[1] == b"hello"
        assert (desk.calls, desk.gone) == ([], [])
        stream = 205
        with suppress(ConnectionError):
            while stream < 2_000_000:  # 2,000 a second go by, and some at once
                wire.own.sendall(
                    b"".join(
                        headers(each, head()) + frames.reset(each, frames.CANCEL)
                        for each in range(stream, stream + 2000, 2)
                    )
                )
                stream += 2000
        assert wire.until(frames.GOAWAY).code == frames.ENHANCE_YOUR_CALM


def test_calls_beyond_what_is_allowed_are_refused(served: Served, desk: Desk) -> None:
    with connected(served.address) as wire:
        wire.begin()
        first, last = 3, 3 + 2 * MAX_STREAMS
        for stream in range(first, last, 2000):
            wire.send(*(call(each, b"1", HOLD) for each in range(stream, min(stream + 2000, last), 2)))
        eventually(lambda: len(desk.calls) == MAX_STREAMS)
        wire.send(call(last), frames.reset(first, frames.CANCEL), call(last + 2))
        refused = wire.until(frames.RST_STREAM)
        assert (refused.stream, refused.code) == (last, frames.REFUSED_STREAM)
        assert wire.answer(last + 2)[1] == b"hello"


def test_what_a_stream_that_is_not_read_may_send_is_bounded(served: Served, talks: Talks) -> None:
    with connected(served.address) as wire:
        wire.begin({frames.INITIAL_WINDOW: 0}, follow=False)
        wire.send(headers(1, head(TALK)))
        for _ in range(100):  # 64 answers are queued, one is being sent
            wire.send(message(1, b"x" * 10, 0))
        eventually(lambda: talks.opened and len(talks.opened[0].received) == 65)
        for _ in range(70):
            wire.send(message(1, bytes(16_000), 0))
        reset = wire.until(frames.RST_STREAM)
        assert (reset.stream, reset.code) == (1, frames.FLOW_CONTROL_ERROR)
        eventually(lambda: talks.closed() == [[False]])
        assert len(talks.opened[0].received) == 65


def test_messages_that_are_not_complete_are_bounded_together(served: Served, sinks: Sinks) -> None:
    with connected(served.address) as wire:
        wire.begin()
        part = b"\0" + MAX_MESSAGE_BYTES.to_bytes(4, "big") + bytes(16_000)
        streams = range(3, 2 * 40, 2)  # of 4 MiB each, where 64 MiB may be held
        wire.send(*(headers(stream, head(LOG)) + frame(frames.DATA, 0, stream, part) for stream in streams))
        refused = set[int]()
        for _ in range(255):
            wire.send(*(frame(frames.DATA, 0, stream, bytes(16_000)) for stream in streams if stream not in refused))
            wire.send(frame(frames.PING, 0, 0, bytes(8)))
            while (seen := wire.next()).kind != frames.PING:
                if seen.kind == frames.HEADERS:
                    assert wire.fields(seen)["grpc-status"] == "8"
                    refused.add(seen.stream)
        assert 20 < len(refused) < 30
        wire.send(call(101))
        assert wire.until(frames.DATA).payload[5:] == b"hello"


def test_a_connection_that_does_not_begin_is_closed(serve: Server) -> None:
    address = serve.address()
    engine = Http2Engine([Unary(ECHO, echo)], [address], None, max_message_bytes=1000, begin_seconds=0.3)
    served = serve.run(engine, address)
    with connected(address) as silent, connected(address) as late, connected(address) as begun:
        late.send(frames.PREFACE)
        begun.begin()
        for wire in (silent, late):
            with pytest.raises(EOFError):
                wire.until(frames.GOAWAY)
        time.sleep(0.3)
        begun.send(call(3))
        assert begun.answer(3)[1] == b"hello"
    assert served.call(ECHO, b"a") == b"a"
