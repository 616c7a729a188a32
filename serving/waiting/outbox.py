"""What waits to be sent on a bidirectional stream: a bounded queue of messages, then the status.

Every engine's implementation of call.Outgoing.  Sends nothing itself.
"""

import threading
from collections import deque
from collections.abc import Callable

import grpc

from serving.call import not_bytes

OK = grpc.StatusCode.OK


class Outbox:
    """Thread-safe.  `changed` is called with the lock held when there is more to send; if None, threads that wait on
    the lock's condition are woken."""

    def __init__(self, max_queued: int, changed: Callable[[], None] | None = None) -> None:
        self.lock = threading.Condition()
        self.status: tuple[grpc.StatusCode, str] | None = None
        self._queue: deque[bytes] = deque()
        self._max_queued = max_queued
        self._changed = changed or self.lock.notify_all

    @property
    def full(self) -> bool:
        return len(self._queue) >= self._max_queued

    def send(self, message: bytes) -> bool:
        if not isinstance(message, bytes):
            raise not_bytes(message)
        with self.lock:
            if self.status is not None or self.full:
                return False
            self._queue.append(message)
            self._changed()
        return True

    def finish(self, code: grpc.StatusCode = OK, details: str = "") -> None:
        with self.lock:
            if self.status is None:
                self.status = code, details
                self._changed()

    def abort(self, code: grpc.StatusCode, details: str) -> None:
        """Ends it without what is still queued, unless it has failed before."""
        with self.lock:
            if self.status is None or self.status[0] is OK:
                self._queue.clear()
                self.status = code, details
                self._changed()

    @property
    def waiting(self) -> bool:
        return bool(self._queue)

    def take(self) -> bytes | None:
        """The next message, if any.  Call with the lock held."""
        return self._queue.popleft() if self._queue else None
