"""Short items that one process tells others on this machine, over Unix datagrams.

Nothing may depend on them: what cannot be sent is dropped, and a reader who is not there hears nothing.
"""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from serving.bell import Bell

SECONDS = 0.05  # between two rounds of telling, while there is anything to tell
ITEMS_A_MESSAGE = 1000
MAX_WAITING = 50_000  # items for one that does not read
MAX_MESSAGE = 65_536
SOCKET_MODE = 0o600


class Telling:
    """Sends items to those who `hear` at these sockets."""

    def __init__(self, sockets: Sequence[Path]) -> None:
        self._waiting: dict[Path, deque[str]] = {each: deque(maxlen=MAX_WAITING) for each in sockets}
        self._bell = Bell()

    def tell(self, item: str) -> None:
        """Thread-safe.  `item` is short ASCII without spaces."""
        for queue in self._waiting.values():
            queue.append(item)
        self._bell.ring()

    async def run(self) -> None:
        """Sends until cancelled, then what is left."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)
            try:
                while True:
                    await self._bell.heard(SECONDS)
                    self._send_all(sending)
                    if any(self._waiting.values()):  # a reader is too slow
                        self._bell.ring()
            finally:
                self._send_all(sending)

    def _send_all(self, sending: socket.socket) -> None:
        for path, queue in self._waiting.items():
            while queue and self._send(sending, path, queue):
                pass

    @staticmethod
    def _send(sending: socket.socket, path: Path, queue: "deque[str]") -> bool:
        """False if the reader is too slow: the rest waits."""
        items = [queue.popleft() for _ in range(min(len(queue), ITEMS_A_MESSAGE))]
        try:
            sending.sendto(" ".join(items).encode(), os.fspath(path))
        except BlockingIOError:
            queue.extendleft(reversed(items))
            return False
        except OSError:  # it is not there now
            queue.clear()
        return True


def listen_at(path: Path) -> socket.socket:
    """A socket that listens at `path`, in place of an earlier one."""
    path.unlink(missing_ok=True)
    own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    own.bind(os.fspath(path))
    path.chmod(SOCKET_MODE)
    own.setblocking(False)
    return own


async def hear(own: socket.socket, heard: Callable[[Sequence[str]], object]) -> None:
    """Has `heard` called with what is told there, on the loop, until cancelled; then closes it."""
    loop = asyncio.get_running_loop()

    def receive() -> None:
        with suppress(BlockingIOError):
            while True:
                message = own.recv(MAX_MESSAGE)
                if message.isascii():
                    heard(message.decode().split())

    with own:
        loop.add_reader(own, receive)
        try:
            await asyncio.Event().wait()
        finally:
            loop.remove_reader(own)  # the name stays: a successor may have it by now
