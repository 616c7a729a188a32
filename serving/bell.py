"""Wakes a task of the background loop from any thread, so that a task with little to do need not poll."""

import asyncio
from contextlib import suppress


class Bell:
    """Heard by one task.  Ringing again costs nothing until the task has woken."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event = asyncio.Event()
        self._rung = False

    def ring(self) -> None:
        """From any thread, and from a signal handler; also before anybody listens, or after."""
        if self._rung:
            return
        self._rung = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._event.set)

    async def heard(self, seconds: float = 0.0) -> None:
        """Returns `seconds` after it has rung, so that what comes meanwhile needs no round of its own."""
        self._loop = asyncio.get_running_loop()
        if not self._rung:
            await self._event.wait()
        if seconds:
            await asyncio.sleep(seconds)
        self._event.clear()
        self._rung = False
