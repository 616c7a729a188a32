"""A client that sends whatever bytes a test wants, and reads frames."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from hpack import Decoder

from serving.http2 import frames
from serving.http2.frames import frame
from tests.serving.desk import ECHO

SECONDS = 20.0
Fields = dict[str, str]


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """Of a RST_STREAM or GOAWAY."""
        return int.from_bytes(self.payload[-4:] if self.kind == frames.RST_STREAM else self.payload[4:8], "big")


def literal(name: str, value: str) -> bytes:
    """A field of a header block that depends on no table."""
    return b"".join((b"\0", *(bytes([len(text)]) + text.encode() for text in (name, value))))


def head(path: str = ECHO, /, **changed: str | None) -> bytes:
    """The header block of a call; `method`, `te` and so on change a field, None takes it out."""
    fields = {"method": "POST", "scheme": "http", "path": path, "authority": "a"}
    regular = {"te": "trailers", "content-type": "application/grpc"}
    given = {name.replace("_", "-"): value for name, value in changed.items()}
    block = b"".join(literal(f":{name}", value) for name, value in _with(fields, given) if name in fields)
    return block + b"".join(literal(name, value) for name, value in _with(regular, given) if name not in fields)


def _with(fields: Fields, changed: dict[str, str | None]) -> Iterator[tuple[str, str]]:
    for name, value in (fields | changed).items():
        if value is not None:
            yield name, value


def headers(stream: int, block: bytes, flags: int = frames.END_HEADERS) -> bytes:
    return frame(frames.HEADERS, flags, stream, block)


def message(stream: int, text: bytes, flags: int = frames.END_STREAM) -> bytes:
    return frame(frames.DATA, flags, stream, b"\0" + len(text).to_bytes(4, "big") + text)


def call(stream: int, text: bytes = b"hello", path: str = ECHO) -> bytes:
    return headers(stream, head(path)) + message(stream, text)


@dataclass
class Wire:
    own: socket.socket
    decoder: Decoder = field(default_factory=Decoder)
    _rest: bytes = b""

    def send(self, *data: bytes) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it ended us meanwhile: what it said is read
            self.own.sendall(b"".join(data))

    def begin(self, settings: dict[int, int] | None = None, *, follow: bool = True) -> None:
        """As a client does; `follow`: says that it has the server's settings."""
        self.send(frames.PREFACE, frames.settings(settings or {}))
        seen = [self.next(), self.next(), self.next()]
        assert sorted(each.kind for each in seen) == [frames.SETTINGS, frames.SETTINGS, frames.WINDOW_UPDATE]
        if follow:
            self.send(frame(frames.SETTINGS, frames.ACK, 0))
            self.send(headers(1, b"\x20" + head()), message(1, b"first"))  # its table is empty from here on
            assert self.answer(1)[1] == b"first"

    def next(self) -> Frame:
        """The next frame; EOFError if there is none."""
        while len(self._rest) < frames.HEAD_BYTES or len(self._rest) < self._size():
            data = self.own.recv(65536)
            if not data:
                raise EOFError
            self._rest += data
        _high, _low, kind, flags, stream = frames.HEAD.unpack_from(self._rest)
        size = self._size()
        payload, self._rest = self._rest[frames.HEAD_BYTES : size], self._rest[size:]
        return Frame(kind, flags, stream, payload)

    def _size(self) -> int:
        return frames.HEAD_BYTES + int.from_bytes(self._rest[:3], "big")

    def until(self, kind: int) -> Frame:
        while (seen := self.next()).kind != kind:
            pass
        return seen

    def fields(self, seen: Frame) -> Fields:
        return {str(name): str(value) for name, value in self.decoder.decode(seen.payload)}

    def answer(self, stream: int) -> tuple[Fields, bytes]:
        """The fields and the data of one stream's answer; nothing else may come."""
        fields, data = dict[str, str](), b""
        while True:
            seen = self.next()
            if seen.kind == frames.WINDOW_UPDATE:
                continue
            assert (seen.stream, seen.kind in (frames.HEADERS, frames.DATA)) == (stream, True), seen
            if seen.kind == frames.HEADERS:
                fields |= self.fields(seen)
            else:
                data += seen.payload
            if seen.flags & frames.END_STREAM:
                return fields, data[5:]


@contextmanager
def connected(address: str) -> Iterator[Wire]:
    with socket.socket(socket.AF_UNIX) as own:
        own.settimeout(SECONDS)
        own.connect(address.removeprefix("unix:"))
        yield Wire(own)
