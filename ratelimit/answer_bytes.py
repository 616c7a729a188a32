"""The bytes of an answer: a RateLimitResponse, put together from what was encoded once per name.

protobuf's own way makes an object for each field and header, a dozen of them an answer, and takes three times as long.
tests/ratelimit/test_answer_bytes.py holds this to what protobuf reads.
"""

from collections.abc import Iterable
from functools import lru_cache
from struct import Struct

Field = tuple[str, str | int | bool]  # of dynamic metadata

MOST_KEPT = 4096  # names of ours with a length: some 50 names, with lengths of up to a few hundred
# Tags of protobuf's wire format: field number and type.
_CODE, _HEADER, _REQUEST_HEADER, _BODY, _METADATA = b"\x08", b"\x1a", b"\x22", b"\x2a", b"\x32"
_ENTRY = _KEY = b"\x0a"
_VALUE, _NUMBER, _STRING, _TRUE = b"\x12", b"\x11", b"\x1a", b"\x20\x01"
CODES = {True: _CODE + b"\x01", False: _CODE + b"\x02", None: b""}  # OK, OVER_LIMIT; a part leaves it open
_double = Struct("<d").pack


def serialize(
    ok: bool | None,
    fields: Iterable[Field],
    headers: Iterable[tuple[str, str]],
    body: bytes,
    both_ways: Iterable[tuple[str, str]] = (),
) -> bytes:
    """A RateLimitResponse, or a part of one: readers merge protobuf messages that are concatenated."""
    parts = [CODES[ok], headers_part(headers)]
    for name, text in both_ways:
        value = text.encode()
        for tag in (_HEADER, _REQUEST_HEADER):
            parts += (_header(tag, name, len(value)), value)
    if body:
        parts += (_BODY, varint(len(body)), body)
    if metadata := b"".join(_metadata(fields)):
        parts += (_METADATA, varint(len(metadata)), metadata)
    return b"".join(parts)


def headers_part(headers: Iterable[tuple[str, str]]) -> bytes:
    """The part that sends these to the client."""
    parts: list[bytes] = []
    for name, text in headers:
        value = text.encode()
        parts += (_header(_HEADER, name, len(value)), value)
    return b"".join(parts)


def text_part(name: str, size: int) -> bytes:
    """What precedes a text of `size` bytes in a part that is this field of the metadata alone."""
    head = _text_field(name, size)
    return _METADATA + varint(len(head) + size) + head


def _metadata(fields: Iterable[Field]) -> list[bytes]:
    """The entries of a google.protobuf.Struct.  Empty, zero and false values are left out, because Envoy reads, copies
    and logs each entry."""
    entries: list[bytes] = []
    for name, value in fields:
        if not value:
            continue
        if isinstance(value, str):
            text = value.encode()
            entries += (_text_field(name, len(text)), text)
        elif value is True:
            entries.append(_true_field(name))
        else:
            entries += (_number_field(name), _double(value))
    return entries


@lru_cache(MOST_KEPT)
def _header(tag: bytes, name: str, size: int) -> bytes:
    """The bytes of a HeaderValue that precede its value of `size` bytes."""
    key = name.encode()
    head = _KEY + varint(len(key)) + key + _VALUE + varint(size)
    return tag + varint(len(head) + size) + head


@lru_cache(MOST_KEPT)
def _text_field(name: str, size: int) -> bytes:
    """The bytes that precede a text of `size` bytes."""
    return _entry(name, _STRING + varint(size), size)


@lru_cache(MOST_KEPT)
def _number_field(name: str) -> bytes:
    return _entry(name, _NUMBER, 8)


@lru_cache(MOST_KEPT)
def _true_field(name: str) -> bytes:
    return _entry(name, _TRUE, 0)


def _entry(name: str, value_head: bytes, size: int) -> bytes:
    """The bytes of a map entry that precede a value of `size` bytes."""
    key, value_size = name.encode(), len(value_head) + size
    head = _KEY + varint(len(key)) + key + _VALUE + varint(value_size) + value_head
    return _ENTRY + varint(len(head) + size) + head


def varint(number: int) -> bytes:
    """Of a number that is not negative."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
