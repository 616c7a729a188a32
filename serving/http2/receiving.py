"""The receiving side of one connection: frames, each held to the rules of HTTP/2.

The usual case is a call whose head is known and whose message is one DATA frame: that is in `_walk`, everything else
below it.  What breaks a rule raises ConnectionFault, or ends its stream.
"""

import socket
from collections.abc import Callable, Mapping

import grpc

from serving.call import BidiStream, ClientStream, Unary
from serving.http2 import frames
from serving.http2.answers import PREFIX_BYTES
from serving.http2.calls import WINDOW_BYTES as STREAM_WINDOW_BYTES
from serving.http2.calls import Engine, PendingCall, UnaryCall
from serving.http2.connection import Connection
from serving.http2.control import ControlledConnection
from serving.http2.frames import FRAME_SIZE_ERROR, HEAD, HEAD_BYTES, PROTOCOL_ERROR, ConnectionFault
from serving.http2.heads import MAX_HEADER_BYTES, BlockReader, Head, MalformedHead
from serving.http2.streams import BidiCall, ClientStreamCall

MAX_STREAMS = 20_000  # as many calls as gRPC core lets wait
# What a caller may send of all its calls before it is told that there is room for more.
WINDOW_BYTES = 16 * 1024 * 1024
_LOW_BYTES = WINDOW_BYTES // 2
# Of messages that are not complete, over all calls.
MAX_BUFFERED_BYTES = 64 * 1024 * 1024
MAX_CONTINUATIONS = 16
READ_BYTES = 64 * 1024
SETTINGS = frames.settings(
    {
        frames.MAX_STREAMS: MAX_STREAMS,
        frames.INITIAL_WINDOW: STREAM_WINDOW_BYTES,
        frames.MAX_HEADER_LIST: MAX_HEADER_BYTES,
    }
) + frames.window_update(0, WINDOW_BYTES - frames.DEFAULT_WINDOW)
_PRIORITY_BYTES = 5
_STREAMS: Mapping[type, type[PendingCall]] = {ClientStream: ClientStreamCall, BidiStream: BidiCall, Unary: UnaryCall}
_OF_STREAMS = {frames.DATA, frames.HEADERS, frames.PRIORITY, frames.RST_STREAM, frames.CONTINUATION}
_OF_CONNECTIONS = {frames.SETTINGS, frames.PING, frames.GOAWAY}


