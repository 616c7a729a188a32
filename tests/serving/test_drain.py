import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import grpc
import pytest

from serving.call import Call, Unary
from serving.engine import EngineKind, open_engine
from tests.serving.conftest import Served, Server, eventually
from tests.serving.streams.test_stream import LOG, Held, Sinks

HOLD = "/test.Service/Hold"
SLOW = "/test.Service/Slow"
# CANCELLED: a call that crossed with the news that the connection ends.
REFUSED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


class Holder:
    """Keeps calls until it is told to answer them."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.method = Unary(HOLD, self._hold)

    def _hold(self, message: bytes, call: Call) -> None:
        self.calls.append(call)


def holds(holder: Holder, count: int) -> bool:
    return len(holder.calls) == count


def slow(message: bytes, call: Call) -> None:
    threading.Timer(0.05, call.reply, [message]).start()


def stopping(served: Served, grace: float) -> threading.Thread:
    """Begins to stop `served`; returns when it refuses new connections."""
    thread = threading.Thread(target=served.stop, args=[grace])
    thread.start()
    eventually(lambda: not accepts(served.address))
    return thread


def accepts(address: str) -> bool:
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            channel.unary_unary("/test.Service/Probe", None, None)(b"", timeout=1.0)
        except grpc.RpcError as error:
            return error.code() is grpc.StatusCode.UNIMPLEMENTED
        return True


def test_a_held_call_is_answered_while_new_ones_are_refused(serve: Server) -> None:
    holder = Holder()
    served = serve(holder.method)
    answer = served.start(HOLD, b"")
    eventually(lambda: holder.calls)
    thread = stopping(served, grace=10.0)
    assert not answer.done()
    assert served.code(HOLD, b"", timeout=1.0)[0] in REFUSED
    assert len(holder.calls) == 1
    started = time.monotonic()
    holder.calls[0].reply(b"in time")
    assert answer.result() == b"in time"
    thread.join()
    assert time.monotonic() - started < 5.0  # it does not wait for the grace to pass


def test_what_is_still_held_after_the_grace_is_refused(serve: Server) -> None:
    holder, sinks = Holder(), Sinks()
    served = serve(holder.method, sinks.method)
    held = Held([b"a"])
    answer, stream = served.start(HOLD, b""), served.stream(LOG, iter(held))
    eventually(lambda: holder.calls and sinks.opened and sinks.opened[0].received)
    served.stop(grace=0.3)
    assert (answer.code(), answer.details()) == (grpc.StatusCode.UNAVAILABLE, "shutting down")
    assert sinks.opened[0].finished == [False]
    assert stream.code() in REFUSED
    held.end.set()


def test_a_stream_takes_messages_as_long_as_a_call_is_held_and_does_not_hold_up_the_stop(serve: Server) -> None:
    holder, sinks = Holder(), Sinks()
    served = serve(holder.method, sinks.method)
    more = threading.Event()

    def messages() -> Iterator[bytes]:
        yield b"before"
        more.wait()
        yield b"while draining"
        Held([]).end.wait(60.0)

    answer, stream = served.start(HOLD, b""), served.stream(LOG, messages())
    eventually(lambda: holder.calls and sinks.opened and sinks.opened[0].received)
    started = time.monotonic()
    thread = stopping(served, grace=30.0)
    more.set()
    eventually(lambda: sinks.opened[0].received == [b"before", b"while draining"])
    assert sinks.opened[0].finished == []
    holder.calls[0].reply(b"")
    thread.join()
    assert time.monotonic() - started < 10.0
    assert answer.result() == b""
    assert sinks.opened[0].finished == [False]
    assert stream.code() in REFUSED


def test_under_load_every_call_that_a_handler_took_is_answered(serve: Server) -> None:
    taken: list[bytes] = []
    codes: list[grpc.StatusCode] = []

    def handler(message: bytes, call: Call) -> None:
        taken.append(message)
        slow(message, call)

    served = serve(Unary(SLOW, handler))

    def load() -> None:
        while grpc.StatusCode.UNAVAILABLE not in codes:
            answers = [served.start(SLOW, b"") for _ in range(10)]
            codes.extend(answer.code() for answer in answers)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(codes) > 200)
    served.stop(grace=10.0)
    for thread in threads:
        thread.join()
    assert set(codes) - REFUSED == {grpc.StatusCode.OK}
    assert codes.count(grpc.StatusCode.OK) == len(taken)


def test_answers_that_cross_with_the_stop_harm_nobody(serve: Server) -> None:
    for _ in range(10):
        holder = Holder()
        served = serve(holder.method)
        answers = [served.start(HOLD, b"") for _ in range(100)]
        eventually(partial(holds, holder, 100))
        stopping = threading.Thread(target=served.stop)
        stopping.start()
        for call in holder.calls:
            call.reply(b"")
            time.sleep(0.001)
        stopping.join()
        assert {answer.code() for answer in answers} <= REFUSED | {grpc.StatusCode.OK}


def test_an_engine_that_was_stopped_before_it_served_returns_and_frees_its_address(
    kind: EngineKind, serve: Server
) -> None:
    address = serve.address()
    for _ in range(2):
        engine = open_engine(kind, [Unary(SLOW, slow)], [address])
        address = f"127.0.0.1:{engine.ports[address]}" if engine.ports else address
        engine.stop()
        engine.stop()
        engine.serve()


def test_an_address_is_free_again_after_the_stop(serve: Server) -> None:
    first = serve(Unary(SLOW, slow))
    assert first.call(SLOW, b"1") == b"1"
    first.stop()
    assert serve(Unary(SLOW, slow), address=first.address).call(SLOW, b"2") == b"2"


PROCESS = """
import signal, sys, threading
from serving.call import Unary, ClientStream
from serving.engine import open_engine
def slow(message, call):
    threading.Timer(0.5, call.reply, [message]).start()
class Sink:
    def receive(self, message): pass
    def finish(self, ok): return b""
methods = [Unary("/test.Service/Slow", slow), ClientStream("/test.Service/Log", Sink)]
engine = open_engine(sys.argv[1], methods, [sys.argv[2]])
signal.signal(signal.SIGTERM, lambda *_: engine.stop(8.0))
engine.serve()
print("served", flush=True)
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, -signal.SIGINT)])
def test_a_process_drains_on_sigterm_and_unwinds_on_sigint(
    kind: EngineKind, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    address = f"unix:{tmp_path}/engine.sock"
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, kind, address], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(10.0)
        held = Held([b"a"])
        channel.stream_unary(LOG, None, None).future(iter(held))
        answer = channel.unary_unary(SLOW, None, None).future(b"hello")
        time.sleep(0.2)
        os.kill(process.pid, number)
        if number is signal.SIGTERM:
            assert answer.result(10.0) == b"hello"
        assert process.wait(10.0) == status
        held.end.set()
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.read() == ("served\n" if status == 0 else "")
    assert list(tmp_path.iterdir()) == []
