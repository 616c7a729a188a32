"""The calls of the completion queue engine: what every kind has in common, and unary calls.  Streams are in streams.py.

A call is answered once, by the thread that removes it from its engine's `unanswered`.
"""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from serving.call import NEVER_SECONDS, Method, Unary, failure, not_bytes, notify
from serving.waiting.postponed import Postponed

NO_FLAGS = 0
_OK = 0

Event = Any
Tag = Callable[[Event], None]


class Engine(Protocol):
    """What a call uses of its engine."""

    observe: Callable[[str, float, str], None] | None
    unanswered: "set[PendingCall]"
    unfinished: int
    watching: threading.Lock
    """Held while a call's watch changes: seldom, so one for all."""
    postponed: Postponed
    """Its steps must not raise."""


class Watch:
    """What a call knows of its caller once a callback was registered: whether it has gone, and the callback."""

    __slots__ = ("batches", "callback", "gone", "posted")

    def __init__(self, posted: bool = False) -> None:
        self.posted = posted  # a batch is out that ends when the caller goes; if not, the answer's tells
        self.batches = 2  # that one and the answer's, as long as they are out
        self.callback: Callable[[], None] | None = None
        self.gone = False


class PendingCall:
    """A call that is not over.  The class itself serves calls of unknown methods; its subclasses serve the others."""

    __slots__ = (
        "_code", "_deadline", "_engine", "_headers_sent", "_if_lost", "_method", "_received_at", "_rpc", "_seconds",
        "_watch",
    )  # fmt: skip
    is_stream = False

    def __init__(self, engine: Engine, rpc: Any, deadline: float, method: Method | None) -> None:
        self._engine, self._rpc, self._deadline, self._method = engine, rpc, deadline, method
        self._received_at, self._headers_sent = time.perf_counter(), False
        self._if_lost: Callable[[], None] | None = None
        self._watch: Watch | None = None
        engine.unanswered.add(self)
        engine.unfinished += 1

    @property
    def _path(self) -> str:
        return self._method.path if self._method else ""

    def reply(self, message: bytes, if_lost: Callable[[], None] | None = None) -> None:
        if not isinstance(message, bytes):
            raise not_bytes(message)
        if not self._answer(_OK, "OK", b"", message, if_lost) and if_lost is not None:
            if_lost()

    def fail(self, code: grpc.StatusCode, details: str = "") -> None:
        self._end(code, details)

    def refuse(self) -> None:
        """Ends a call that cannot wait any longer for its answer."""
        if self._end(grpc.StatusCode.UNAVAILABLE, "shutting down"):
            self._caller_gone()

    def time_remaining(self) -> float | None:
        return None if self._deadline > NEVER_SECONDS else max(0.0, self._deadline - time.time())

    def on_cancel(self, callback: Callable[[], None]) -> None:
        with self._engine.watching:
            watch = self._watch or self._begin_watch()
            if not watch.gone:
                watch.callback = callback
                return
        callback()

    def _begin_watch(self) -> Watch:
        """Arranges for `_closed` to run as soon as the caller goes.  (For an answered call, `_finished` tells.)"""
        watch = self._watch = Watch(posted=self._claim())  # claimed, so that no thread answers meanwhile
        if watch.posted:
            operations = (cygrpc.ReceiveCloseOnServerOperation(NO_FLAGS),)
            self._rpc.start_server_batch(operations, partial(self._closed, watch))
            self._engine.unanswered.add(self)
        return watch

    def _answer(
        self,
        number: int,
        code: str,
        details: bytes,
        message: bytes | None = None,
        if_lost: Callable[[], None] | None = None,
    ) -> bool:
        """False if it was answered before."""
        try:
            self._engine.unanswered.remove(self)  # atomic: of two threads that answer, one goes on
        except KeyError:
            with self._engine.watching:  # it may have been taken out for a moment
                if not self._claim():
                    return False
        self._if_lost = if_lost
        self._code, self._seconds = code, time.perf_counter() - self._received_at
        status = cygrpc.SendStatusFromServerOperation((), number, details, NO_FLAGS)
        watch, ended = self._watch, self._finished
        if watch is None or not watch.posted:
            operations = [cygrpc.ReceiveCloseOnServerOperation(NO_FLAGS), status]
        else:
            operations, ended = [status], partial(self._batch_ended, watch)
        if not self._headers_sent:
            operations.append(cygrpc.SendInitialMetadataOperation((), NO_FLAGS))
        if message is not None:
            operations.append(cygrpc.SendMessageOperation(message, NO_FLAGS))
        self._rpc.start_server_batch(operations, ended)
        return True

    def _end(self, code: grpc.StatusCode, details: str) -> bool:
        """Answers with a status alone."""
        return self._answer(code.value[0], code.name, details.encode(errors="replace"))

    def _claim(self) -> bool:
        """Takes the right to answer it."""
        try:
            self._engine.unanswered.remove(self)
        except KeyError:
            return False
        return True

    def _closed(self, watch: Watch, event: Event) -> None:
        """The caller of a watched call has gone, or has its answer."""
        if event.batch_operations[0].cancelled():
            self._caller_gone()
        self._batch_ended(watch, event)

    def _batch_ended(self, watch: Watch, event: Event) -> None:
        watch.batches -= 1
        if not watch.batches:
            self._finished(event)

    def _finished(self, event: Event) -> None:
        """The answer is out, and whether the caller took it is known."""
        self._engine.unfinished -= 1
        watch = self._watch
        gone = event.batch_operations[0].cancelled() if watch is None or not watch.posted else watch.gone
        gone = gone and self._code == "OK"
        if gone:
            if self._if_lost is not None:
                self._if_lost()
            self._caller_gone()
        if self._engine.observe is not None:
            self._engine.observe(self._path, self._seconds, "CANCELLED" if gone else self._code)

    def _caller_gone(self) -> None:
        """No answer of the handler has reached the caller, or will."""
        self._end(grpc.StatusCode.CANCELLED, "")
        with self._engine.watching:
            watch = self._watch = self._watch or Watch()
            watch.gone, callback, watch.callback = True, watch.callback, None
        if callback is not None:
            notify(self._path, callback)

    def _receive(self, tag: Tag) -> None:
        self._rpc.start_server_batch((cygrpc.ReceiveMessageOperation(NO_FLAGS),), tag)


class UnaryCall(PendingCall):
    __slots__ = ()
    _method: Unary

    def begin(self) -> None:
        self._receive(self._received)

    def _received(self, event: Event) -> None:
        message = event.batch_operations[0].message()
        if message is None or self not in self._engine.unanswered:  # the caller has gone, or we refused it meanwhile
            self.fail(grpc.StatusCode.CANCELLED)
            return
        if self._deadline < time.time():  # no caller waits for this answer
            self.fail(grpc.StatusCode.DEADLINE_EXCEEDED)
            return
        try:
            answer = self._method.handler(message, self)
            if callable(answer):
                self._engine.postponed.add(partial(self._answer_last, answer))
            elif answer is not None:
                self.reply(answer)
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self.fail(*failure(self._path, error))

    def _answer_last(self, make: Callable[[], bytes]) -> None:
        try:
            self.reply(make())
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self.fail(*failure(self._path, error))
