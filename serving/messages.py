"""Reading protobuf messages in which some text is no UTF-8.

Envoy copies what clients send into fields of type `string` without looking at it, and the runtime refuses a message for
one such byte, with all that is beside it.  Here the bytes that no text can have are replaced, one by one, so that no
length in the message changes; the message is then read as usual.
"""

import codecs
from collections.abc import Iterator
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

# Not a question mark: in a path it would begin a query, and so name another resource.
SUBSTITUTE = "\x1a"
MAX_DEPTH = 100  # the runtime's own
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_ERRORS = "tollkeeper.substitute"

M = TypeVar("M", bound=Message)


def _substitute(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - nothing is encoded with it
    return SUBSTITUTE * (error.end - error.start), error.end


codecs.register_error(_ERRORS, _substitute)


def read(kind: type[M], message: bytes) -> M:
    """The message, with SUBSTITUTE for each byte of its text that is none.  DecodeError if it is no such message."""
    try:
        return kind.FromString(message)
    except DecodeError:
        cleaned = bytearray(message)
        _clean(cleaned, 0, len(cleaned), kind.DESCRIPTOR, 0)
        return kind.FromString(bytes(cleaned))


def parts(message: bytes, *path: int) -> Iterator[bytes]:
    """The submessages that the numbers of `path` lead to, as bytes, in their order; DecodeError."""
    for number, start, end in _fields(message, 0, len(message)):
        if number == path[0]:
            part = message[start:end]
            if len(path) == 1:
                yield part
            else:
                yield from parts(part, *path[1:])


def _clean(message: bytearray, start: int, end: int, descriptor: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise DecodeError("nested too deeply")
    known = descriptor.fields_by_number
    for number, at, after in _fields(message, start, end):
        field = known.get(number)
        if field is None:
            continue
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            _clean(message, at, after, field.message_type, depth + 1)
        elif field.type == FieldDescriptor.TYPE_STRING:
            text = message[at:after]
            if not text.isascii():
                message[at:after] = text.decode(errors=_ERRORS).encode()


def _fields(message: bytes | bytearray, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of each field that has a length; the others are passed over."""
    at = start
    while at < end:
        key, at = _varint(message, at, end)
        kind = key & 7
        if kind == _LENGTH:
            size, at = _varint(message, at, end)
            if size > end - at:
                raise DecodeError("truncated")
            yield key >> 3, at, at + size
            at += size
        elif kind == _VARINT:
            _, at = _varint(message, at, end)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise DecodeError("a kind of field that Envoy does not send")


def _varint(message: bytes | bytearray, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 64:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise DecodeError("truncated")
