"""The sending side of one connection: what is to be written, as far as the caller's windows allow.

What a turn of the loop adds is written at once at its end: many answers in one system call, which wake the caller once.
"""

import socket
from collections.abc import Callable

import grpc

from serving.http2.answers import DEFAULT_TABLE_BYTES, PREFIX, PREFIX_BYTES, Blocks, whole
from serving.http2.calls import PendingCall
from serving.http2.frames import (
    DATA,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES,
    HEADERS,
    NO_ERROR,
    frame,
    reset,
)

# Messages wait beyond this many bytes that the caller has not read; nothing that it sends is read beyond four times it.
MAX_UNREAD_BYTES = 256 * 1024


class Sending:
    """Call from the serving thread only."""

    def __init__(self, own: socket.socket, dirty: Callable[[], None]) -> None:
        self._socket, self.dirty = own, dirty
        self._out: list[bytes] = []
        self._backlog = b""
        self.unread = 0
        """Bytes to be written."""
        self.unsent: list[PendingCall] = []
        """Calls to be told if their answer is lost with the connection."""
        self.window = self.initial = DEFAULT_WINDOW
        self.blocks = Blocks()
        self._blocked: dict[int, PendingCall] = {}
        self._congested = False

    @property
    def waits(self) -> bool:
        """Whether the kernel has not taken everything yet."""
        return bool(self._backlog)

    def write(self, data: bytes) -> None:
        if not self._out:
            self.dirty()
        self._out.append(data)
        self.unread += len(data)

    def flush(self) -> None:
        """Writes what the kernel takes; OSError if the connection is broken."""
        data = b"".join(self._out) if not self._backlog else b"".join((self._backlog, *self._out))
        self._out.clear()
        try:
            sent = self._socket.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            self._backlog, self.unread = b"", 0
            self.unsent.clear()
        else:
            self._backlog, self.unread = data[sent:], len(data) - sent
        if self._congested and self.unread <= MAX_UNREAD_BYTES:
            self._congested = False
            self.resume()

    def whole(self, stream: int, message: bytes) -> bool:
        """The whole answer at once, in the usual case; False in any other."""
        size = len(message) + PREFIX_BYTES
        if not self.blocks.ready or size > FRAME_BYTES or size > self.window or size > self.initial:
            return False
        self.window -= size
        data = whole(stream, message, size)
        if not self._out:
            self.dirty()
        self._out.append(data)
        self.unread += len(data)
        return True

    def pump(self, call: PendingCall) -> bool:
        """Sends what is pending of a call; False if some of it has to wait."""
        stream = call.stream
        if not call.headers_sent:
            call.headers_sent = True
            self.write(frame(HEADERS, END_HEADERS, stream, self.blocks.headers()))
        while call.pending:
            room = min(FRAME_BYTES, self.window, self.initial + call.credit)
            if room <= 0 or self.unread > MAX_UNREAD_BYTES:
                self._congested = self._congested or room > 0
                self._blocked[stream] = call
                return False
            part, call.pending = call.pending[:room], call.pending[room:]
            size = len(part)
            self.window -= size
            call.credit -= size
            self.write(frame(DATA, 0, stream, bytes(part)))
        call.pending = None
        self._blocked.pop(stream, None)
        return True

    def resume(self) -> None:
        """Sends what had to wait, as far as there is room now."""
        for call in list(self._blocked.values()):
            self.resume_one(call)

    def resume_one(self, call: PendingCall) -> None:
        if call.stream in self._blocked and self.pump(call):
            call.drained()

    def end(self, call: PendingCall, code: grpc.StatusCode, details: str) -> None:
        """Sends the status, and that the caller need not send more."""
        headers = b"" if call.headers_sent else self.blocks.headers()
        block = headers + self.blocks.trailers(code, details)
        self.write(frame(HEADERS, END_HEADERS | END_STREAM, call.stream, block))
        if not call.ended:
            self.write(reset(call.stream, NO_ERROR))

    def http_error(self, stream: int, status: int, ended: bool) -> None:
        """Answers a request that is not gRPC."""
        self.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, self.blocks.http_error(status)))
        if not ended:
            self.write(reset(stream, NO_ERROR))

    def table_size(self, size: int) -> None:
        """What the caller keeps for our header blocks."""
        if size < DEFAULT_TABLE_BYTES:
            self.blocks.no_table()

    def forget(self, call: PendingCall) -> None:
        call.pending = None
        self._blocked.pop(call.stream, None)

    def keep(self, call: PendingCall) -> None:
        """The call has its answer; it is told if that is still lost."""
        self.unsent.append(call)


def framed(message: bytes) -> memoryview:
    return memoryview(PREFIX.pack(0, len(message)) + message)
