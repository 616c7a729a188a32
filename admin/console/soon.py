"""Answers that may take longer than somebody wants to wait for a page: worked out once, kept for some seconds.

A page waits for a moment, and is shown without what is not there yet; its script asks for the rest.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from cachetools import TTLCache

T = TypeVar("T")
KEPT = 500
KEPT_SECONDS = 15.0
SECONDS = 0.15  # that a page waits
AT_ONCE = 3  # are worked out; the others wait for their turn


class Soon(Generic[T]):
    """One for each kind of answer.  Asked for twice at a time, an answer is worked out once."""

    def __init__(self) -> None:
        self._tasks: TTLCache[Hashable, asyncio.Task[T]] = TTLCache(KEPT, KEPT_SECONDS)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]], seconds: float = SECONDS) -> T | None:
        """None if it is not there in time; what `make` raises.  A failure is not kept."""
        task = self._tasks.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._tasks[key] = asyncio.create_task(self._made(make))
            task.add_done_callback(_seen)
        await asyncio.wait({task}, timeout=seconds)
        return task.result() if task.done() else None

    async def _made(self, make: Callable[[], Awaitable[T]]) -> T:
        async with self._turns:
            return await make()


def _seen(task: asyncio.Task[T]) -> None:
    """A failure is told to the caller; that the caller has gone is no failure."""
    if not task.cancelled():
        task.exception()
