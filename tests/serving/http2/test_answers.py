"""What a client is answered, whatever it keeps of our headers and however little it takes at once."""

import asyncio
import socket
from collections.abc import Callable

import grpc
import pytest
from hpack import Encoder

from serving.call import Call, Unary
from serving.http2 import frames
from serving.http2.frames import frame, window_update
from tests.serving.conftest import Served, Server, eventually
from tests.serving.desk import ECHO, HOLD, Desk
from tests.serving.http2.wire import call, connected, head, headers, message

OK = {":status": "200", "content-type": "application/grpc", "grpc-status": "0"}


def test_the_first_answers_and_the_later_ones_say_the_same(served: Served) -> None:
    with connected(served.address) as wire:
        wire.begin(follow=False)
        for stream in range(1, 9, 2):
            wire.send(call(stream))
            assert wire.answer(stream) == (OK, b"hello")


def test_many_calls_are_answered_in_one_write(served: Served) -> None:
    with connected(served.address) as wire:
        wire.begin()
        wire.send(*(call(stream, b"%d" % stream) for stream in range(3, 67, 2)))
        written = wire.own.recv(65536)
        assert written.count(b"\0\0\0\0\x01") + written.count(b"\0\0\0\0\x02") >= 32


@pytest.mark.parametrize("size", [0, 100])
def test_who_keeps_no_table_gets_headers_in_full(served: Served, size: int) -> None:
    with connected(served.address) as wire:
        wire.decoder.max_allowed_table_size = wire.decoder.header_table_size = size
        wire.begin({frames.TABLE_SIZE: size}, follow=False)
        for stream in (1, 3, 5):
            wire.send(call(stream))
            assert wire.answer(stream) == (OK, b"hello")


def test_a_table_may_become_smaller_later(served: Served) -> None:
    with connected(served.address) as wire:
        wire.begin()
        wire.send(frames.settings({frames.TABLE_SIZE: 0}))
        assert wire.until(frames.SETTINGS).flags == frames.ACK
        wire.decoder.max_allowed_table_size = 0
        for stream in (3, 5):
            wire.send(call(stream))
            assert wire.answer(stream) == (OK, b"hello")
        assert wire.decoder.header_table_size == 0


def test_a_client_may_use_its_table_until_it_has_followed_and_even_then(served: Served) -> None:
    encoder = Encoder()
    fields = [(":method", "POST"), (":scheme", "http"), (":path", ECHO), ("content-type", "application/grpc")]
    with connected(served.address) as wire:
        wire.begin(follow=False)
        for stream in range(1, 9, 2):
            if stream == 5:
                wire.send(frame(frames.SETTINGS, frames.ACK, 0))
            block = encoder.encode([*fields, ("x-text", "indexed")])
            assert len(block) < 60 or stream == 1
            wire.send(headers(stream, block), message(stream, b"hello"))
            assert wire.answer(stream)[1] == b"hello"


def test_an_answer_waits_for_the_window_of_its_stream_and_nothing_else_does(served: Served) -> None:
    with connected(served.address) as wire:
        wire.begin({frames.INITIAL_WINDOW: 0}, follow=False)
        wire.send(call(1, b"0123456789"))
        assert wire.fields(wire.until(frames.HEADERS))[":status"] == "200"
        wire.send(frame(frames.PING, 0, 0, bytes(8)))
        assert wire.next().kind == frames.PING
        wire.send(window_update(1, 6))
        assert wire.next().payload == b"\0\0\0\0\x0a0"
        wire.send(frames.settings({frames.INITIAL_WINDOW: 3}))
        assert [wire.next().kind, wire.next().payload] == [frames.SETTINGS, b"123"]
        wire.send(window_update(1, 100))
        assert wire.next().payload == b"456789"
        assert wire.fields(wire.next())["grpc-status"] == "0"


def test_all_answers_together_fit_the_window_of_the_connection(served: Served) -> None:
    with connected(served.address) as wire:
        wire.begin(follow=False)
        wire.send(*(call(stream, bytes(10_000)) for stream in range(1, 21, 2)))
        received = 0
        while received < frames.DEFAULT_WINDOW:
            received += len(wire.until(frames.DATA).payload)
        assert received == frames.DEFAULT_WINDOW
        wire.send(frame(frames.PING, 0, 0, bytes(8)))
        assert wire.until(frames.PING).flags == frames.ACK
        wire.send(window_update(0, 100_000))
        while received < 10 * 10_005:
            received += len(wire.until(frames.DATA).payload)
        assert received == 10 * 10_005


def test_an_answer_that_waited_is_lost_with_the_connection(serve: Server) -> None:
    lost: list[bytes] = []

    def answer(text: bytes, asked: Call) -> None:
        asked.reply(text, lambda: lost.append(text))

    served = serve(Unary(ECHO, answer))
    with connected(served.address) as wire:
        wire.begin({frames.INITIAL_WINDOW: 0}, follow=False)
        wire.send(call(1, b"left"))
        wire.until(frames.HEADERS)
    eventually(lambda: lost == [b"left"])


