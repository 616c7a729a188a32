"""The same methods on grpcio's public threaded server: the fallback, at a quarter of the speed.

Each open call, and each client stream, holds a thread.  Handlers run one at a time here too, under one lock, because
they may rely on it.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

import grpc
import structlog

from serving.addresses import CannotListenError, protect, unix_path
from serving.call import NEVER_SECONDS, ClientStream, Method, Observer, StreamSink, Unary, failure

log = structlog.get_logger(__name__)

# Open calls and streams beyond this many wait.  Threads start on demand.
_WORKERS = 128
_TICK_SECONDS = 0.1
# For refusals to reach their callers before connections are cut.
_FAREWELL_SECONDS = 0.2
# grpcio reports a cut stream first as ended, then as cut; the second follows at once.
_CUT_SECONDS = 0.01

Context = Any  # grpc-stubs' ServicerContext lacks methods that grpcio's has
Outcome = bytes | tuple[grpc.StatusCode, str]
_CANCELLED = (grpc.StatusCode.CANCELLED, "")


class ThreadsEngine:
    """See engine.Engine."""

    def __init__(
        self,
        methods: Sequence[Method],
        addresses: Sequence[str],
        options: Sequence[tuple[str, int]],
        observer: Observer | None,
    ) -> None:
        self.observe = observer.handled if observer else None
        self.lock = threading.Lock()
        self.calls: set[_Call] = set()
        self.streams: set[Context] = set()
        self._stop_at: float | None = None
        self._executor = ThreadPoolExecutor(_WORKERS, thread_name_prefix="grpc")
        self._server = grpc.server(self._executor, options=list(options))
        self._server.add_generic_rpc_handlers((_Router(self, methods),))
        self._ports: dict[str, int] = {}
        for address in addresses:
            self._listen(address)

    @property
    def ports(self) -> Mapping[str, int]:
        return self._ports

    def serve(self) -> None:
        self._server.start()
        try:
            while self._stop_at is None:
                time.sleep(_TICK_SECONDS)  # not an Event: stop() may come from a signal handler in this very thread
        finally:
            self._drain(self._stop_at or 0.0)

    def stop(self, grace: float = 10.0) -> None:
        if self._stop_at is None:
            self._stop_at = time.monotonic() + grace

    def _listen(self, address: str) -> None:
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise CannotListenError(address, "gRPC could not bind it") from error
        protect(address)
        if unix_path(address) is None:
            self._ports[address] = port

    def _drain(self, stop_at: float) -> None:
        """Closes the doors; ends the streams once no call is open; refuses what is left at `stop_at` (monotonic)."""
        ended = self._server.stop(max(0.0, stop_at - time.monotonic()) + _FAREWELL_SECONDS)
        while not ended.wait(_TICK_SECONDS):
            if time.monotonic() >= stop_at:
                for call in list(self.calls):
                    call.fail(grpc.StatusCode.UNAVAILABLE, "shutting down")
            if not self.calls:
                for stream in list(self.streams):
                    stream.cancel()
        self._executor.shutdown()


class _Router(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Finds the behaviour of a method, as grpc.server wants it: exceptions become statuses there."""

    def __init__(self, engine: ThreadsEngine, methods: Sequence[Method]) -> None:
        self._engine = engine
        self._handlers = {method.path: self._handler(method) for method in methods}
        self._unknown = grpc.stream_unary_rpc_method_handler(self._refuse)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handlers.get(handler_call_details.method, self._unknown)

    def _handler(self, method: Method) -> Any:
        if isinstance(method, Unary):
            return grpc.unary_unary_rpc_method_handler(_unary(self._engine, method))
        return grpc.stream_unary_rpc_method_handler(_stream(self._engine, method))

    def _refuse(self, _: Iterator[bytes], context: Context) -> bytes:
        outcome = grpc.StatusCode.UNIMPLEMENTED, "unknown method"
        return _finish(self._engine, "", time.perf_counter(), outcome, context)


