"""Renewing keys in use before they age, many in one question to Redis.  A busy process with many tenants would
otherwise load each of them again every 15 seconds, one by one, while a request waits.

A key is renewed only if the shared copy still has its version, which is what a load would find there, so the bound on
revocation stays.  Owns when and how many are renewed; which keys may be is process_cache.py's.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from tenancy.resolving.process_cache import ProcessCache
from tenancy.resolving.records import RecordCache, StoreUnavailable

log = structlog.get_logger(__name__)
T = TypeVar("T")

EVERY_SECONDS = 1.0
BATCH = 256  # takes a millisecond of the loop, and a tenth of that in Redis


async def keep_fresh(cache: ProcessCache[T], shared: RecordCache) -> None:
    """Renews until cancelled, on the loop that owns `cache`."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            await refresh(cache, shared, time.monotonic)
        except Exception:  # the top of a background task
            log.exception("keys could not be renewed")


async def refresh(cache: ProcessCache[T], shared: RecordCache, clock: Callable[[], float]) -> None:
    """Renews what is ageing now.  A key that is not renewed, for whatever reason, is loaded when next used."""
    while ageing := cache.ageing(asked_at := clock(), BATCH):
        try:
            unchanged = await shared.unchanged({key_hash: found.record.version for key_hash, found in ageing.items()})
        except StoreUnavailable:
            return
        for key_hash in unchanged:
            cache.renew(key_hash, ageing[key_hash], asked_at, clock())