STATUS = {
    "no message": (lambda: headers(3, head(), frames.END_HEADERS | frames.END_STREAM), "3", "no message"),
    "two": (lambda: headers(3, head()) + message(3, b"a", 0) + message(3, b"b"), "3", "more than one message"),
    "half of one": (
        lambda: headers(3, head()) + frame(frames.DATA, frames.END_STREAM, 3, b"\0\0\0\0\x05hell"),
        "3",
        "the last message is not complete",
    ),
    "compressed": (
        lambda: headers(3, head()) + frame(frames.DATA, frames.END_STREAM, 3, b"\x01\0\0\0\x01a"),
        "12",
        "compressed messages are not read",
    ),
    "too large": (
        lambda: headers(3, head()) + frame(frames.DATA, 0, 3, b"\0\xff\xff\xff\xff"),
        "8",
        "a message of 4294967295 bytes",
    ),
    "no method": (
        lambda: headers(3, head("/a/B"), frames.END_HEADERS | frames.END_STREAM),
        "12",
        "unknown method",
    ),
    "a timeout of nothing": (lambda: headers(3, head(grpc_timeout="1x")), "3", "malformed grpc-timeout"),
    "a timeout of nine digits": (
        lambda: headers(3, head(grpc_timeout="123456789S")),
        "3",
        "malformed grpc-timeout",
    ),
}


@pytest.mark.parametrize(("sent", "code", "text"), STATUS.values(), ids=STATUS.keys())
def test_what_is_no_call_is_told_why(served: Served, sent: Callable[[], bytes], code: str, text: str) -> None:
    with connected(served.address) as wire:
        wire.begin()
        wire.send(sent())
        fields = wire.fields(wire.until(frames.HEADERS))
        assert (fields[":status"], fields["grpc-status"], fields["grpc-message"]) == ("200", code, text)
        wire.send(call(5))
        assert wire.until(frames.DATA).payload[5:] == b"hello"


HTTP = {"GET": ({"method": "GET"}, "405"), "JSON": ({"content_type": "application/json"}, "415")}


@pytest.mark.parametrize(("changed", "status"), HTTP.values(), ids=HTTP.keys())
def test_what_is_no_grpc_gets_an_http_status(served: Served, changed: dict[str, str], status: str) -> None:
    with connected(served.address) as wire:
        wire.begin()
        wire.send(headers(3, head(**changed), frames.END_HEADERS | frames.END_STREAM))
        assert wire.answer(3)[0] == {":status": status}


@pytest.mark.parametrize(("given", "seconds"), [("2S", 2.0), ("1500m", 1.5), ("1M", 60.0), ("2H", 7200.0)])
def test_a_timeout_has_its_unit(served: Served, desk: Desk, given: str, seconds: float) -> None:
    with connected(served.address) as wire:
        wire.begin()
        wire.send(headers(3, head(HOLD, grpc_timeout=given)), message(3, b"1"))
        eventually(lambda: desk.calls)
        remaining = desk.calls[0].time_remaining()
        assert remaining is not None
        assert seconds - 1.5 < remaining <= seconds


def test_a_deadline_ends_a_call_whose_client_says_nothing(served: Served, desk: Desk) -> None:
    with connected(served.address) as wire:
        wire.begin()
        wire.send(headers(3, head(HOLD, grpc_timeout="200m")), message(3, b"7"))
        assert wire.fields(wire.until(frames.HEADERS))["grpc-status"] == "4"
        eventually(lambda: desk.gone == [7])


def test_one_that_drains_says_which_call_was_the_last_and_refuses_those_after_it(served: Served, desk: Desk) -> None:
    with connected(served.address) as wire:
        wire.begin()
        wire.send(call(3, b"7", HOLD))
        eventually(lambda: desk.calls)
        served.engine.stop(20.0)
        goaway = wire.until(frames.GOAWAY)
        assert (goaway.payload[:4], goaway.code) == (frames.NUMBER.pack(3), frames.NO_ERROR)
        wire.send(call(5))
        refused = wire.until(frames.RST_STREAM)
        assert (refused.stream, refused.code) == (5, frames.REFUSED_STREAM)
        desk.calls[0].reply(b"in time")
        assert wire.answer(3)[1] == b"in time"
        with pytest.raises(EOFError):
            wire.next()


def test_a_client_of_asyncio_is_served_too(served: Served) -> None:
    async def ask() -> list[bytes]:
        async with grpc.aio.insecure_channel(served.address) as channel:
            method = channel.unary_unary(ECHO, None, None)
            return list(await asyncio.gather(*(method(b"%d" % number) for number in range(100))))

    assert asyncio.run(ask()) == [b"%d" % number for number in range(100)]


def test_a_client_that_sends_its_end_takes_no_answer(served: Served, desk: Desk) -> None:
    with connected(served.address) as wire:
        wire.begin()
        wire.send(call(3, b"7", HOLD))
        eventually(lambda: desk.calls)
        wire.own.shutdown(socket.SHUT_WR)
        eventually(lambda: desk.gone == [7])
