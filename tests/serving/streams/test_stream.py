import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import grpc
import pytest

from serving.call import Call, ClientStream, Malformed, Unary
from tests.serving.conftest import Server, eventually

LOG = "/test.Service/Log"


@dataclass
class Sink:
    """Answers with the number of messages; fails on the ones named so."""

    received: list[bytes] = field(default_factory=list)
    finished: list[bool] = field(default_factory=list)

    def receive(self, message: bytes) -> None:
        if message == b"malformed":
            raise Malformed("no entries")
        if message == b"broken":
            raise RuntimeError("secret detail")
        self.received.append(message)

    def finish(self, ok: bool) -> bytes:
        self.finished.append(ok)
        if self.received == [b"no end"]:
            raise RuntimeError("secret detail")
        return b"%d" % len(self.received)


@dataclass
class Sinks:
    """Every stream's sink."""

    opened: list[Sink] = field(default_factory=list)

    @property
    def method(self) -> ClientStream:
        return ClientStream(LOG, self.open)

    def open(self) -> Sink:
        self.opened.append(Sink())
        return self.opened[-1]


@dataclass
class Held:
    """Messages of a stream that does not end until told to."""

    messages: list[bytes]
    end: threading.Event = field(default_factory=threading.Event)

    def __iter__(self) -> Iterator[bytes]:
        yield from self.messages
        self.end.wait(60.0)


@pytest.fixture
def sinks() -> Sinks:
    return Sinks()


@pytest.mark.parametrize("count", [0, 1, 5000])
def test_a_stream_is_answered_when_it_ends(serve: Server, sinks: Sinks, count: int) -> None:
    served = serve(sinks.method)
    messages = [b"%d" % number for number in range(count)]
    assert served.stream(LOG, iter(messages)).result() == b"%d" % count
    assert [(sink.received, sink.finished) for sink in sinks.opened] == [(messages, [True])]


def test_large_and_empty_messages_pass(serve: Server, sinks: Sinks) -> None:
    served = serve(sinks.method)
    messages = [b"", bytes(3 * 1024 * 1024), b""]
    assert served.stream(LOG, iter(messages)).result() == b"3"
    assert sinks.opened[0].received == messages


def test_streams_and_calls_go_on_side_by_side(serve: Server, sinks: Sinks) -> None:
    def echo(message: bytes, call: Call) -> bytes:
        return message

    served = serve(sinks.method, Unary("/test.Service/Echo", echo))
    held = [Held([b"a"]) for _ in range(20)]
    streams = [served.stream(LOG, iter(messages)) for messages in held]
    eventually(lambda: [sink.received for sink in sinks.opened] == [[b"a"]] * 20)
    assert served.call("/test.Service/Echo", b"hello") == b"hello"
    for messages in held:
        messages.end.set()
    assert [stream.result() for stream in streams] == [b"1"] * 20


@pytest.mark.parametrize(
    ("message", "code", "details"),
    [
        (b"malformed", grpc.StatusCode.INVALID_ARGUMENT, "no entries"),
        (b"broken", grpc.StatusCode.INTERNAL, "internal error"),
    ],
)
def test_a_message_that_fails_ends_its_stream_only(
    serve: Server, sinks: Sinks, message: bytes, code: grpc.StatusCode, details: str
) -> None:
    served = serve(sinks.method)
    held = Held([b"a", message, b"b"])
    failed = served.stream(LOG, iter(held))
    assert (failed.code(), failed.details()) == (code, details)
    held.end.set()
    assert (sinks.opened[0].received, sinks.opened[0].finished) == ([b"a"], [False])
    assert served.stream(LOG, iter([b"a", b"b"])).result() == b"2"


def test_an_end_that_fails_is_internal(serve: Server, sinks: Sinks) -> None:
    served = serve(sinks.method)
    assert served.stream(LOG, iter([b"no end"])).code() is grpc.StatusCode.INTERNAL
    assert sinks.opened[0].finished == [True]
    assert served.stream(LOG, iter([b"a"])).result() == b"1"


def test_a_stream_that_cannot_be_opened_is_internal(serve: Server) -> None:
    def refuse() -> Sink:
        raise RuntimeError("secret detail")

    served = serve(ClientStream(LOG, refuse))
    failed = served.stream(LOG, iter([b"a"]))
    assert (failed.code(), failed.details()) == (grpc.StatusCode.INTERNAL, "internal error")


def test_a_message_beyond_the_limit_ends_its_stream(serve: Server, sinks: Sinks) -> None:
    served = serve(sinks.method, max_message_bytes=1000)
    held = Held([b"a", bytes(1001)])
    assert served.stream(LOG, iter(held)).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    held.end.set()
    eventually(lambda: sinks.opened[0].finished == [False])
    assert sinks.opened[0].received == [b"a"]


def test_a_cancelled_stream_is_finished_as_not_ok(serve: Server, sinks: Sinks) -> None:
    served = serve(sinks.method)
    held = Held([b"a", b"b"])
    stream = served.stream(LOG, iter(held))
    eventually(lambda: sinks.opened and len(sinks.opened[0].received) == 2)
    stream.cancel()  # type: ignore[no-untyped-call]
    held.end.set()
    eventually(lambda: sinks.opened[0].finished)
    assert sinks.opened[0].finished == [False]


CLIENT = """
import sys, time, grpc
def messages():
    for number in range(10):
        yield b"%d" % number
    time.sleep(60)
grpc.insecure_channel(sys.argv[1]).stream_unary(sys.argv[2])(messages())
"""


def test_a_stream_of_a_killed_client_is_finished_as_not_ok(serve: Server, sinks: Sinks) -> None:
    served = serve(sinks.method)
    client = subprocess.Popen([sys.executable, "-c", CLIENT, served.address, LOG])
    eventually(lambda: sinks.opened and len(sinks.opened[0].received) == 10)
    os.kill(client.pid, signal.SIGKILL)
    client.wait()
    eventually(lambda: sinks.opened[0].finished)
    assert sinks.opened[0].finished == [False]
    assert served.stream(LOG, iter([b"a"])).result() == b"1"
