"""The shared copy of key records in Redis (or Valkey, or a cluster of them): `tollkeeper:key:<hash>`, plain JSON."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import structlog
from redis.asyncio import RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError

from store import redis as store
from tenancy.redis.names import redis_key_record
from tenancy.resolving.records import RECORD_TTL_SECONDS, Stored, StoreUnavailable, Tombstone
from tenancy.values.key_record import KeyRecord

if TYPE_CHECKING:
    from redis import asyncio as aio

    Client = aio.Redis | aio.RedisCluster

T = TypeVar("T")
log = structlog.get_logger(__name__)
PUT_RECORD = (Path(__file__).parent / "lua" / "put_record.lua").read_text()


class RedisRecordCache:
    """See RecordCache.  The client brings the deadlines."""

    def __init__(self, client: "Client", ttl_seconds: int = RECORD_TTL_SECONDS) -> None:
        self._client, self._ttl_seconds = client, ttl_seconds

    async def get(self, key_hash: str) -> Stored | None:
        text = await answer(lambda: self._client.get(redis_key_record(key_hash)))
        return None if text is None else load_stored(cast(bytes, text))

    async def put(self, key_hash: str, stored: Stored) -> bool:
        reply = await answer(lambda: self._client.eval(*self._put(key_hash, stored)))
        return bool(reply == 1)

    async def put_many(self, stored: Mapping[str, Stored]) -> None:
        """`put` for each, in one round trip (of each node); StoreUnavailable, and some may then be written."""

        async def put_all() -> None:  # a pipeline is empty after it failed, so each attempt needs its own
            pipeline = self._client.pipeline(transaction=False)
            for key_hash, each in stored.items():
                pipeline.eval(*self._put(key_hash, each))
            await pipeline.execute()

        await answer(put_all)

    async def unchanged(self, versions: Mapping[str, int]) -> set[str]:
        """Compares beginnings: to read a hundred records costs a hundred times as much."""
        names = [redis_key_record(key_hash) for key_hash in versions]
        texts = await answer(lambda: self._get_many(names))
        pairs = zip(versions.items(), texts, strict=True)
        return {h for (h, version), text in pairs if text is not None and text.startswith(b'{"version":%d,' % version)}

    async def _get_many(self, names: Sequence[str]) -> "Sequence[bytes | None]":
        if isinstance(self._client, RedisCluster):
            return cast("Sequence[bytes | None]", await self._client.mget_nonatomic(names))
        return cast("Sequence[bytes | None]", await self._client.mget(names))

    def _put(self, key_hash: str, stored: Stored) -> tuple[str, int, str, str, str, str]:
        """EVAL, not EVALSHA: Redis finds the compiled script by itself, and a restart causes no NOSCRIPT."""
        name, ttl = redis_key_record(key_hash), str(self._ttl_seconds)
        return (PUT_RECORD, 1, name, str(stored.version), dump_stored(stored), ttl)


async def answer(ask: Callable[[], Awaitable[T]]) -> T:
    """What Redis says; StoreUnavailable.  For commands that may be repeated.

    A pooled connection may have died unnoticed (Redis was restarted): that deserves a second try, a timeout does not.
    """
    try:
        try:
            return await ask()
        except RedisConnectionError:
            return await ask()
    except store.UNAVAILABLE as error:
        raise StoreUnavailable(f"redis: {error}") from error


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