class _Call:
    """A unary call, whose thread waits for the first answer."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._answers: SimpleQueue[Outcome] = SimpleQueue()
        self._if_lost: Callable[[], None] | None = None
        self._over = False

    def reply(self, message: bytes, if_lost: Callable[[], None] | None = None) -> None:
        if not isinstance(message, bytes):
            raise TypeError(f"a reply must be bytes, not {type(message).__name__}")
        self._if_lost = if_lost
        self._answers.put(message)
        if self._over and if_lost is not None:
            if_lost()

    def fail(self, code: grpc.StatusCode, details: str = "") -> None:
        self._answers.put((code, details))

    def time_remaining(self) -> float | None:
        seconds: float | None = self._context.time_remaining()
        return None if seconds is None or seconds > NEVER_SECONDS else seconds

    def leave(self) -> None:
        self._answers.put(_CANCELLED)

    def outcome(self) -> Outcome:
        """Waits: until the answer, or until the caller leaves or his deadline passes."""
        outcome = self._answers.get() if self._context.add_callback(self.leave) else self._answered()
        self._over = True
        if not isinstance(outcome, bytes) and self._if_lost is not None:
            self._if_lost()
        return outcome

    def _answered(self) -> Outcome:
        try:
            return self._answers.get_nowait()
        except Empty:
            return _CANCELLED


def _unary(engine: ThreadsEngine, method: Unary) -> Callable[[bytes, Context], bytes]:
    def behaviour(request: bytes, context: Context) -> bytes:
        received_at, call = time.perf_counter(), _Call(context)
        engine.calls.add(call)
        try:
            with engine.lock:
                answer = method.handler(request, call) if context.is_active() else None
                if callable(answer):
                    answer = answer()
            if answer is not None:
                call.reply(answer)
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            call.fail(*failure(method.path, error))
        outcome = call.outcome()
        engine.calls.discard(call)
        return _finish(engine, method.path, received_at, outcome, context)

    return behaviour


def _stream(engine: ThreadsEngine, method: ClientStream) -> Callable[[Iterator[bytes], Context], bytes]:
    def behaviour(requests: Iterator[bytes], context: Context) -> bytes:
        engine.streams.add(context)
        received_at, outcome = _consume(engine, method, requests, context)
        engine.streams.discard(context)
        return _finish(engine, method.path, received_at, outcome, context)

    return behaviour


def _consume(
    engine: ThreadsEngine, method: ClientStream, requests: Iterator[bytes], context: Context
) -> tuple[float, Outcome]:
    """Feeds a sink.  Returns when the last message was received, and the answer."""
    cut = threading.Event()
    context.add_callback(cut.set)
    received_at, refusal = time.perf_counter(), _CANCELLED
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
    except grpc.RpcError:  # the caller left
        ok = False
    except Exception as error:  # noqa: BLE001 - the edge of an RPC
        ok, refusal = False, failure(method.path, error)
    return received_at, _conclude(engine, method, sink, ok, refusal)


def _conclude(
    engine: ThreadsEngine, method: ClientStream, sink: StreamSink, ok: bool, refusal: tuple[grpc.StatusCode, str]
) -> Outcome:
    try:
        with engine.lock:
            answer = sink.finish(ok)
    except Exception as error:  # noqa: BLE001 - the edge of an RPC
        return failure(method.path, error)
    return answer if ok else refusal


def _finish(engine: ThreadsEngine, path: str, received_at: float, outcome: Outcome, context: Context) -> bytes:
    """Reports the call and answers it: returns the message, or aborts."""
    code = "OK" if isinstance(outcome, bytes) else outcome[0].name
    if engine.observe is not None:
        try:
            with engine.lock:
                engine.observe(path, time.perf_counter() - received_at, code)
        except Exception:  # the edge of an RPC: an observer that fails must not fail the call
            log.exception("event failed")
    if isinstance(outcome, bytes):
        return outcome
    context.abort(*outcome)
    raise AssertionError("abort() raises")
