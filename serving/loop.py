"""The background loop of a process: one thread that runs asyncio beside the gRPC engine.

The engine's thread must not wait, so everything that waits (cache loads, pub/sub, ledger writes) runs here.  Owns the
thread and its tasks; knows nothing of what they do.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import structlog

log = structlog.get_logger(__name__)
T = TypeVar("T")


class LoopThread:
    """An asyncio loop in a daemon thread of its own."""

    def __init__(self, name: str = "background") -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Starts `work` on the loop, from any other thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, step: Callable[[], object]) -> None:
        """Has the loop call it, and does not wait for that.  From any thread."""
        self._loop.call_soon_threadsafe(step)

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Runs `work` on the loop and waits for its result; TimeoutError after `timeout` seconds."""
        return self.submit(work).result(timeout)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Owns `work` until it ends or the loop closes; a failure is logged."""

        async def own() -> None:
            task = asyncio.get_running_loop().create_task(work, name=name)
            self._tasks.add(task)
            task.add_done_callback(self._ended)

        self.run(own())

    def cancel_tasks(self, timeout: float = 5.0) -> None:
        """Cancels what still runs and waits for it; to be done before closing what the tasks use."""

        async def cancel() -> None:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=timeout)
            for task in self._tasks:
                log.error("background task did not end", task=task.get_name())

        self.run(cancel())

    def close(self, timeout: float = 5.0) -> None:
        """Cancels what still runs, and ends the thread."""
        self.cancel_tasks(timeout)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout)
        if not self._thread.is_alive():
            self._loop.close()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("background task failed", task=task.get_name(), exc_info=task.exception())
