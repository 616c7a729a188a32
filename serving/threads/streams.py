"""The streams of the threads engine: client streams, and bidirectional ones."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from functools import partial
from typing import Protocol

import grpc

from serving.call import BidiSink, BidiStream, ClientStream, StreamSink, failure, not_bytes, notify
from serving.threads import calls
from serving.threads.calls import CANCELLED, SHUTTING_DOWN, Context, Outcome, Status, finish, report

# grpcio reports a cut stream first as ended, then as cut; the second follows at once.
_CUT_SECONDS = 0.01


class Stream(Protocol):
    """An open stream that can be ended: a context of grpcio's, or a BidiCall."""

    def cancel(self) -> None: ...


class Engine(calls.Engine, Protocol):
    """What a stream uses of its engine."""

    streams: set[Stream]
    receivers: Executor


def client_stream(engine: Engine, method: ClientStream) -> Callable[[Iterator[bytes], Context], bytes]:
    """The behaviour of `method` as grpc.server wants it."""

    def behaviour(requests: Iterator[bytes], context: Context) -> bytes:
        engine.streams.add(context)
        received_at, outcome = _consume(engine, method, requests, context)
        engine.streams.discard(context)
        return finish(engine, method.path, received_at, outcome, context)

    return behaviour


def _consume(
    engine: Engine, method: ClientStream, requests: Iterator[bytes], context: Context
) -> tuple[float, Outcome]:
    """Feeds a sink.  Returns when the last message was received, and the answer."""
    cut = threading.Event()
    context.add_callback(cut.set)
    received_at, refusal = time.perf_counter(), CANCELLED
    try:
        with engine.lock:
            sink = method.open()
    except Exception as error:  # noqa: BLE001 - the edge of an RPC
        return received_at, failure(method.path, error)
    try:
        for message in requests:
            received_at = time.perf_counter()
            with engine.lock:
                sink.receive(message)
        ok = not cut.wait(_CUT_SECONDS)
    except grpc.RpcError:  # the client has gone
        ok = False
    except Exception as error:  # noqa: BLE001 - the edge of an RPC
        ok, refusal = False, failure(method.path, error)
    return received_at, _conclude(engine, method, sink, ok, refusal)


def _conclude(engine: Engine, method: ClientStream, sink: StreamSink, ok: bool, refusal: Status) -> Outcome:
    try:
        with engine.lock:
            answer = sink.finish(ok)
    except Exception as error:  # noqa: BLE001 - the edge of an RPC
        return failure(method.path, error)
    return answer if ok else refusal


def bidi_stream(engine: Engine, method: BidiStream) -> Callable[[Iterator[bytes], Context], Iterator[bytes]]:
    """The behaviour of `method` as grpc.server wants it."""

    def behaviour(requests: Iterator[bytes], context: Context) -> Iterator[bytes]:
        call = BidiCall(engine, method, context)
        try:
            with engine.lock:
                sink = method.open(call)
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            finish(engine, method.path, time.perf_counter(), failure(method.path, error), context)
        engine.streams.add(call)
        engine.receivers.submit(call.receive, requests, sink)
        return call.messages()

    return behaviour


class BidiCall:
    """A bidirectional stream: grpcio's thread sends, one of ours receives and tells the sink of the end."""

    def __init__(self, engine: Engine, method: BidiStream, context: Context) -> None:
        self._engine, self._method, self._context = engine, method, context
        self._changed = threading.Condition()
        self._queue: deque[bytes] = deque()
        self._status: Status | None = None
        self._sending = self._finished = False
        self._received_at = time.perf_counter()

    def send(self, message: bytes) -> bool:
        if not isinstance(message, bytes):
            raise not_bytes(message)
        with self._changed:
            if self._status is not None or self._full():
                return False
            self._queue.append(message)
            self._changed.notify_all()
        return True

    def finish(self, code: grpc.StatusCode = grpc.StatusCode.OK, details: str = "") -> None:
        with self._changed:
            if self._status is None:
                self._status = code, details
                self._changed.notify_all()

    def cancel(self) -> None:
        """Ends it because the engine stops."""
        self._abort(SHUTTING_DOWN)
        if self._sending:  # to a client that may never read it
            self._context.cancel()

    def messages(self) -> Iterator[bytes]:
        """What grpcio sends; ends with the status."""
        while (message := self._next()) is not None:
            yield message
        code, details = self._status or CANCELLED
        if code is not grpc.StatusCode.OK:
            self._context.abort(code, details)
        self._finished = True

    def receive(self, requests: Iterator[bytes], sink: BidiSink) -> None:
        """Feeds the sink, until the stream is over."""
        over = threading.Event()
        if not self._context.add_callback(partial(self._ended, over)):
            self._ended(over)
        try:
            self._feed(requests, sink)
            over.wait(_CUT_SECONDS)
            self._tell_end(sink)
        except grpc.RpcError:  # the client has gone
            self._abort(CANCELLED)
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self._abort(failure(self._method.path, error))
        over.wait()
        code, _ = self._status or CANCELLED
        with self._engine.lock:
            notify(self._method.path, partial(sink.close, code is grpc.StatusCode.OK))
        report(self._engine, self._method.path, self._received_at, code.name)
        self._engine.streams.discard(self)

    def _feed(self, requests: Iterator[bytes], sink: BidiSink) -> None:
        for message in requests:
            self._received_at = time.perf_counter()
            with self._engine.lock:
                if self._status is not None:
                    return
                sink.receive(message)
            with self._changed:
                self._changed.wait_for(lambda: self._status is not None or not self._full())

    def _tell_end(self, sink: BidiSink) -> None:
        with self._engine.lock:
            if self._status is None:
                sink.end()

    def _full(self) -> bool:
        return len(self._queue) >= self._method.max_queued

    def _next(self) -> bytes | None:
        """The next message to be sent; None once the status is."""
        with self._changed:
            self._sending = False
            self._changed.wait_for(lambda: self._queue or self._status)
            if not self._queue:
                return None
            self._sending = True
            self._changed.notify_all()
            return self._queue.popleft()

    def _ended(self, over: threading.Event) -> None:
        self._abort(CANCELLED)
        over.set()

    def _abort(self, status: Status) -> None:
        """Ends it without what is still queued, unless it has ended or failed before."""
        with self._changed:
            if self._finished or not (self._status is None or self._status[0] is grpc.StatusCode.OK):
                return
            self._queue.clear()
            self._status = status
            self._changed.notify_all()
