"""The streams of the threads engine: client streams, and bidirectional ones."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import grpc

from serving.call import BidiStream, ClientStream, StreamSink, failure, notify
from serving.threads.calls import CANCELLED, SHUTTING_DOWN, Context, Engine, Outcome, Status, finish, report
from serving.waiting.outbox import Outbox

# grpcio reports a cut stream first as ended, then as cut; the second follows at once.
_CUT_SECONDS = 0.01


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
        try:
            with engine.lock:
                call = BidiCall(engine, method, context)
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            finish(engine, method.path, time.perf_counter(), failure(method.path, error), context)
        engine.streams.add(call)
        engine.receivers.submit(call.receive, requests)
        return call.messages()

    return behaviour


class BidiCall:
    """A bidirectional stream: grpcio's thread sends, one of ours receives and tells the sink of the end."""

    def __init__(self, engine: Engine, method: BidiStream, context: Context) -> None:
        self._engine, self._path, self._context = engine, method.path, context
        self._outbox = Outbox(method.max_queued)
        self._sink = method.open(self._outbox)
        self._sending = self._finished = False
        self._received_at = time.perf_counter()

    def cancel(self) -> None:
        """Ends it because the engine stops."""
        self._abort(SHUTTING_DOWN)
        if self._sending:  # to a client that may never read it
            self._context.cancel()

    def messages(self) -> Iterator[bytes]:
        """What grpcio sends; ends with the status."""
        while (message := self._next()) is not None:
            yield message
        code, details = self._outbox.status or CANCELLED
        if code is not grpc.StatusCode.OK:
            self._context.abort(code, details)
        self._finished = True

    def receive(self, requests: Iterator[bytes]) -> None:
        """Feeds the sink, until the stream is over."""
        over = threading.Event()
        if not self._context.add_callback(partial(self._ended, over)):
            self._ended(over)
        try:
            self._feed(requests, over)
        except grpc.RpcError:  # the client has gone
            self._abort(CANCELLED)
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self._abort(failure(self._path, error))
        over.wait()
        code, _ = self._outbox.status or CANCELLED
        with self._engine.lock:
            notify(self._path, partial(self._sink.close, code is grpc.StatusCode.OK))
        report(self._engine, self._path, self._received_at, code.name)
        self._engine.streams.discard(self)

    def _feed(self, requests: Iterator[bytes], over: threading.Event) -> None:
        for message in requests:
            self._received_at = time.perf_counter()
            self._tell(partial(self._sink.receive, message))
            with self._outbox.lock:
                self._outbox.lock.wait_for(lambda: self._outbox.status or not self._outbox.full)
        over.wait(_CUT_SECONDS)
        self._tell(self._sink.end)

    def _tell(self, step: Callable[[], None]) -> None:
        with self._engine.lock:
            if self._outbox.status is None:
                step()

    def _next(self) -> bytes | None:
        """The next message to be sent; None once the status is."""
        outbox = self._outbox
        with outbox.lock:
            self._sending = False
            outbox.lock.wait_for(lambda: outbox.waiting or outbox.status)
            message = outbox.take()
            self._sending = message is not None
            outbox.lock.notify_all()
            return message

    def _ended(self, over: threading.Event) -> None:
        self._abort(CANCELLED)
        over.set()

    def _abort(self, status: Status) -> None:
        if not self._finished:
            self._outbox.abort(*status)
