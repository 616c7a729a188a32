"""The sources and shared copies that the resolver and the model catalog read, in this process."""

from collections.abc import Mapping, Sequence

from tenancy.resolving.catalog import KnownModels
from tenancy.resolving.records import Stored
from tenancy.values.key_record import KeyRecord


class MemoryRecordSource:
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


class MemoryModelSource:
    """A source that is filled by hand."""

    def __init__(self) -> None:
        self.models = KnownModels(0)

    async def load(self) -> KnownModels:
        return self.models


class MemoryModelCache:
    """The shared copy of a single process."""

    def __init__(self) -> None:
        self._models: KnownModels | None = None

    async def get(self) -> KnownModels | None:
        return self._models

    async def put(self, models: KnownModels) -> bool:
        if self._models is not None and self._models.version > models.version:
            return False
        self._models = models
        return True
