"""What a service hands to an engine, and what an engine hands to a service: methods, calls, streams.

Messages are serialized bytes on both sides: parsing belongs to the services, transport to the engines.  Must not import
an engine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import grpc
import structlog
from google.protobuf.message import DecodeError

log = structlog.get_logger(__name__)

# A deadline beyond this means that there is none, which grpcio gives as infinity in int64 seconds.
NEVER_SECONDS = 1e15


class Malformed(ValueError):
    """The request cannot be read; its text goes to the caller, so it must not repeat credentials."""


class Call(Protocol):
    """One unary call to be answered, once, from any thread.  Every answer after the first is ignored, as is one to a
    caller who has gone or to an engine that has stopped."""

    def reply(self, message: bytes, if_lost: Callable[[], None] | None = None) -> None:
        """Answers OK with `message`.  `if_lost` is called, from any thread and perhaps more than once, when it is known
        that the answer was lost: the caller had gone, or had been answered already."""

    def fail(self, code: grpc.StatusCode, details: str = "") -> None:
        """Answers with an error."""

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Runs `callback` once, as soon as it is known that the caller will not take an answer: the call was
        cancelled, its deadline passed, its connection broke, or the engine, which stops, refused it.  The call needs
        no answer then.  It never runs after an answer that arrived.

        The engine runs it as it runs handlers, one at a time, so it must not wait.  If the caller is already known to
        have gone, it runs at once, in the registering thread.  A call has one callback: a second replaces the first.
        May be called from any thread."""

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline, 0.0 once it has passed, None if the caller set none."""


class StreamSink(Protocol):
    """Takes the messages of one client stream, in order."""

    def receive(self, message: bytes) -> None:
        """Takes one message; an exception ends the stream with an error."""

    def finish(self, ok: bool) -> bytes:
        """Called exactly once, after the last message.  `ok`: the caller ended the stream; if not, it was cut off, it
        failed, or we shut down.  The answer is sent only if `ok`."""


class BidiSink(Protocol):
    """Takes the messages of one bidirectional stream, in order, and the news of its end.  An exception ends the stream
    with an error."""

    def receive(self, message: bytes) -> None:
        """Takes one message."""

    def end(self) -> None:
        """The client sends no more.  It still takes messages, unless it was cut off, which `close` tells."""

    def close(self, ok: bool) -> None:
        """Called exactly once, after everything else.  `ok`: the client has been told OK, after all that was sent; if
        not, it cancelled or was cut off, the stream failed, or we shut down."""


class Outgoing(Protocol):
    """The sending side of one bidirectional stream.  From any thread; does nothing once the stream is over."""

    def send(self, message: bytes) -> bool:
        """Queues a message.  False if it was not taken: the queue is full, or the stream is over."""

    def finish(self, code: grpc.StatusCode = grpc.StatusCode.OK, details: str = "") -> None:
        """Ends the stream once what is queued has been sent.  No more messages are received."""


Answer = bytes | Callable[[], bytes] | None
"""What a handler returns: the message; or a function that makes it, run once no other call waits for the engine, so
that a flood of refusals does not hold up admitted requests; or None, if it answers later through the call."""

Handler = Callable[[bytes, Call], Answer]
"""Request → answer.  Handlers and sinks run one at a time, on every engine, so they need no locks among themselves;
and they must not wait, because every other call waits with them."""


@dataclass(frozen=True, slots=True)
class Unary:
    """`path` as on the wire: /package.Service/Method."""

    path: str
    handler: Handler


@dataclass(frozen=True, slots=True)
class ClientStream:
    """`open` makes the sink of one new stream."""

    path: str
    open: Callable[[], StreamSink]


@dataclass(frozen=True, slots=True)
class BidiStream:
    """`open` is given the sending side of a new stream, and makes the sink of what the client sends.

    At most `max_queued` messages wait to be sent.  While the queue is full, no further message is received: a client
    that does not read its answers is not read from."""

    path: str
    open: Callable[[Outgoing], BidiSink]
    max_queued: int = 64


Method = Unary | ClientStream | BidiStream


class Observer(Protocol):
    """Told of every call when it is over.  Never called by two threads at once."""

    def handled(self, path: str, seconds: float, code: str) -> None:
        """`path` is "" for an unknown method.  `seconds` from receipt (of a stream: of its end) to the answer.
        `code` is the gRPC status name; CANCELLED if the caller did not wait for the answer."""


def failure(path: str, error: Exception) -> tuple[grpc.StatusCode, str]:
    """The status for an exception that a handler raised.  Our own faults are logged; a caller's are not, since they
    could fill the log."""
    if isinstance(error, Malformed):
        return grpc.StatusCode.INVALID_ARGUMENT, str(error)
    if isinstance(error, DecodeError):
        return grpc.StatusCode.INVALID_ARGUMENT, "malformed message"
    log.error("handler failed", method=path, exc_info=error)
    return grpc.StatusCode.INTERNAL, "internal error"


def notify(path: str, step: Callable[[], None]) -> None:
    """Runs a callback of a call that is over.  An exception is only logged: there is no caller left to tell."""
    try:
        step()
    except Exception:  # the edge of an RPC
        log.exception("callback failed", method=path)


def not_bytes(message: object) -> TypeError:
    """Raise it at once: the C library would abort the process."""
    return TypeError(f"a message must be bytes, not {type(message).__name__}")
