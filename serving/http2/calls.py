"""The calls of the HTTP/2 engine: what every kind has in common, and unary calls.  Streams are in streams.py.

All of a call belongs to the serving thread but for `reply`, `fail`, `on_cancel` and `time_remaining`: what another
thread answers is queued, and the serving thread, woken, takes it.
"""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import grpc

from serving.call import Unary, failure, not_bytes, notify
from serving.http2.answers import PREFIX, PREFIX_BYTES
from serving.http2.frames import FLOW_CONTROL_ERROR
from serving.http2.heads import NEVER, Head, Heads
from serving.waiting.postponed import Postponed

# What a caller may send of one call before it is told that there is room for more.
WINDOW_BYTES = 1024 * 1024

Status = tuple[grpc.StatusCode, str]
Answer = bytes | Status | None
# Members of an enumeration, looked up once: that is not cheap.
OK, CANCELLED, UNAVAILABLE = grpc.StatusCode.OK, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE
_INVALID, _EXHAUSTED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED
_LATE, _UNIMPLEMENTED = grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNIMPLEMENTED
SHUTTING_DOWN = "shutting down"


class Engine(Protocol):
    """What a call and its connection use of their engine."""

    heads: Heads
    max_message_bytes: int
    postponed: Postponed
    ready: "list[UnaryCall]"
    """Calls whose message is there, for the end of the turn."""
    watching: threading.Lock
    """Held while a call's callback changes: seldom, so one for all."""

    def post(self, call: "PendingCall", answer: Answer, if_lost: Callable[[], None] | None) -> None:
        """Has the serving thread call `call.take`.  From any thread."""

    def handled(self, path: str, seconds: float, code: str) -> None:
        """Tells the observer."""


class Connection(Protocol):
    """What a call uses of its connection."""

    engine: Engine
    buffered: int
    """Bytes of messages that are not complete, of all its calls."""
    now: float
    """When what is looked at was received (time.perf_counter)."""

    def reply(self, call: "PendingCall", message: bytes) -> None:
        """Sends the only message, then OK, as the windows allow; `told` once all is written."""

    def pump(self, call: "PendingCall") -> bool:
        """Sends what is pending of the call as the windows allow, and `drained` later if False."""

    def end(self, call: "PendingCall", code: grpc.StatusCode, details: str) -> None:
        """Ends the stream with a status; the call is over."""

    def reset(self, call: "PendingCall", code: int) -> None:
        """Ends the stream with an error of HTTP/2; the call is over."""

    def more(self, call: "PendingCall") -> None:
        """Tells the caller that there is room for as much as it has sent, and counts from there."""


