"""Frames of control: what a connection is told beside its calls' headers and messages.  What breaks a rule of HTTP/2
raises ConnectionFault, or ends its stream.
"""

import socket
from collections.abc import Callable

from serving.http2 import frames
from serving.http2.calls import Engine, PendingCall
from serving.http2.connection import MAX_RESETS, Connection
from serving.http2.frames import FRAME_SIZE_ERROR, NUMBER, PROTOCOL_ERROR, ConnectionFault

_SETTINGS_ACK = frames.frame(frames.SETTINGS, frames.ACK, 0)
_PING_BYTES, _PRIORITY_BYTES, _GOAWAY_BYTES = 8, 5, 8


class ControlledConnection(Connection):
    """Call from the serving thread only."""

    def __init__(self, engine: Engine, own: socket.socket, dirty: Callable[[Connection], None], now: float) -> None:
        super().__init__(engine, own, dirty, now)
        self.freed = False
        """The peer has made room for what waits to be sent."""

    def known(self, stream: int) -> PendingCall | None:
        """The call, None if it is over; ConnectionFault if there was none."""
        if stream > self.last or not stream & 1:
            raise ConnectionFault(PROTOCOL_ERROR, "no such stream")
        return self.open.get(stream)

    def take_priority(self, flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != _PRIORITY_BYTES:
            raise ConnectionFault(FRAME_SIZE_ERROR, "priority")

    def take_rst_stream(self, flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != NUMBER.size:
            raise ConnectionFault(FRAME_SIZE_ERROR, "reset")
        call = self.known(stream)
        self.resets += 1
        if self.resets > MAX_RESETS:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "resets")
        if call is not None:
            self.forget(call)
            call.left()

    def take_settings(self, flags: int, stream: int, payload: bytes) -> None:
        if flags & frames.ACK:
            if payload:
                raise ConnectionFault(FRAME_SIZE_ERROR, "settings")
            return
        if len(payload) % frames.SETTING.size:
            raise ConnectionFault(FRAME_SIZE_ERROR, "settings")
        for name, value in frames.SETTING.iter_unpack(payload):
            self._setting(name, value)
        self.settled = True
        self.sending.write(_SETTINGS_ACK)

    def _setting(self, name: int, value: int) -> None:
        if name == frames.TABLE_SIZE:
            self.sending.table_size(value)
        elif name == frames.INITIAL_WINDOW:
            if value > frames.MAX_WINDOW:
                raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "initial window")
            self.sending.initial, self.freed = value, True
        elif (name == frames.ENABLE_PUSH and value > 1) or (
            name == frames.MAX_FRAME and not frames.FRAME_BYTES <= value < 1 << 24
        ):
            raise ConnectionFault(PROTOCOL_ERROR, "settings")

    def take_push_promise(self, flags: int, stream: int, payload: bytes) -> None:
        raise ConnectionFault(PROTOCOL_ERROR, "a client promises nothing")

    def take_ping(self, flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != _PING_BYTES:
            raise ConnectionFault(FRAME_SIZE_ERROR, "ping")
        if not flags & frames.ACK:
            self.sending.write(frames.frame(frames.PING, frames.ACK, 0, payload))

    def take_goaway(self, flags: int, stream: int, payload: bytes) -> None:
        """The peer will close the connection once it has its answers."""
        if len(payload) < _GOAWAY_BYTES:
            raise ConnectionFault(FRAME_SIZE_ERROR, "goaway")

    def take_window_update(self, flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != NUMBER.size:
            raise ConnectionFault(FRAME_SIZE_ERROR, "window update")
        increment = NUMBER.unpack(payload)[0] & frames.MAX_WINDOW
        if stream:
            self._stream_window(stream, increment)
            return
        if not increment:
            raise ConnectionFault(PROTOCOL_ERROR, "window update")
        self.sending.window += increment
        if self.sending.window > frames.MAX_WINDOW:
            raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "window")
        self.freed = True

    def _stream_window(self, stream: int, increment: int) -> None:
        call = self.known(stream)
        if call is None:
            return
        call.credit += increment
        if not increment:
            self.reset(call, PROTOCOL_ERROR)
        elif self.sending.initial + call.credit > frames.MAX_WINDOW:
            self.reset(call, frames.FLOW_CONTROL_ERROR)
        else:
            self.sending.resume_one(call)
