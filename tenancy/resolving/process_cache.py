"""The first level of the chain: the key records that this process holds, and how long each may be used for what.

One thread (the background loop) writes; the engine's thread reads without a lock.  That is safe because a read is one
dict lookup that reorders nothing.  Entries leave in the order in which they were loaded, so the oldest goes first.
"""

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from cachetools import FIFOCache

from tenancy.resolving.resolution import UNKNOWN, Found, Unknown

T = TypeVar("T")

# The fraction of its life after which an entry in use is renewed, which leaves a third of it to ask again.
_AGEING = 2 / 3
# Renewing costs a hundredth of a load, so it pays for a key that is used every minute.
_MAX_IDLE = 5


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """For what, and for how long, an entry may be used: seconds since its load began."""

    fresh: float = 15.0  # bounds how late a revocation is seen when its push is lost
    stale: float = 60.0  # while neither store answers
    unknown: float = 2.0  # keeps one bad client from causing a stream of queries
    retry: float = 1.0  # how long a stale answer is used before the stores are asked again


@dataclass(slots=True)
class _Entry(Generic[T]):
    found: Found[T]
    loaded_at: float
    fresh_until: float
    idle: int = 0  # renewals since it was last used


class ProcessCache(Generic[T]):
    """Bounded.  Unknown hashes are kept apart: guessing must not push out real keys."""

    def __init__(self, size: int = 50_000, unknown_size: int = 10_000, lifetimes: Lifetimes | None = None) -> None:
        self._lifetimes = lifetimes or Lifetimes()
        self._entries: FIFOCache[str, _Entry[T]] = FIFOCache(size)
        self._unknown: FIFOCache[str, float] = FIFOCache(unknown_size)
        self._loads: deque[tuple[float, str]] = deque(maxlen=2 * size)  # load time and key, oldest first

    def __len__(self) -> int:
        return len(self._entries) + len(self._unknown)

    def peek(self, key_hash: str, now: float) -> Found[T] | Unknown | None:
        """What is known and fresh, else None.  For any thread."""
        try:
            entry = self._entries[key_hash]
        except KeyError:
            return self._peek_unknown(key_hash, now)
        if now >= entry.fresh_until:
            return None
        entry.idle = 0
        return entry.found

    def holds(self, key_hash: str) -> bool:
        """Whether the key existed when it was last looked up, however long ago."""
        return key_hash in self._entries

    def stale(self, key_hash: str, now: float) -> Found[T] | None:
        """What may be served while no store can be asked; it counts as fresh until the next attempt is due."""
        entry = self._entries.get(key_hash)
        if entry is None or now >= (end := entry.loaded_at + self._lifetimes.stale):
            return None
        entry.fresh_until = min(now + self._lifetimes.retry, end)
        return entry.found

    def keep(self, key_hash: str, found: Found[T], loaded_at: float) -> None:
        self._unknown.pop(key_hash, None)
        self._entries[key_hash] = _Entry(found, loaded_at, loaded_at + self._lifetimes.fresh)
        self._loads.append((loaded_at, key_hash))

    def ageing(self, now: float, limit: int) -> dict[str, Found[T]]:
        """At most `limit` keys that will soon not be fresh any more, except those long unused; each once a load."""
        found: dict[str, Found[T]] = {}
        before = now - self._lifetimes.fresh * _AGEING
        while self._loads and self._loads[0][0] <= before and len(found) < limit:
            loaded_at, key_hash = self._loads.popleft()
            entry = self._entries.get(key_hash)
            if entry is not None and entry.loaded_at == loaded_at and entry.idle < _MAX_IDLE:
                found[key_hash] = entry.found
        return found

    def renew(self, key_hash: str, found: Found[T], asked_at: float, now: float) -> None:
        """The stores still had `found` at `asked_at`.  Kept unless the entry has been replaced or evicted since."""
        entry = self._entries.get(key_hash)
        if entry is not None and entry.found is found and now < entry.fresh_until:
            self.keep(key_hash, found, asked_at)
            self._entries[key_hash].idle = entry.idle + 1

    def keep_unknown(self, key_hash: str, loaded_at: float) -> None:
        self._entries.pop(key_hash, None)
        self._unknown[key_hash] = loaded_at + self._lifetimes.unknown

    def evict(self, key_hash: str) -> None:
        """The key has changed: what is held of it must not be served again, not even stale."""
        self._entries.pop(key_hash, None)
        self._unknown.pop(key_hash, None)

    def clear(self) -> None:
        """The same for every key."""
        self._entries.clear()
        self._unknown.clear()

    def expire(self) -> None:
        """Changes may have been missed: ask again before the next use, but keep what may be served stale."""
        self._unknown.clear()
        for entry in self._entries.values():
            entry.fresh_until = float("-inf")

    def _peek_unknown(self, key_hash: str, now: float) -> Unknown | None:
        try:
            return UNKNOWN if now < self._unknown[key_hash] else None
        except KeyError:
            return None
