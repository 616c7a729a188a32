"""The same methods on grpcio's public threaded server: the fallback, at a quarter of the speed.

Each open call and each client stream holds a thread, a bidirectional stream two.  Handlers rely on running one at a
time, so here they share a lock.  Owns the server and its drain; calls are in calls.py and streams.py.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import grpc

from serving.addresses import bind_all, unix_path
from serving.call import BidiStream, Method, Observer, Unary
from serving.guard import REFUSAL, Guard
from serving.threads.calls import Context, HeldCall, Stream, finish, unary
from serving.threads.streams import bidi_stream, client_stream

T = TypeVar("T")
# Open calls and streams beyond this many wait.  Threads start on demand.
_WORKERS = 128
_TICK_SECONDS = 0.1
# For refusals to reach their callers before connections are cut.
_REFUSAL_SECONDS = 0.2


class ThreadsEngine:
    """See engine.Engine."""

    def __init__(
        self,
        methods: Sequence[Method],
        addresses: Sequence[str],
        options: Sequence[tuple[str, int]],
        observer: Observer | None,
        *,
        takes_over: bool = False,
        guard: Guard | None = None,
        tls: grpc.ServerCredentials | None = None,
    ) -> None:
        self.observe: Callable[[str, float, str], None] | None = observer.handled if observer else None
        self.lock = threading.Lock()
        self.calls: set[HeldCall] = set()
        self.streams: set[Stream] = set()
        self.receivers: Executor = ThreadPoolExecutor(_WORKERS, thread_name_prefix="grpc-receive")
        self._stop_at: float | None = None
        self._executor = ThreadPoolExecutor(_WORKERS, thread_name_prefix="grpc")
        self._server = grpc.server(self._executor, options=list(options))
        self._server.add_generic_rpc_handlers((_Router(self, methods, guard),))
        self.ports = bind_all(addresses, partial(self._bind, tls), takes_over)

    def _bind(self, tls: grpc.ServerCredentials | None, address: str) -> int:
        if tls is None or unix_path(address) is not None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, tls)

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

    def between_calls(self, step: Callable[[], object]) -> None:
        threading.Thread(target=self._locked, args=[step], name="between calls", daemon=True).start()

    def _locked(self, step: Callable[[], object]) -> None:
        with self.lock:
            step()

    def _drain(self, stop_at: float) -> None:
        """Accepts no more; ends the streams once no call is open; refuses what is left at `stop_at` (monotonic)."""
        ended = self._server.stop(max(0.0, stop_at - time.monotonic()) + _REFUSAL_SECONDS)
        while not ended.wait(_TICK_SECONDS):
            if time.monotonic() >= stop_at:
                for call in list(self.calls):
                    call.refuse()
            if not self.calls:
                for stream in list(self.streams):
                    stream.cancel()
        self._executor.shutdown()
        self.receivers.shutdown()


class _Router(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Finds the behaviour of a method, as grpc.server wants it: exceptions become statuses there."""

    def __init__(self, engine: ThreadsEngine, methods: Sequence[Method], guard: Guard | None) -> None:
        self._engine, self._guard = engine, guard
        self._handlers = {method.path: self._handler(method) for method in methods}
        self._unknown = grpc.stream_unary_rpc_method_handler(self._refuse)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handlers.get(handler_call_details.method, self._unknown)

    def _handler(self, method: Method) -> Any:
        if isinstance(method, Unary):
            return grpc.unary_unary_rpc_method_handler(self._guarded(method, unary(self._engine, method)))
        if isinstance(method, BidiStream):
            return grpc.stream_stream_rpc_method_handler(self._guarded(method, bidi_stream(self._engine, method)))
        return grpc.stream_unary_rpc_method_handler(self._guarded(method, client_stream(self._engine, method)))

    def _guarded(self, method: Method, behaviour: Callable[[Any, Context], T]) -> Callable[[Any, Context], T]:
        if (guard := self._guard) is None:
            return behaviour

        def guarded(request: Any, context: Context) -> T:
            if not guard.admits(method.path, context.peer(), context.invocation_metadata()):
                outcome = grpc.StatusCode.UNAUTHENTICATED, REFUSAL
                finish(self._engine, method.path, time.perf_counter(), outcome, context)
            return behaviour(request, context)

        return guarded

    def _refuse(self, _: Iterator[bytes], context: Context) -> bytes:
        outcome = grpc.StatusCode.UNIMPLEMENTED, "unknown method"
        return finish(self._engine, "", time.perf_counter(), outcome, context)
