"""A circuit breaker for one store: each call has a deadline, and while the store fails, callers are told at once."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from serving.metrics import Counter
from tenancy.resolving.records import StoreUnavailable

T = TypeVar("T")


class Breaker:
    """For one event loop.  After a failure it refuses calls for `pause` s, then lets one caller try."""

    def __init__(
        self, name: str, clock: Callable[[], float], timeout: float, errors: Counter, pause: float = 1.0
    ) -> None:
        self._name, self._clock, self._timeout, self._errors, self._pause = name, clock, timeout, errors, pause
        self._failed = False
        self._retry_at = float("-inf")
        self._abandoned: set[asyncio.Task[Any]] = set()

    async def call(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `ask` returns; StoreUnavailable if it raises that or takes too long, or if the store has just failed."""
        now = self._clock()
        if self._failed and now < self._retry_at:
            raise StoreUnavailable(f"{self._name} failed a moment ago")
        self._retry_at = now + self._pause
        try:
            answer = await self._in_time(ask())
        except StoreUnavailable:
            self._errors.add(self._name)
            self._failed = True
            self._retry_at = self._clock() + self._pause
            raise
        self._failed = False
        return answer

    async def close(self) -> None:
        """Ends the calls that were given up and are still running."""
        for task in self._abandoned:
            task.cancel()
        await asyncio.gather(*self._abandoned, return_exceptions=True)

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        """Not asyncio.timeout, which waits for the cancelled call to end: with a hanging Postgres, another timeout."""
        task = asyncio.ensure_future(work)
        try:
            done, _ = await asyncio.wait({task}, timeout=self._timeout)
        finally:
            if not task.done():
                task.cancel()
                self._abandoned.add(task)
                task.add_done_callback(self._ended)
        if not done:
            raise StoreUnavailable(f"{self._name} did not answer within {self._timeout} s")
        return task.result()

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved: its caller was told long ago that the store is unavailable
