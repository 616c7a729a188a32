"""The head of a request: what its header fields say of the call.

A caller puts its fields into a table of its connection (HPACK, RFC 7541), so Envoy sends the same few bytes with each
call of a kind.  What a block means depends on that table: it is remembered until a block changes the table.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import grpc
from hpack import Decoder, HPACKError

from serving.call import Method, Unary
from serving.http2.frames import COMPRESSION_ERROR, ConnectionFault

# gRPC core's own bound, of a block and of what it becomes.
MAX_HEADER_BYTES = 16_384
# Blocks that are remembered of a connection; Envoy has one for each method.
MAX_KNOWN = 16
# A longer block is no head that comes again and again.
MAX_KNOWN_BYTES = 512
NEVER = float("inf")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_PSEUDO = {b":method", b":scheme", b":authority", b":path"}
_NEEDED = {b":method", b":scheme", b":path"}
_OF_A_CONNECTION = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
_GRPC = re.compile(rb"application/grpc([+;].*)?", re.DOTALL)
Fields = Sequence[tuple[bytes, bytes]]


class MalformedHead(ValueError):
    """Not a valid HTTP/2 request."""


@dataclass(frozen=True, slots=True)
class Head:
    """`method` is None, and `path` empty, if there is none.  `timeout` in s.  `http_status`: of a request that is none
    of gRPC.  `refusal`: how the call ends at once."""

    method: Method | None
    timeout: float = NEVER
    is_unary: bool = False
    path: str = ""
    http_status: int = 200
    refusal: tuple[grpc.StatusCode, str] | None = None


_NO_METHOD = Head(None, refusal=(grpc.StatusCode.UNIMPLEMENTED, "unknown method"))
_BAD_TIMEOUT = (grpc.StatusCode.INVALID_ARGUMENT, "malformed grpc-timeout")


class Heads:
    """What a request's fields say of its call."""

    def __init__(self, methods: Iterable[Method]) -> None:
        self._methods = {method.path.encode(): method for method in methods}

    def of(self, fields: Fields) -> Head:
        """Raises MalformedHead."""
        values = _checked(fields)
        if values[b":method"] != b"POST":
            return Head(None, http_status=405)
        if not _GRPC.fullmatch(values.get(b"content-type", b"")):
            return Head(None, http_status=415)
        method = self._methods.get(values[b":path"])
        if method is None:
            return _NO_METHOD
        given = values.get(b"grpc-timeout")
        if given is None:
            return Head(method, NEVER, isinstance(method, Unary), method.path)
        timeout = _TIMEOUT.fullmatch(given)
        if timeout is None:
            return Head(None, refusal=_BAD_TIMEOUT)
        return Head(method, int(timeout[1]) * _UNITS[timeout[2]], isinstance(method, Unary), method.path)


class BlockReader:
    """The header blocks of one connection, in the order in which they come."""

    def __init__(self, heads: Heads) -> None:
        self._heads, self._decoder = heads, Decoder(MAX_HEADER_BYTES)
        self.known: dict[bytes, Head] = {}
        """What blocks mean while the table is as it is."""

    def head(self, block: bytes) -> Head:
        """Raises MalformedHead, and ConnectionFault if the decoder cannot go on."""
        before = self._table()
        head = self._heads.of(self.fields(block))
        if self._table() == before and len(block) <= MAX_KNOWN_BYTES:
            if len(self.known) >= MAX_KNOWN:
                self.known.clear()
            self.known[block] = head
        return head

    def fields(self, block: bytes) -> Fields:
        """Raises ConnectionFault."""
        before = self._table()
        try:
            return list(self._decoder.decode(block, raw=True))
        except HPACKError as error:
            raise ConnectionFault(COMPRESSION_ERROR, type(error).__name__) from error
        finally:
            if self._table() != before:
                self.known.clear()

    def _table(self) -> tuple[int, Fields]:
        table = self._decoder.header_table
        return table.maxsize, list(table.dynamic_entries)


def _checked(fields: Fields) -> dict[bytes, bytes]:
    """The fields by name; of a repeated name the last."""
    values: dict[bytes, bytes] = {}
    regular = False
    for name, value in fields:
        if name[:1] == b":":
            if regular or name in values or name not in _PSEUDO:
                raise MalformedHead(name)
        else:
            regular = True
            if name in _OF_A_CONNECTION or not name or name != name.lower():
                raise MalformedHead(name)
        values[name] = value
    if not values.keys() >= _NEEDED or values.get(b"te", b"trailers") != b"trailers":
        raise MalformedHead
    return values
