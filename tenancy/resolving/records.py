"""Where key records come from: the ports of the source of truth (Postgres) and of the shared copy (Redis).

The copy is guarded by version: a slow writer never replaces what it holds for a hash with something older.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tenancy.values.key_record import KeyRecord

# Bounds the age of what Redis holds, so that whatever was missed there heals.
RECORD_TTL_SECONDS = 300


class StoreUnavailable(ConnectionError):
    """The store could not be asked, which says nothing about the key."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The key was deleted; no record with a lower version may come back."""

    version: int


Stored = KeyRecord | Tombstone


class RecordSource(Protocol):
    """The source of truth."""

    async def load(self, key_hash: str) -> KeyRecord | None:
        """None if there is no such key; StoreUnavailable."""

    async def load_many(self, key_hashes: Sequence[str]) -> dict[str, KeyRecord]:
        """Those that exist, by hash, all read at one moment; StoreUnavailable."""


class RecordCache(Protocol):
    """The copy that all processes share.  Entries expire after RECORD_TTL_SECONDS."""

    async def get(self, key_hash: str) -> Stored | None:
        """None if nothing readable is stored; StoreUnavailable."""

    async def put(self, key_hash: str, stored: Stored) -> bool:
        """Stores it in one step, unless something with a higher version is there: then False; StoreUnavailable."""

    async def unchanged(self, versions: Mapping[str, int]) -> set[str]:
        """Which of these hashes have a stored record of exactly this version; StoreUnavailable."""
