"""The copy of the capacity in Redis, plain JSON; what sidecars act on.  They read it with each report (ratelimit)."""

from typing import TYPE_CHECKING

from tenancy.directory.capacity import Capacity
from tenancy.redis.names import CAPACITY_KEY
from tenancy.redis.records import PUT_RECORD, answer

if TYPE_CHECKING:
    from redis import asyncio as aio

    Client = aio.Redis | aio.RedisCluster

FOREVER_SECONDS = 0


async def put_capacity(client: "Client", capacity: Capacity) -> bool:
    """Writes it, in one step, unless a newer one is there: then False; StoreUnavailable."""
    arguments = (str(capacity.version), capacity.dump(), str(FOREVER_SECONDS))
    reply = await answer(lambda: client.eval(PUT_RECORD, 1, CAPACITY_KEY, *arguments))
    return bool(reply == 1)
