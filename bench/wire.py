"""A gRPC client that costs nearly nothing: HTTP/2 frames made beforehand, answers told apart by their frames' headers.

For what h2load cannot do: another message in each call, every answer looked at, a stream of messages at a steady pace.
One connection over a Unix socket; knows just enough of RFC 9113 for the servers of this repository.
"""

import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 1
END_HEADERS = 4
SETTINGS_INITIAL_WINDOW_SIZE = 4
MAX_WINDOW = 2**31 - 1
FIRST_WINDOW = 65_535
RECEIVE_BYTES = 1 << 18
TIMEOUT_SECONDS = 30.0

Frame = tuple[int, int, int, bytes]  # type, flags, stream, payload


class Connection:
    """One connection for calls of one method."""

    def __init__(self, path: Path, method: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(TIMEOUT_SECONDS)
        self._socket.connect(str(path))
        self._buffer = b""
        self._first, self._next = _first_headers(method), 1
        self._window, self._stream_window = FIRST_WINDOW, 0  # ours to send; that of a new stream
        settings = struct.pack(">HI", SETTINGS_INITIAL_WINDOW_SIZE, MAX_WINDOW)
        more = struct.pack(">I", MAX_WINDOW - FIRST_WINDOW)
        self._socket.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, more)
        )
        while not self._stream_window:  # the server's SETTINGS tell it
            for _ in self._receive():
                pass

    def close(self) -> None:
        self._socket.close()

    def calls(
        self, messages: Sequence[bytes], streams: int, is_right: Callable[[int, bytes], bool], rate: float = 0.0
    ) -> tuple[int, list[float]]:
        """Makes all calls, at most `streams` at a time and, if given, `rate` a second.

        How many answers were wrong, and the seconds that each call took, in the order of their ends."""
        waiting, wrong, took, sent = dict[int, tuple[int, float]](), 0, list[float](), 0
        answers: dict[int, bytes] = {}
        began = time.perf_counter()
        while len(took) < len(messages):
            now, out = time.perf_counter(), []
            due = len(messages) if not rate else min(len(messages), int((now - began) * rate) + 1)
            while sent < due and len(waiting) < streams and self._window >= len(messages[sent]) + 5:
                waiting[self._next] = sent, now
                out.append(self._call(messages[sent]))
                sent += 1
            if out:
                self._socket.sendall(b"".join(out))
            if not waiting:
                time.sleep(0.0005)
                continue
            for kind, flags, stream, payload in self._receive():
                if kind == DATA and payload:
                    answers[stream] = answers.get(stream, b"") + payload
                if (flags & END_STREAM and kind in (DATA, HEADERS)) or kind == RST_STREAM:
                    number, at = waiting.pop(stream)
                    wrong += not is_right(number, answers.pop(stream, b"")[5:])
                    took.append(time.perf_counter() - at)
        return wrong, took

    def stream(self, messages: Sequence[bytes], rate: float = 0.0) -> None:
        """One client stream of all messages, at `rate` a second if given; returns when the server has answered."""
        number, self._stream_left = self._next, self._stream_window
        self._socket.sendall(self._headers())
        began = time.perf_counter()
        for i, message in enumerate(messages):
            while rate and i / rate > time.perf_counter() - began:
                time.sleep(0.001)
            size = len(message) + 5
            while min(self._window, self._stream_left) < size:
                if self._take(number):
                    raise ConnectionError(f"the server ended the stream at message {i}")
            self._window -= size
            self._stream_left -= size
            self._socket.sendall(frame(DATA, 0, number, _framed(message)))
        self._socket.sendall(frame(DATA, END_STREAM, number, b""))
        while not self._take(number):
            pass

    def _take(self, number: int) -> bool:
        """Reads; whether the stream has ended."""
        ended = False
        for kind, flags, stream, payload in self._receive():
            if kind == WINDOW_UPDATE and stream == number:
                self._stream_left += int.from_bytes(payload, "big")
            ended |= stream == number and (kind == RST_STREAM or (kind == HEADERS and bool(flags & END_STREAM)))
        return ended

    def _call(self, message: bytes) -> bytes:
        number = self._next
        self._window -= len(message) + 5
        return self._headers() + frame(DATA, END_STREAM, number, _framed(message))

    def _headers(self) -> bytes:
        """Opens the next stream.  After the first, every header is one byte: HPACK remembers."""
        block = self._first if self._next == 1 else _LATER_HEADERS
        number, self._next = self._next, self._next + 2
        return frame(HEADERS, END_HEADERS, number, block)

    def _receive(self) -> Iterator[Frame]:
        """What has come, at least one read's worth; what concerns only the connection is dealt with here."""
        data = self._buffer + self._socket.recv(RECEIVE_BYTES)
        at = 0
        while len(data) - at >= 9:
            size = int.from_bytes(data[at : at + 3], "big")
            if len(data) - at - 9 < size:
                break
            kind, flags, stream = data[at + 3], data[at + 4], int.from_bytes(data[at + 5 : at + 9], "big")
            payload = data[at + 9 : at + 9 + size]
            at += 9 + size
            if stream:
                yield kind, flags, stream, payload
            else:
                self._of_connection(kind, flags, payload)
        self._buffer = data[at:]

    def _of_connection(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == WINDOW_UPDATE:
            self._window += int.from_bytes(payload, "big")
        elif kind == SETTINGS and not flags & ACK:
            self._stream_window = FIRST_WINDOW
            for i in range(0, len(payload), 6):
                name, value = struct.unpack_from(">HI", payload, i)
                if name == SETTINGS_INITIAL_WINDOW_SIZE:
                    self._stream_window = value
            self._socket.sendall(frame(SETTINGS, ACK, 0, b""))
        elif kind == PING and not flags & ACK:
            self._socket.sendall(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            raise ConnectionError(f"the server goes away: {payload!r}")


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def _first_headers(method: str) -> bytes:
    """HPACK (RFC 7541): POST and http from the static table, four fields that the server's table then keeps."""
    return (
        b"\x83\x86"
        + b"\x44" + _text(method)  # :path
        + b"\x41" + _text("localhost")  # :authority
        + b"\x40" + _text("te") + _text("trailers")
        + b"\x5f" + _text("application/grpc")  # content-type
    )  # fmt: skip


_LATER_HEADERS = bytes((0x83, 0x86, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62))


def _text(value: str) -> bytes:
    return bytes((len(value),)) + value.encode()
