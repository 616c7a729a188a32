"""The entries of a descriptor, read from the bytes of the message that Envoy makes by our configuration.

The entries of HEAD are the same for all requests of a key to a path: they are parsed once, and looked up by their
bytes.  Those of TAIL are read in place, each length checked against the message's.  A message that differs in anything
is left to protobuf, as is one for a model with a response cache, or without the length of its body.
"""

from collections.abc import Callable
from functools import lru_cache, partial

from ratelimit.answer_bytes import varint
from tenancy.values.lease_id import LENGTH

HEAD = ("log", "policy", "method", "path")
TAIL = ("lease_id", "end_user_id", "content_length", "asked")
MAX_HEAD = 8192  # bytes of a head that is kept
MAX_KEPT = 2**24  # bytes of all that are kept; their entries take about twice as much
MAX_DIGITS = 16  # of the length of a body
MAX_USER = 64  # bytes of an end user's name
NO_USER = "-"
MAX_SIZES = 8192  # of messages, and of their last entries
_FIRST, _SECOND = b"\x0a", b"\x12"  # tags: of the domain and of its descriptors, of an entry's key and of its value
_NEVER = b"\xff"  # no message begins with it


class EntryReader:
    """Of messages of one domain.  `parse`: of a descriptor, None if it is none.  Not thread-safe."""

    def __init__(self, domain: str, parse: Callable[[bytes], dict[str, str] | None]) -> None:
        self._beginning = lru_cache(MAX_SIZES)(partial(_beginning, _key(domain.encode())))
        self._parse = parse
        self._heads: dict[bytes, dict[str, str]] = {}
        self._kept = 0

    def read(self, message: bytes) -> dict[str, str] | None:
        """The entries by key, if the message has one descriptor and that is HEAD and TAIL; else None."""
        size = len(message)
        begin, cut = self._beginning(size), message.find(_LEASE_ID)
        if cut < 0 or not message.startswith(begin):
            return None
        lease_at = cut + len(_LEASE_ID)
        user_at = user_end = lease_at + LENGTH
        length_at = user_at + _BETWEEN
        length_size = _LENGTH_SIZES.get(message[user_at:length_at])
        if length_size is None:  # an end user is named
            user_size = _USER_SIZES.get(message[user_at : user_at + _USER_HEAD])
            if user_size is None:
                return None
            user_at += _USER_HEAD
            user_end = user_at + user_size
            length_at = user_end + _BETWEEN - len(_USER)
            length_size = _LENGTH_SIZES.get(_USER + message[user_end:length_at])
        if length_size is None:
            return None
        length_end = length_at + length_size
        asked = _before_asked(size - length_end)
        said = message[lease_at:length_end]
        if not message.startswith(asked, length_end) or not said.isascii():
            return None
        head = message[len(begin) : cut]
        known = self._heads.get(head) or self._parsed(head)
        if known is None:
            return None
        entries, text = known.copy(), said.decode()
        entries["lease_id"] = text[:LENGTH]
        if user_end > user_at:
            entries["end_user_id"] = text[user_at - lease_at : user_end - lease_at]
        entries["content_length"] = text[length_at - lease_at :]
        try:
            entries["asked"] = message[length_end + len(asked) :].decode()
        except UnicodeDecodeError:
            return None
        return entries

    def _parsed(self, head: bytes) -> dict[str, str] | None:
        entries = self._parse(head)
        if entries is None:
            return None
        entries["end_user_id"] = NO_USER
        if len(head) <= MAX_HEAD:
            self._kept += len(head)
            if self._kept > MAX_KEPT:
                self._heads.clear()
                self._kept = len(head)
            self._heads[head] = entries
        return entries


def _key(name: bytes) -> bytes:
    """A domain or a key, and the tag of what follows it."""
    return _FIRST + varint(len(name)) + name + _SECOND


def _short(name: bytes, size: int) -> bytes:
    """What stands ahead of a short value of `size` bytes in its entry."""
    key = _key(name)
    return _FIRST + bytes((len(key) + 1 + size,)) + key + bytes((size,))


def _beginning(domain: bytes, size: int) -> bytes:
    """What a message of this size begins with, ahead of the entries of its only descriptor."""
    content = _content(size - len(domain))
    return _NEVER if content < 0 else domain + varint(content)


@lru_cache(MAX_SIZES)
def _before_asked(size: int) -> bytes:
    """What stands ahead of the value in an entry `asked` of `size` bytes."""
    key, inner = _key(b"asked"), _content(size - 1)
    value = _content(inner - len(key))
    return _NEVER if value < 0 else _FIRST + varint(inner) + key + varint(value)


def _content(size: int) -> int:
    """How many of `size` bytes follow their length, if they begin with it; -1: none do."""
    for digits in range(1, min(size, 5) + 1):
        if len(varint(size - digits)) == digits:
            return size - digits
    return -1


_LEASE_ID = _short(b"lease_id", LENGTH)
_USER = _short(b"end_user_id", len(NO_USER)) + NO_USER.encode()
_USER_SIZES = {_short(b"end_user_id", size): size for size in range(1, MAX_USER + 1)}
_USER_HEAD = len(next(iter(_USER_SIZES)))
# What stands between the lease id and the body's length, and how many digits that has.
_LENGTH_SIZES = {_USER + _short(b"content_length", size): size for size in range(1, MAX_DIGITS + 1)}
_BETWEEN = len(next(iter(_LENGTH_SIZES)))
