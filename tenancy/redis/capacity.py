"""The copy of the capacity in Redis, plain JSON.  Sidecars act on it; they read it with each report (ratelimit)."""

from tenancy.directory.capacity import Capacity
from tenancy.redis.names import CAPACITY_KEY
from tenancy.redis.versioned import Client, put_versioned


async def put_capacity(client: Client, capacity: Capacity) -> bool:
    """False if a newer one is there; StoreUnavailable."""
    return await put_versioned(client, CAPACITY_KEY, capacity.version, capacity.dump())
