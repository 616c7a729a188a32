"""A client that breaks a rule of HTTP/2 is told which, on the stream or on the connection; nobody else notices."""

import pytest

from serving.http2 import frames
from serving.http2.frames import (
    COMPRESSION_ERROR,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    PROTOCOL_ERROR,
    STREAM_CLOSED,
    frame,
    window_update,
)
from tests.serving.conftest import Served, eventually
from tests.serving.desk import ECHO, HOLD, Desk
from tests.serving.http2.wire import call, connected, head, headers, literal, message
from tests.serving.streams.test_stream import LOG

MOST = frames.MAX_WINDOW
NUMBER = frames.NUMBER.pack
OPEN = headers(3, head(LOG))  # a stream of which more may come

ENDS_CONNECTION = {
    "data on stream 0": (message(0, b""), PROTOCOL_ERROR),
    "headers on stream 0": (headers(0, head()), PROTOCOL_ERROR),
    "an even stream": (headers(2, head()), PROTOCOL_ERROR),
    "data on a stream that was never opened": (message(5, b""), PROTOCOL_ERROR),
    "a reset of such": (frames.reset(5, 0), PROTOCOL_ERROR),
    "a window of such": (window_update(5, 1), PROTOCOL_ERROR),
    "a reset of stream 0": (frames.reset(0, 0), PROTOCOL_ERROR),
    "a reset of 3 bytes": (OPEN + frame(frames.RST_STREAM, 0, 3, b"\0\0\0"), FRAME_SIZE_ERROR),
    "settings of a stream": (frame(frames.SETTINGS, 0, 1), PROTOCOL_ERROR),
    "settings of 5 bytes": (frame(frames.SETTINGS, 0, 0, bytes(5)), FRAME_SIZE_ERROR),
    "an acknowledgement with content": (frame(frames.SETTINGS, frames.ACK, 0, bytes(6)), FRAME_SIZE_ERROR),
    "push, neither on nor off": (frames.settings({frames.ENABLE_PUSH: 2}), PROTOCOL_ERROR),
    "a window that is too large": (frames.settings({frames.INITIAL_WINDOW: MOST + 1}), FLOW_CONTROL_ERROR),
    "frames that are too small": (frames.settings({frames.MAX_FRAME: 16_383}), PROTOCOL_ERROR),
    "frames that are too large": (frames.settings({frames.MAX_FRAME: 1 << 24}), PROTOCOL_ERROR),
    "a promise": (frame(frames.PUSH_PROMISE, frames.END_HEADERS, 1, NUMBER(2)), PROTOCOL_ERROR),
    "a ping of 7 bytes": (frame(frames.PING, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
    "a ping of a stream": (frame(frames.PING, 0, 1, bytes(8)), PROTOCOL_ERROR),
    "a goaway of 7 bytes": (frame(frames.GOAWAY, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
    "a goaway of a stream": (frame(frames.GOAWAY, 0, 1, bytes(8)), PROTOCOL_ERROR),
    "a priority of 4 bytes": (frame(frames.PRIORITY, 0, 3, bytes(4)), FRAME_SIZE_ERROR),
    "a priority of stream 0": (frame(frames.PRIORITY, 0, 0, bytes(5)), PROTOCOL_ERROR),
    "a window of 3 bytes": (frame(frames.WINDOW_UPDATE, 0, 0, bytes(3)), FRAME_SIZE_ERROR),
    "no more window": (window_update(0, 0), PROTOCOL_ERROR),
    "more window than there is": (window_update(0, MOST), FLOW_CONTROL_ERROR),
    "a frame that is too large": (frame(frames.DATA, 0, 1, bytes(16_385)), FRAME_SIZE_ERROR),
    "a frame that says it is": (frames.HEAD.pack(0xFFFF, 0xFF, frames.DATA, 0, 1), FRAME_SIZE_ERROR),
    "padding as long as the frame": (OPEN + frame(frames.DATA, frames.PADDED, 3, b"\x03abc"[:3]), PROTOCOL_ERROR),
    "padding without its length": (OPEN + frame(frames.DATA, frames.PADDED, 3), PROTOCOL_ERROR),
    "headers with half a priority": (headers(3, b"\0\0", frames.END_HEADERS | frames.WITH_PRIORITY), FRAME_SIZE_ERROR),
    "nothing to continue": (frame(frames.CONTINUATION, frames.END_HEADERS, 1), PROTOCOL_ERROR),
    "a block with something between": (headers(3, head(), 0) + frame(frames.PING, 0, 0, bytes(8)), PROTOCOL_ERROR),
    "a block that another stream continues": (
        headers(3, head(), 0) + frame(frames.CONTINUATION, frames.END_HEADERS, 5),
        PROTOCOL_ERROR,
    ),
    "a call within a block": (headers(3, head(), 0) + call(5), PROTOCOL_ERROR),
    "continuations without end": (headers(3, b"", 0) + 17 * frame(frames.CONTINUATION, 0, 3), ENHANCE_YOUR_CALM),
    "a block that is too long": (
        headers(3, head(), 0) + 2 * frame(frames.CONTINUATION, 0, 3, bytes(16_384)),
        ENHANCE_YOUR_CALM,
    ),
    "a field that no table has": (headers(3, b"\xff\xff\x03"), COMPRESSION_ERROR),
    "a field that is cut": (headers(3, b"\0\x05ab"), COMPRESSION_ERROR),
    "fields that become too long": (headers(3, b"\x20\x3f\xe1\x1f\x40\x01a\x7f\x81\x1e" + 4000 * b"b" + 5 * b"\xbe"),
                                    COMPRESSION_ERROR),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "code"), ENDS_CONNECTION.values(), ids=ENDS_CONNECTION.keys())
def test_it_ends_the_connection_and_nobody_elses(served: Served, sent: bytes, code: int) -> None:
    with connected(served.address) as wire, connected(served.address) as other:
        wire.begin()
        other.begin()
        wire.send(sent)
        assert wire.until(frames.GOAWAY).code == code
        with pytest.raises(EOFError):
            wire.next()
        other.send(call(3))
        assert other.answer(3)[1] == b"hello"


def test_calls_that_were_held_are_told_of_it(served: Served, desk: Desk) -> None:
    with connected(served.address) as wire:
        wire.begin()
        wire.send(call(3, b"7", HOLD))
        eventually(lambda: desk.calls)
        wire.send(window_update(0, 0))
        eventually(lambda: desk.gone == [7])


ENDS_STREAM = {
    "no method": (headers(3, head(method=None)), PROTOCOL_ERROR),
    "no path": (headers(3, head(path=None)), PROTOCOL_ERROR),
    "no scheme": (headers(3, head(scheme=None)), PROTOCOL_ERROR),
    "a field of another time": (headers(3, head(connection="close")), PROTOCOL_ERROR),
    "capitals": (headers(3, head() + literal("X-Capital", "a")), PROTOCOL_ERROR),
    "a name that is empty": (headers(3, head() + literal("", "a")), PROTOCOL_ERROR),
    "the path twice": (headers(3, literal(":path", "/a") + head()), PROTOCOL_ERROR),
    "the path after all": (headers(3, head(path=None) + literal(":path", ECHO)), PROTOCOL_ERROR),
    "a pseudo-field that does not exist": (headers(3, literal(":status", "200") + head()), PROTOCOL_ERROR),
    "te of anything": (headers(3, head(te="gzip")), PROTOCOL_ERROR),
    "no more window": (OPEN + window_update(3, 0), PROTOCOL_ERROR),
    "more window than there is": (OPEN + window_update(3, MOST), FLOW_CONTROL_ERROR),
    "data after the end": (call(3, b"0", HOLD) + message(3, b""), STREAM_CLOSED),
    "trailers after the end": (
        call(3, b"0", HOLD) + headers(3, head(), frames.END_HEADERS | frames.END_STREAM),
        STREAM_CLOSED,
    ),
    "headers amid a stream": (OPEN + headers(3, literal("a", "b")), PROTOCOL_ERROR),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "code"), ENDS_STREAM.values(), ids=ENDS_STREAM.keys())
def test_it_ends_its_stream_only(served: Served, sent: bytes, code: int) -> None:
    with connected(served.address) as wire:
        wire.begin()
        wire.send(sent)
        reset = wire.until(frames.RST_STREAM)
        assert (reset.stream, reset.code) == (3, code)
        wire.send(call(7))
        assert wire.answer(7)[1] == b"hello"


def test_what_may_be_there_is_passed_over(served: Served) -> None:
    with connected(served.address) as wire:
        wire.begin()
        prioritized = frames.END_HEADERS | frames.WITH_PRIORITY | frames.PADDED
        padded = b"\x02" + b"\0\0\0\0\x10" + head() + b"\0\0"
        text = b"\0\0\0\0\x05hello"
        wire.send(
            frame(99, 0xFF, 3, b"a kind that nobody knows"),
            frame(frames.PRIORITY, 0, 3, bytes(5)),
            window_update(1, 100),  # of a stream that is over
            frames.reset(1, 0),
            message(1, b"it was on its way"),
            frames.settings({0x99: 5}),
            headers(3, padded, prioritized),
            frame(frames.DATA, frames.PADDED, 3, b"\x03" + text[:4] + b"\0\0\0"),
            frame(frames.DATA, 0, 3),
            frame(frames.DATA, 0, 3, text[4:]),
            headers(3, literal("trailer", "a"), frames.END_HEADERS | frames.END_STREAM),
        )
        assert wire.until(frames.SETTINGS).flags == frames.ACK
        assert wire.answer(3)[1] == b"hello"


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", frames.PREFACE[:-1] + b"x"], ids=["HTTP/1", "nearly"])
def test_what_is_no_http2_is_told_so(served: Served, sent: bytes) -> None:
    with connected(served.address) as wire:
        wire.send(sent)
        assert wire.until(frames.GOAWAY).code == PROTOCOL_ERROR
        with pytest.raises(EOFError):
            wire.next()


@pytest.mark.parametrize("first", [call(1), frame(frames.SETTINGS, frames.ACK, 0)], ids=["a call", "an answer"])
def test_settings_come_first(served: Served, first: bytes) -> None:
    with connected(served.address) as wire:
        wire.send(frames.PREFACE + first)
        assert wire.until(frames.GOAWAY).code == PROTOCOL_ERROR


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_frames_may_come_in_any_pieces(served: Served, size: int) -> None:
    with connected(served.address) as wire:
        sent = frames.PREFACE + frames.settings({}) + frame(frames.SETTINGS, frames.ACK, 0) + call(1) + call(3)
        for begin in range(0, len(sent), size):
            wire.send(sent[begin : begin + size])
        assert [wire.until(frames.DATA).payload[5:] for _ in range(2)] == [b"hello"] * 2
