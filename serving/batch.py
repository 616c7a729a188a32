"""Takes from a queue what has come since the last round trip."""

from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")


def taken(queue: SimpleQueue[T | None], most: int, timeout: float | None) -> list[T]:
    """What is queued, at most `most`; waits for the first, for at most `timeout` s (None: for as long as it takes).  A
    None in the queue ends the wait, and is left out."""
    batch: list[T] = []
    try:
        first = queue.get(timeout=timeout)
        if first is not None:
            batch.append(first)
        while len(batch) < most:
            item = queue.get_nowait()
            if item is not None:
                batch.append(item)
    except Empty:
        pass
    return batch
