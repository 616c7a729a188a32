"""The unary calls of the threads engine, and how any call of it is reported and answered.

grpcio does not tell whether an answer has arrived: here, one that was handed to it counts as arrived.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import grpc
import structlog

from serving.call import NEVER_SECONDS, Unary, failure, not_bytes, notify

log = structlog.get_logger(__name__)

Context = Any  # grpc-stubs' ServicerContext lacks methods that grpcio's has
Status = tuple[grpc.StatusCode, str]
Outcome = bytes | Status
CANCELLED: Status = (grpc.StatusCode.CANCELLED, "")
SHUTTING_DOWN: Status = (grpc.StatusCode.UNAVAILABLE, "shutting down")


class Stream(Protocol):
    """An open stream that can be ended: a context of grpcio's, or a BidiCall."""

    def cancel(self) -> None: ...


class Engine(Protocol):
    """What a call uses of its engine."""

    observe: Callable[[str, float, str], None] | None
    lock: threading.Lock
    """Held while a handler, a sink or a callback runs."""
    calls: "set[HeldCall]"
    streams: set[Stream]
    receivers: Executor


class HeldCall:
    """A unary call, whose thread waits for the first answer."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._answers: SimpleQueue[Outcome] = SimpleQueue()
        self._if_lost: Callable[[], None] | None = None
        self._over = False
        self._watching = threading.Lock()
        self._on_cancel: Callable[[], None] | None = None
        self._gone = False

    def reply(self, message: bytes, if_lost: Callable[[], None] | None = None) -> None:
        if not isinstance(message, bytes):
            raise not_bytes(message)
        self._if_lost = if_lost
        self._answers.put(message)
        if self._over and if_lost is not None:
            if_lost()

    def fail(self, code: grpc.StatusCode, details: str = "") -> None:
        self._answers.put((code, details))

    def refuse(self) -> None:
        self._answers.put(SHUTTING_DOWN)

    def time_remaining(self) -> float | None:
        seconds: float | None = self._context.time_remaining()
        return None if seconds is None or seconds > NEVER_SECONDS else seconds

    def on_cancel(self, callback: Callable[[], None]) -> None:
        with self._watching:
            if not self._gone:
                self._on_cancel = callback
                return
        callback()

    def outcome(self) -> Outcome:
        """Waits until there is an answer, the caller goes, or its deadline passes."""
        outcome = self._answers.get() if self._context.add_callback(self._caller_gone) else self._late()
        self._over = True
        if not isinstance(outcome, bytes) and self._if_lost is not None:
            self._if_lost()
        return outcome

    def unanswered(self) -> Callable[[], None] | None:
        """The callback to run, once `outcome` is CANCELLED or SHUTTING_DOWN."""
        with self._watching:
            self._gone = True
            return self._on_cancel

    def _caller_gone(self) -> None:
        self._answers.put(CANCELLED)

    def _late(self) -> Outcome:
        """The outcome when the caller had gone before the handler returned: an error is reported, an answer is lost."""
        try:
            outcome = self._answers.get_nowait()
        except Empty:
            return CANCELLED
        return CANCELLED if isinstance(outcome, bytes) else outcome


def unary(engine: Engine, method: Unary) -> Callable[[bytes, Context], bytes]:
    """The behaviour of `method` as grpc.server wants it."""

    def behaviour(request: bytes, context: Context) -> bytes:
        received_at, call = time.perf_counter(), HeldCall(context)
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
        if (outcome is CANCELLED or outcome is SHUTTING_DOWN) and (callback := call.unanswered()):
            with engine.lock:
                notify(method.path, callback)
        engine.calls.discard(call)
        return finish(engine, method.path, received_at, outcome, context)

    return behaviour


def finish(engine: Engine, path: str, received_at: float, outcome: Outcome, context: Context) -> bytes:
    """Reports the call and answers it: returns the message, or aborts."""
    report(engine, path, received_at, "OK" if isinstance(outcome, bytes) else outcome[0].name)
    if isinstance(outcome, bytes):
        return outcome
    context.abort(*outcome)
    raise AssertionError("abort() raises")


def report(engine: Engine, path: str, received_at: float, code: str) -> None:
    if engine.observe is None:
        return
    try:
        with engine.lock:
            engine.observe(path, time.perf_counter() - received_at, code)
    except Exception:  # the edge of an RPC: an observer that fails must not fail the call
        log.exception("event failed")
