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
