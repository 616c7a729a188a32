"""The bytes of answers: header blocks of gRPC's few fields, and the frames of a whole answer.

Two fields are put into the caller's dynamic table, once a connection, so that those of an answer are three bytes to
write and to read; a caller that wants no table gets them in full.
"""

from struct import Struct

import grpc

from serving.http2.frames import END_HEADERS, END_STREAM, HEADERS, frame

DEFAULT_TABLE_BYTES = 4096
_STATUS, _STATUS_200 = b"\x08", b"\x88"  # 8 in the static table
_NO_TABLE = b"\x20"
_TYPE, _GRPC_STATUS, _GRPC_MESSAGE = b"application/grpc", b"grpc-status", b"grpc-message"
_MAX_DETAILS = 1000  # characters: in the worst case 12 KB
# content-type is 31 in the static table.
_TYPE_PLAIN = b"\x0f\x10" + bytes([len(_TYPE)]) + _TYPE
_TYPE_INDEXED = b"\x5f" + bytes([len(_TYPE)]) + _TYPE
_OK = bytes([len(_GRPC_STATUS)]) + _GRPC_STATUS + b"\x010"
_OK_PLAIN, _OK_INDEXED = b"\x00" + _OK, b"\x40" + _OK
# What was put into the dynamic table last is 62 there, what was put before it 63.
_LAST, _LAST_BUT_ONE = b"\xbe", b"\xbf"
# A whole answer, once both fields are in the table: headers, the message's frame and prefix; then trailers.
_BEGIN = Struct(">5sI2sHBHIBI")
_END = Struct(">5sIc")
_BEGIN_HEAD = frame(HEADERS, END_HEADERS, 0, b"??")[:5]
_END_HEAD = frame(HEADERS, END_HEADERS | END_STREAM, 0, b"?")[:5]
_BEGIN_BLOCK = _STATUS_200 + _LAST_BUT_ONE
PREFIX = Struct(">BI")  # of a message: whether it is compressed, and its length
PREFIX_BYTES = PREFIX.size


def whole(stream: int, message: bytes, size: int) -> bytes:
    """An answer of one message that ends the stream, if Blocks.ready.  `size`: with its prefix."""
    begin = _BEGIN.pack(_BEGIN_HEAD, stream, _BEGIN_BLOCK, size >> 8, size & 255, 0, stream, 0, size - PREFIX_BYTES)
    return begin + message + _END.pack(_END_HEAD, stream, _LAST)


class Blocks:
    """The header blocks of one connection, in the order in which they are sent."""

    def __init__(self) -> None:
        self.ready = False
        """Both fields are in the table."""
        self._begun = self._plain = self._shrink = False

    def no_table(self) -> None:
        """The caller has made its table smaller: from here on nothing is put into it."""
        self.ready, self._plain, self._shrink = False, True, not self._plain

    def headers(self) -> bytes:
        """What comes before the first message."""
        if self._plain:
            block = (_NO_TABLE if self._shrink else b"") + _STATUS_200 + _TYPE_PLAIN
            self._shrink = False
            return block
        if self._begun:
            return _STATUS_200 + (_LAST_BUT_ONE if self.ready else _LAST)
        self._begun = True
        return _STATUS_200 + _TYPE_INDEXED

    def trailers(self, code: grpc.StatusCode, details: str) -> bytes:
        if code is not grpc.StatusCode.OK:
            return _field(_GRPC_STATUS, str(code.value[0]).encode()) + _field(_GRPC_MESSAGE, _encoded(details))
        if self._plain:
            return _OK_PLAIN
        if self.ready:
            return _LAST
        self.ready = True
        return _OK_INDEXED

    def http_error(self, status: int) -> bytes:
        """For a request that is none of gRPC."""
        shrink, self._shrink = self._shrink, False
        return (_NO_TABLE if shrink else b"") + _STATUS + _string(str(status).encode())


def _field(name: bytes, value: bytes) -> bytes:
    return b"\x00" + _string(name) + _string(value)


def _string(text: bytes) -> bytes:
    """A literal of HPACK, with its length as a 7-bit integer (RFC 7541, 5.1)."""
    length = len(text)
    if length < 127:
        return bytes([length]) + text
    size, rest = b"\x7f", length - 127
    while rest >= 128:
        size += bytes([rest & 127 | 128])
        rest >>= 7
    return size + bytes([rest]) + text


def _encoded(details: str) -> bytes:
    """As gRPC has it: all but printable ASCII in percent."""
    text = details[:_MAX_DETAILS].encode(errors="replace")
    return b"".join(b"%c" % each if 32 <= each < 127 and each != 37 else b"%%%02X" % each for each in text)
