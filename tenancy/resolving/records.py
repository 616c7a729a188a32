"""Where key records come from: the ports of the truth (Postgres) and of the shared copy (Redis), and both in memory.

The copy is guarded by version: what it holds for a hash is never replaced by something older, whoever is slow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tenancy.values.key_record import KeyRecord

# What Redis holds is also bounded in age, so that anything missed there heals: seconds.
RECORD_TTL_SECONDS = 300


class StoreUnavailable(ConnectionError):
    """The store could not be asked, which says nothing about the key."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The key is gone; no record of a lower version may come back."""

    version: int


Stored = KeyRecord | Tombstone


class RecordSource(Protocol):
    """The truth."""

    async def load(self, key_hash: str) -> KeyRecord | None:
        """The current record, None if there is no such key; StoreUnavailable."""

    async def load_many(self, key_hashes: Sequence[str]) -> dict[str, KeyRecord]:
        """The current records of those that exist, all of one moment; StoreUnavailable."""


class RecordCache(Protocol):
    """The copy that all processes share.  Entries expire after RECORD_TTL_SECONDS."""

    async def get(self, key_hash: str) -> Stored | None:
        """What is stored, None if nothing (readable) is; StoreUnavailable."""

    async def put(self, key_hash: str, stored: Stored) -> bool:
        """Stores it, in one step, unless something of a higher version is there: then False; StoreUnavailable."""

    async def unchanged(self, versions: Mapping[str, int]) -> set[str]:
        """Of these hashes, those for which a record of exactly this version is stored; StoreUnavailable."""


class MemoryRecords:
    """A source that is filled by hand."""

    def __init__(self) -> None:
        self.records: dict[str, KeyRecord] = {}

    async def load(self, key_hash: str) -> KeyRecord | None:
        return self.records.get(key_hash)

    async def load_many(self, key_hashes: Sequence[str]) -> dict[str, KeyRecord]:
        return {key_hash: self.records[key_hash] for key_hash in key_hashes if key_hash in self.records}


class MemoryRecordCache:
    """The shared copy of a single process; entries do not expire."""

    def __init__(self) -> None:
        self.stored: dict[str, Stored] = {}

    async def get(self, key_hash: str) -> Stored | None:
        return self.stored.get(key_hash)

    async def put(self, key_hash: str, stored: Stored) -> bool:
        present = self.stored.get(key_hash)
        if present is not None and present.version > stored.version:
            return False
        self.stored[key_hash] = stored
        return True

    async def unchanged(self, versions: Mapping[str, int]) -> set[str]:
        found = {key_hash: self.stored.get(key_hash) for key_hash in versions}
        return {h for h, stored in found.items() if isinstance(stored, KeyRecord) and stored.version == versions[h]}
