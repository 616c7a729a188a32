"""The engine on grpcio's completion queue: one thread polls, and runs every handler itself.

grpcio's own servers hand each call between three to five threads; here a call costs two completions and no switch.  It
stands on `grpc._cython.cygrpc`, on which both of those servers are written: private, hence the pinned version and
contract.py.

A batch's tag is the method that takes its event, so a call lives as long as C-core or the answering thread holds it.
All state belongs to the serving thread, except `unanswered`: the thread that removes a call from it answers that call.
Owns the polling loop and the drain; calls are in calls.py and streams.py.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import structlog
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from serving.addresses import bind_all, unix_path
from serving.call import BidiStream, ClientStream, Method, Observer, Unary
from serving.completion_queue.calls import Event, PendingCall, UnaryCall
from serving.completion_queue.streams import BidiCall, ClientStreamCall
from serving.guard import REFUSAL, Guard
from serving.waiting.postponed import MAX_POSTPONED, Postponed

log = structlog.get_logger(__name__)

# Accepts kept posted: calls that arrive together wait in C-core only beyond these.
_BACKLOG = 32
# The serving thread checks for stop() at least this often; the wait itself costs nothing measurable.
_TICK_SECONDS = 0.1
# For refusals to reach their callers before connections are cut.
_REFUSAL_SECONDS = 0.2
# For C-core to end its batches once everything is cancelled.
_CLOSE_SECONDS = 5.0


class CompletionQueueEngine:
    """See engine.Engine.  Addresses are bound, and queue connections, as soon as it is made."""

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
        max_postponed: int = MAX_POSTPONED,
    ) -> None:
        self._guard = guard
        self._methods = {method.path.encode(): method for method in methods}
        self.observe: Callable[[str, float, str], None] | None = observer.handled if observer else None
        self.unanswered: set[PendingCall] = set()
        self.unfinished = 0
        self.watching = threading.Lock()
        self.postponed = Postponed(max_postponed)
        self._stop_at: float | None = None
        self._stopping = self._stopped = self._shut = False
        self._queue = cygrpc.CompletionQueue()
        self._server = cygrpc.Server([(name.encode(), value) for name, value in options], False)
        self._server.register_completion_queue(self._queue)
        encrypted: Any = getattr(tls, "_credentials", None)  # as grpc.server takes it
        self.ports = bind_all(
            addresses,
            lambda address: self._server.add_http2_port(
                address.encode(), None if unix_path(address) is not None else encrypted
            ),
            takes_over,
        )

    def serve(self) -> None:
        poll = self._queue.poll
        self._server.start()
        try:
            for _ in range(_BACKLOG):
                self._accept()
            busy = False
            while not self._stopped:
                # Waits only after a poll that found nothing: so no event, and no call in it, lives on while we wait.
                event = poll(0.0 if busy or self.postponed else time.time() + _TICK_SECONDS)
                found = event.tag is not None
                # Only the second poll in a row that finds nothing has looked at the sockets: an answer that was just
                # sent makes C-core return from the next one at once.
                idle = not found and not busy
                if found:
                    self._dispatch(event)
                if self.postponed:  # one step at a time: a call that arrives meanwhile waits for no more than one
                    self.postponed.catch_up(idle)
                if self._stop_at is not None:
                    self._drain(self._stop_at, idle)
                busy = found
        finally:
            self._close()

    def stop(self, grace: float = 10.0) -> None:
        if self._stop_at is None:
            self._stop_at = time.monotonic() + grace

    def between_calls(self, step: Callable[[], object]) -> None:
        self.postponed.append(step)

    def _dispatch(self, event: Event) -> None:
        try:
            event.tag(event)
        except Exception:  # the edge of an RPC: an observer that fails, or a bug of ours, must not end the others
            log.exception("event failed")

    def _accept(self) -> None:
        self._server.request_call(self._queue, self._queue, self._accepted)

    def _accepted(self, event: Event) -> None:
        if not event.success:  # the server shuts down
            return
        if not self._stopping:
            self._accept()
        details = event.call_details
        method = self._methods.get(details.method)
        if self._guard is not None and not self._admits(self._guard, event):
            PendingCall(self, event.call, details.deadline, method).fail(grpc.StatusCode.UNAUTHENTICATED, REFUSAL)
        elif isinstance(method, Unary):
            UnaryCall(self, event.call, details.deadline, method).begin()
        elif isinstance(method, ClientStream):
            ClientStreamCall(self, event.call, details.deadline, method).begin()
        elif isinstance(method, BidiStream):
            BidiCall(self, event.call, details.deadline, method).begin()
        else:
            PendingCall(self, event.call, details.deadline, None).fail(grpc.StatusCode.UNIMPLEMENTED, "unknown method")

    @staticmethod
    def _admits(guard: Guard, event: Event) -> bool:
        return guard.admits(event.call_details.method.decode(), event.call.peer().decode(), event.invocation_metadata)

    def _drain(self, stop_at: float, idle: bool) -> None:
        """After stop(): accepts no more; refuses the streams when no other call is open and no event waits."""
        if not self._stopping:
            self._accept_no_more()
        if stop_at <= time.monotonic():
            self._stopped = True
        elif idle:
            waiting = list(self.unanswered)
            if all(call.is_stream for call in waiting):
                for call in waiting:
                    call.refuse()

    def _accept_no_more(self) -> None:
        self._stopping = True
        self._server.shutdown(self._queue, self._shut_down)

    def _shut_down(self, _: Event) -> None:
        self._stopped = self._shut = True

    def _close(self) -> None:
        """Refuses what is left, cuts what does not end, and frees C-core's objects.

        A batch started on a queue that is shut down aborts the process.  So the queue is shut down only when no call is
        left that another thread could be about to answer.
        """
        if not self._stopping:
            self._accept_no_more()
        now = time.monotonic()
        cut_at, give_up_at = now + _REFUSAL_SECONDS, now + _CLOSE_SECONDS
        while not self._shut or self.unfinished:
            for call in list(self.unanswered):
                call.refuse()
            event = self._queue.poll(time.time() + _TICK_SECONDS)
            if event.tag is not None:
                self._dispatch(event)
            del event
            now = time.monotonic()
            if now > give_up_at:
                log.error("calls did not end", calls=self.unfinished)
                return
            if now > cut_at and not self._shut:
                self._server.cancel_all_calls()
        self._server.destroy()
        self._queue.shutdown()
        while self._queue.poll(time.time() + _TICK_SECONDS).completion_type != cygrpc.CompletionType.queue_shutdown:
            pass
