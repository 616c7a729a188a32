"""The endless rounds of a roller: counted, and an outage is logged once.  What a round sums up is the store's
business."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from serving.metrics import Counter

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 10.0


async def for_ever(roll: Callable[[], Awaitable[int]], rolled: Counter, errors: Counter) -> None:
    """`roll` returns how much it has summed up."""
    failing = False
    while True:
        try:
            rolled.add(n=await roll())
            failing = False
        except Exception as error:  # noqa: BLE001 - top of a background task: counted, logged once an outage
            errors.add()
            if not failing:
                log.warning("usage not summed up", error=f"{type(error).__name__}: {error}")
            failing = True
        await asyncio.sleep(INTERVAL_SECONDS)