class PendingCall:
    """A call that is not over.  The class itself serves calls of unknown methods; its subclasses serve the others."""

    is_stream = False
    # Most calls change little of this, so it costs them nothing.
    over = answered = queued = gone = False
    ended = False
    """The caller sends no more."""
    headers_sent = stalled = False
    buffer: bytearray | None = None
    held = 0  # bytes of it that its connection counts
    taken = 0  # bytes that the caller has sent since it was told that there is room for more
    credit = 0  # how far the caller's window for this call differs from its initial one
    pending: memoryview | None = None
    if_lost: Callable[[], None] | None = None
    callback: Callable[[], None] | None = None

    def __init__(self, connection: Connection, stream: int, head: Head, now: float) -> None:
        self.connection, self.stream, self.head, self.path = connection, stream, head, head.path
        self.received_at, self.deadline = now, now + head.timeout

    @property
    def method(self) -> Any:
        return self.head.method

    def begin(self) -> None:
        """Called once the call is open."""

    def reply(self, message: bytes, if_lost: Callable[[], None] | None = None) -> None:
        if not isinstance(message, bytes):
            raise not_bytes(message)
        self.queued = True
        self.connection.engine.post(self, message, if_lost)

    def fail(self, code: grpc.StatusCode, details: str = "") -> None:
        self.queued = True
        self.connection.engine.post(self, (code, details), None)

    def time_remaining(self) -> float | None:
        return None if self.deadline == NEVER else max(0.0, self.deadline - time.perf_counter())

    def on_cancel(self, callback: Callable[[], None]) -> None:
        with self.connection.engine.watching:
            if not self.gone:
                self.callback = callback
                return
        callback()

    def take(self, answer: Answer, if_lost: Callable[[], None] | None) -> None:
        """Takes an answer; only the first counts."""
        if self.over or self.answered:
            if if_lost is not None:
                if_lost()
            return
        self.answered = True
        if isinstance(answer, bytes):
            self.if_lost = if_lost
            self.connection.reply(self, answer)
        elif answer is not None:
            self.conclude(*answer)

    def conclude(self, code: grpc.StatusCode, details: str = "", told: str = "") -> None:
        """Ends the call with a status; `told` is what the observer hears instead."""
        if not self.over:
            self.connection.end(self, code, details)
            self.told(told or code.name)

    def told(self, code: str) -> None:
        self.connection.engine.handled(self.path, time.perf_counter() - self.received_at, code)

    def drained(self) -> None:
        """Nothing is pending any more."""
        self.conclude(OK)

    def left(self) -> None:
        """The caller has gone: it cancelled, or its connection broke.  The connection has forgotten the call."""
        if not self.over:
            self.over = True
            self.told("CANCELLED")
            self.caller_gone()

    def expire(self) -> None:
        """The deadline has passed."""
        self.conclude(_LATE, told="CANCELLED")
        self.caller_gone()

    def refuse(self) -> None:
        """Ends a call that cannot wait any longer for its answer."""
        self.conclude(UNAVAILABLE, SHUTTING_DOWN)
        self.caller_gone()

    def caller_gone(self) -> None:
        """No answer of the handler has reached the caller, or will."""
        with self.connection.engine.watching:
            self.gone, callback, self.callback = True, self.callback, None
        lost, self.if_lost = self.if_lost, None
        for step in (lost, callback):
            if step is not None:
                notify(self.path, step)

    def data(self, payload: bytes, size: int, end: bool) -> None:
        """Takes a payload; with its padding it has `size` bytes."""
        self.taken += size
        self.ended = self.ended or end
        if self.taken > WINDOW_BYTES:
            self.connection.reset(self, FLOW_CONTROL_ERROR)
            return
        if self.buffer is None:
            self.buffer = bytearray()
        self.buffer += payload
        self.read()

    def read(self) -> None:
        """Hands on the messages that are complete, then the end."""
        buffer = self.buffer if self.buffer is not None else bytearray()
        self.received_at = self.connection.now
        while not self.over and not self.holds_back() and len(buffer) >= PREFIX_BYTES:
            compressed, length = PREFIX.unpack_from(buffer)
            if compressed:
                self.abort(_UNIMPLEMENTED, "compressed messages are not read")
            elif length > self.connection.engine.max_message_bytes:
                self.abort(_EXHAUSTED, f"a message of {length} bytes")
            elif len(buffer) - PREFIX_BYTES < length:
                break
            else:
                message = bytes(buffer[PREFIX_BYTES : PREFIX_BYTES + length])
                del buffer[: PREFIX_BYTES + length]
                self.received(message)
        if not self.over:
            self._room(len(buffer))

    def _room(self, left: int) -> None:
        """`left`: of the buffer."""
        self.connection.buffered += left - self.held
        self.held = left
        self.stalled = self.holds_back()
        if self.stalled:
            return
        if self.ended and left:
            self.abort(_INVALID, "the last message is not complete")
        elif self.ended:
            self.finished()
        elif self.taken >= WINDOW_BYTES // 2:
            self.connection.more(self)

    def holds_back(self) -> bool:
        """Whether messages are not read at present."""
        return False

    def abort(self, code: grpc.StatusCode, details: str) -> None:
        """Ends the call because of what the caller sent."""
        self.conclude(code, details)

    def received(self, message: bytes) -> None:
        """Takes one message."""

    def finished(self) -> None:
        """The caller has sent everything."""


class UnaryCall(PendingCall):
    message: bytes | None = None

    def received(self, message: bytes) -> None:
        if self.message is None:
            self.message = message
        else:
            self.conclude(_INVALID, "more than one message")

    def finished(self) -> None:
        if self.message is None:
            self.conclude(_INVALID, "no message")
        else:
            self.connection.engine.ready.append(self)

    def run(self) -> None:
        message, self.message = self.message, None
        if self.over or message is None:
            return
        if self.deadline < time.perf_counter():  # no caller waits for this answer
            self.conclude(_LATE)
            return
        method: Unary = self.head.method  # type: ignore[assignment]
        try:
            answer = method.handler(message, self)
            if answer.__class__ is bytes and not self.queued:
                self.connection.reply(self, answer)
            elif callable(answer):
                self.connection.engine.postponed.add(partial(self._answer_last, answer))
            elif answer is not None:
                self._answer(answer)
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self._fail(error)

    def _answer(self, answer: bytes) -> None:
        if self.queued:  # an answer came before it
            return
        if not isinstance(answer, bytes):
            raise not_bytes(answer)
        self.take(answer, None)

    def _answer_last(self, make: Callable[[], bytes]) -> None:
        try:
            if not self.over:
                self._answer(make())
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        status = failure(self.path, error)
        if not self.queued:
            self.take(status, None)
