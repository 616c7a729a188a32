"""One connection: its open calls, what they use of it, and how it ends.  Frames are read in receiving.py."""

import socket
import time
from collections.abc import Callable

import grpc

from serving.http2 import frames
from serving.http2.calls import OK, Engine, PendingCall
from serving.http2.frames import ConnectionFault
from serving.http2.sending import MAX_UNREAD_BYTES, Sending, framed

# Calls that a caller may take back at once, and as a rule.
MAX_RESETS, RESETS_A_SECOND = 20_000, 2_000


def _nobody() -> None:
    """Replaces the callback that asks for a write, once nothing is written any more."""


class Connection:
    """Call from the serving thread only."""

    def __init__(self, engine: Engine, own: socket.socket, dirty: Callable[["Connection"], None], now: float) -> None:
        self.engine, self.socket, self.began_at, self.now = engine, own, now, now
        self.fd = own.fileno()
        self.sending = Sending(own, lambda: dirty(self))
        self.open: dict[int, PendingCall] = {}
        self.buffered = 0
        self.resets = 0.0
        self.last = 0
        """The last stream that was opened."""
        self.settled = False
        """The HTTP/2 preface has arrived."""
        self.going = False
        """No more calls are taken."""
        self.mask = 0
        """The poll events that the engine waits for."""
        self.closing_since: float | None = None
        """Since this time nothing that arrives is read any more."""
        self._shut = False

    @property
    def congested(self) -> bool:
        """The peer does not read what it is sent, so nothing is read from it."""
        return self.sending.unread > 4 * MAX_UNREAD_BYTES

    @property
    def idle(self) -> bool:
        """No call is open."""
        return not self.open

    @property
    def held(self) -> int:
        """Bytes of incomplete messages and of answers that are not read."""
        return self.buffered + self.sending.unread

    def tick(self, now: float, seconds: float) -> None:
        """Ends calls whose deadline has passed.  `seconds`: since the last time."""
        self.resets = max(0.0, self.resets - seconds * RESETS_A_SECOND)
        for call in [call for call in self.open.values() if call.deadline < now]:
            call.expire()

    def reply(self, call: PendingCall, message: bytes) -> None:
        if call.ended and self.sending.whole(call.stream, message):
            del self.open[call.stream]
            call.over = True
            if call.if_lost is not None or call.callback is not None:
                self.sending.keep(call)
            self.engine.handled(call.path, time.perf_counter() - call.received_at, "OK")
            return
        call.pending = framed(message)
        if self.pump(call):
            call.drained()

    def pump(self, call: PendingCall) -> bool:
        return self.sending.pump(call)

    def end(self, call: PendingCall, code: grpc.StatusCode, details: str) -> None:
        self.sending.end(call, code, details)
        self.forget(call)
        call.over = True
        if code is OK and (call.if_lost is not None or call.callback is not None):
            self.sending.keep(call)

    def reset(self, call: PendingCall, code: int) -> None:
        self.sending.write(frames.reset(call.stream, code))
        self.forget(call)
        call.left()

    def more(self, call: PendingCall) -> None:
        self.sending.write(frames.window_update(call.stream, call.taken))
        call.taken = 0

    def forget(self, call: PendingCall) -> None:
        """The call is no longer open."""
        self.open.pop(call.stream, None)
        if call.pending is not None:
            self.sending.forget(call)
        self.buffered -= call.held
        call.held = 0

    def go_away(self) -> None:
        """Takes no more calls."""
        if not self.going:
            self.going = True
            self.sending.write(frames.goaway(self.last, frames.NO_ERROR))

    def fault(self, error: ConnectionFault) -> None:
        """Ends the connection because of what the caller sent."""
        code, *text = error.args
        self.sending.write(frames.goaway(self.last, code, str(text[0]) if text else ""))
        self.going = True
        self.close_soon(self.now)
        self.lose_calls()

    def lose_calls(self) -> None:
        """The callers of all calls have gone."""
        for call in list(self.open.values()):
            self.forget(call)
            call.left()
        unsent, self.sending.unsent = self.sending.unsent, []
        for call in unsent:
            call.caller_gone()

    def close(self) -> None:
        """Closes at once: the connection is broken, or over."""
        self.sending.dirty = _nobody  # else the connection would be part of a cycle
        self.socket.close()
        self.lose_calls()

    def close_soon(self, now: float) -> None:
        """Closes once the caller has read what was sent, or has had time to."""
        self.closing_since = now if self.closing_since is None else self.closing_since

    def flush(self) -> None:
        """Writes what is pending; OSError if the connection is broken."""
        self.sending.flush()
        if self.closing_since is not None and not self.sending.unread and not self._shut:
            self._shut = True
            self.socket.shutdown(socket.SHUT_WR)
