"""The shared copy of key records in Redis (or Valkey, or a cluster of them): `tollkeeper:key:<hash>`, plain JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import cast

import structlog
from redis.asyncio import RedisCluster

from tenancy.redis.names import redis_key_record
from tenancy.redis.versioned import Client, answer, eval_arguments, put_versioned, text_at
from tenancy.resolving.records import RECORD_TTL_SECONDS, Stored, Tombstone
from tenancy.values.key_record import KeyRecord

log = structlog.get_logger(__name__)


class RedisRecordCache:
    """See RecordCache.  The client brings the deadlines."""

    def __init__(self, client: Client, ttl_seconds: int = RECORD_TTL_SECONDS) -> None:
        self._client, self._ttl_seconds = client, ttl_seconds

    async def get(self, key_hash: str) -> Stored | None:
        text = await text_at(self._client, redis_key_record(key_hash))
        return None if text is None else load_stored(text)

    async def put(self, key_hash: str, stored: Stored) -> bool:
        name = redis_key_record(key_hash)
        return await put_versioned(self._client, name, stored.version, dump_stored(stored), self._ttl_seconds)

    async def put_many(self, records: Mapping[str, Stored]) -> None:
        """`put` for each, in one round trip (of each node); StoreUnavailable, and some may then be written."""

        async def put_all() -> None:  # a pipeline is empty after it failed, so each attempt needs its own
            pipeline = self._client.pipeline(transaction=False)
            for key_hash, stored in records.items():
                name = redis_key_record(key_hash)
                pipeline.eval(*eval_arguments(name, stored.version, dump_stored(stored), self._ttl_seconds))
            await pipeline.execute()

        await answer(put_all)

    async def unchanged(self, versions: Mapping[str, int]) -> set[str]:
        """Compares only the beginnings: reading a hundred whole records costs a hundred times as much."""
        names = [redis_key_record(key_hash) for key_hash in versions]
        texts = await answer(lambda: self._get_many(names))
        pairs = zip(versions.items(), texts, strict=True)
        return {h for (h, version), text in pairs if text is not None and text.startswith(b'{"version":%d,' % version)}

    async def _get_many(self, names: Sequence[str]) -> "Sequence[bytes | None]":
        if isinstance(self._client, RedisCluster):
            return cast("Sequence[bytes | None]", await self._client.mget_nonatomic(names))
        return cast("Sequence[bytes | None]", await self._client.mget(names))


def dump_stored(stored: Stored) -> str:
    """JSON of a record or of a tombstone."""
    if isinstance(stored, KeyRecord):
        return stored.dump()
    return json.dumps({"deleted": True, "version": stored.version}, separators=(",", ":"))


def load_stored(text: bytes) -> Stored | None:
    """What `dump_stored` wrote; None if this version cannot read it (Postgres then answers and it is replaced)."""
    try:
        fields = json.loads(text)
        return Tombstone(int(fields["version"])) if fields.get("deleted") else KeyRecord.load(text)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("unreadable key record in redis", error=type(error).__name__)
        return None