class FramedConnection(ControlledConnection):
    """Call from the serving thread only."""

    def __init__(self, engine: Engine, own: socket.socket, dirty: Callable[[Connection], None], now: float) -> None:
        super().__init__(engine, own, dirty, now)
        self._room = WINDOW_BYTES
        self._rest = b""
        self._preface = frames.PREFACE
        self.reader = BlockReader(engine.heads)
        self._block: tuple[int, int, bytearray] | None = None  # stream, flags, and what has come of a header block
        self._continuations = 0
        self.sending.write(SETTINGS)

    def readable(self, now: float, most: int) -> bool:
        """Reads at most this many bytes; False if the caller has closed it.  Raises OSError and ConnectionFault."""
        self.now = now
        while most > 0:
            wanted = min(most, READ_BYTES)
            try:
                data = self.socket.recv(wanted)
            except BlockingIOError:
                return True
            if not data:
                return False
            if self.closing_since is None:
                self._read(data)
            if len(data) < wanted or self.congested:
                break
            most -= wanted
        return True

    def _read(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        if self._preface:
            if not data.startswith(self._preface[: len(data)]):
                raise ConnectionFault(PROTOCOL_ERROR, "not HTTP/2")
            if len(data) < len(self._preface):
                self._rest = data
                return
            data, self._preface = data[len(self._preface) :], b""
        self._rest = data[self._walk(data) :]
        if self.freed:
            self.freed = False
            self.sending.resume()

    def _is_plain(self) -> bool:
        """Whether a header block begins a call."""
        return not self.going and self._block is None

    def _walk(self, data: bytes) -> int:
        """Handles the complete frames; returns where the rest begins."""
        at, end, known, ready = 0, len(data), self.reader.known, self.engine.ready
        calls, most, plain = self.open, self.engine.max_message_bytes, self._is_plain()
        while end - at >= HEAD_BYTES:
            high, low, kind, flags, stream = HEAD.unpack_from(data, at)
            size = high << 8 | low
            if size > frames.FRAME_BYTES:
                raise ConnectionFault(FRAME_SIZE_ERROR, "frame")
            begin = at + HEAD_BYTES
            after = begin + size
            if after > end:
                break
            at = after
            if not plain:
                pass
            elif kind == frames.HEADERS and flags == frames.END_HEADERS:
                head = known.get(data[begin:after])
                if head is not None and head.is_unary and stream & 1 and self.last < stream <= frames.MAX_STREAM_ID:
                    self.last = stream
                    if len(calls) < MAX_STREAMS:
                        calls[stream] = UnaryCall(self, stream, head, self.now)
                    else:
                        self.sending.write(frames.reset(stream, frames.REFUSED_STREAM))
                    continue
            elif kind == frames.DATA and flags == frames.END_STREAM:
                call = calls.get(stream)
                length = size - PREFIX_BYTES
                if (
                    call.__class__ is UnaryCall
                    and call.buffer is None
                    and not call.ended
                    and 0 <= length <= most
                    and data[begin] == 0
                    and int.from_bytes(data[begin + 1 : begin + PREFIX_BYTES], "big") == length
                ):
                    call.message, call.ended = data[begin + PREFIX_BYTES : after], True
                    ready.append(call)
                    self._room -= size
                    if self._room < _LOW_BYTES:
                        self._make_room()
                    continue
            self._frame(kind, flags, stream & frames.MAX_STREAM_ID, data[begin:after])
            plain = self._is_plain()
        return at

    def _make_room(self) -> None:
        if self._room < 0:
            raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "window")
        self.sending.write(frames.window_update(0, WINDOW_BYTES - self._room))
        self._room = WINDOW_BYTES

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if not self.settled and (kind != frames.SETTINGS or flags & frames.ACK):
            raise ConnectionFault(PROTOCOL_ERROR, "no SETTINGS")
        if self._block is not None and (kind != frames.CONTINUATION or stream != self._block[0]):
            raise ConnectionFault(PROTOCOL_ERROR, "a header block is not complete")
        if (not stream and kind in _OF_STREAMS) or (stream and kind in _OF_CONNECTIONS):
            raise ConnectionFault(PROTOCOL_ERROR, "stream")
        take = _KINDS.get(kind)
        if take is not None:  # others are to be ignored
            take(self, flags, stream, payload)

    def take_data(self, flags: int, stream: int, payload: bytes) -> None:
        call, size = self.known(stream), len(payload)
        self._room -= size
        if self._room < _LOW_BYTES:
            self._make_room()
        if call is None:  # it was on its way when we ended the stream
            return
        if call.ended:
            self.reset(call, frames.STREAM_CLOSED)
            return
        call.data(frames.unpadded(flags, payload), size, bool(flags & frames.END_STREAM))
        if self.buffered > MAX_BUFFERED_BYTES and not call.over:
            call.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much is held of messages that are not complete")

    def take_headers(self, flags: int, stream: int, payload: bytes) -> None:
        payload = frames.unpadded(flags, payload)
        if flags & frames.WITH_PRIORITY:
            if len(payload) < _PRIORITY_BYTES:
                raise ConnectionFault(FRAME_SIZE_ERROR, "priority")
            payload = payload[_PRIORITY_BYTES:]
        if not stream & 1:
            raise ConnectionFault(PROTOCOL_ERROR, "stream")
        self._block, self._continuations = (stream, flags, bytearray()), 0
        self._fragment(flags, payload)

    def take_continuation(self, flags: int, stream: int, payload: bytes) -> None:
        self._continuations += 1
        if self._block is None:
            raise ConnectionFault(PROTOCOL_ERROR, "nothing to continue")
        if self._continuations > MAX_CONTINUATIONS:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "continuations")
        self._fragment(flags, payload)

    def _fragment(self, flags: int, payload: bytes) -> None:
        assert self._block is not None  # noqa: S101 - both callers have made sure of it
        stream, first, block = self._block
        block += payload
        if len(block) > MAX_HEADER_BYTES:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "headers")
        if flags & frames.END_HEADERS:
            self._block = None
            self._head(stream, bool(first & frames.END_STREAM), bytes(block))

    def _head(self, stream: int, end: bool, block: bytes) -> None:
        """Handles a complete header block: it begins a call, or ends what the caller sends."""
        if stream <= self.last:
            self._trailers(stream, end, block)
            return
        self.last = stream
        try:
            head = self.reader.head(block)
        except MalformedHead:
            self.sending.write(frames.reset(stream, PROTOCOL_ERROR))
            return
        if self.going or len(self.open) >= MAX_STREAMS:
            self.sending.write(frames.reset(stream, frames.REFUSED_STREAM))
        else:
            self._begin(stream, end, head)

    def _begin(self, stream: int, end: bool, head: Head) -> None:
        if head.http_status != 200:
            self.sending.http_error(stream, head.http_status, end)
            return
        call = _STREAMS.get(type(head.method), PendingCall)(self, stream, head, self.now)
        self.open[stream] = call
        call.ended = end
        if head.refusal is not None:
            call.conclude(*head.refusal)
            return
        call.begin()
        if end and not call.over:
            call.read()

    def _trailers(self, stream: int, end: bool, block: bytes) -> None:
        self.reader.fields(block)
        call = self.open.get(stream)
        if call is None:
            self.sending.write(frames.reset(stream, frames.STREAM_CLOSED))
        elif call.ended or not end:
            self.reset(call, frames.STREAM_CLOSED if call.ended else PROTOCOL_ERROR)
        else:
            call.data(b"", 0, True)


_KINDS: Mapping[int, Callable[[FramedConnection, int, int, bytes], None]] = {
    frames.DATA: FramedConnection.take_data,
    frames.HEADERS: FramedConnection.take_headers,
    frames.PRIORITY: FramedConnection.take_priority,
    frames.RST_STREAM: FramedConnection.take_rst_stream,
    frames.SETTINGS: FramedConnection.take_settings,
    frames.PUSH_PROMISE: FramedConnection.take_push_promise,
    frames.PING: FramedConnection.take_ping,
    frames.GOAWAY: FramedConnection.take_goaway,
    frames.WINDOW_UPDATE: FramedConnection.take_window_update,
    frames.CONTINUATION: FramedConnection.take_continuation,
}
