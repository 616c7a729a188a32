"""Answers that may take too long for a page: computed once, kept for some seconds.

A page waits a moment, and is shown without what is not ready; its script asks for the rest.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from cachetools import TTLCache

T = TypeVar("T")
KEPT = 500
KEPT_SECONDS = 15.0
SECONDS = 0.15  # how long a page waits
AT_ONCE = 3  # computed at the same time; others wait for their turn


class Soon(Generic[T]):
    """One for each kind of answer.  Concurrent requests for an answer compute it once."""

    def __init__(self) -> None:
        self._tasks: TTLCache[Hashable, asyncio.Task[T]] = TTLCache(KEPT, KEPT_SECONDS)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]], seconds: float = SECONDS) -> T | None:
        """None if the answer is not ready in time; raises what `make` raises.  Failures are not kept."""
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
    """Failures are reported to the caller; that the caller has left is not a failure."""
    if not task.cancelled():
        task.exception()
