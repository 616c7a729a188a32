"""Which requests are accounted for, and which are being processed, so that two logs may bring the same entry.

An entry is done when its row is written (in the ledger, or fsynced in the spool) and its use is settled.  Bounded: an
entry that is forgotten too early is processed twice, which changes nothing.  Thread-safe.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from enum import IntFlag


class Step(IntFlag):
    """What has been done for an entry."""

    SEEN = 0
    WRITTEN = 1
    SETTLED = 2
    DONE = 3


class Deliveries:
    """The steps of the latest `size` entries, by lease id.  `done` is called, from any thread, with the ids that are
    done."""

    def __init__(self, size: int = 200_000, done: Callable[[Sequence[str]], None] | None = None) -> None:
        self._size, self._done = size, done
        self._steps: OrderedDict[str, int] = OrderedDict()
        self._joined: dict[str, Sequence[str]] = {}
        self._lock = threading.Lock()

    def begin(self, lease_id: str) -> bool:
        """True for the first log to bring the entry; the caller must then see to it that every step is done."""
        with self._lock:
            if lease_id in self._steps:
                return False
            self._steps[lease_id] = Step.SEEN
            if len(self._steps) > self._size:
                self._steps.popitem(last=False)
            return True

    def mark(self, lease_ids: Iterable[str], step: Step) -> None:
        """These entries have come one step further."""
        add, tell, done = int(step), self._done, list[str]()
        with self._lock:
            steps = self._steps
            if self._joined and step is Step.WRITTEN:
                lease_ids = self._with_joined(lease_ids)
            for lease_id in lease_ids:
                if lease_id in steps:
                    steps[lease_id] |= add
                    if tell is not None and steps[lease_id] == Step.DONE:
                        done.append(lease_id)
        if tell is not None and done:
            tell(done)

    def done_elsewhere(self, lease_ids: Iterable[str]) -> None:
        """Another process has accounted for these."""
        with self._lock:
            for lease_id in lease_ids:
                self._steps[lease_id] = Step.DONE
            while len(self._steps) > self._size:
                self._steps.popitem(last=False)

    def forget(self, lease_ids: Iterable[str]) -> None:
        """These entries are no longer being processed; the next log that brings one begins again."""
        with self._lock:
            for lease_id in self._with_joined(lease_ids):
                self._steps.pop(lease_id, None)

    def join(self, lease_id: str, others: Sequence[str]) -> None:
        """These entries share the row of the first: it is written, or forgotten, for all."""
        with self._lock:
            self._joined[lease_id] = others

    def _with_joined(self, lease_ids: Iterable[str]) -> list[str]:
        return [each for lease_id in lease_ids for each in (lease_id, *self._joined.pop(lease_id, ()))]

    def is_known(self, lease_id: str) -> bool:
        return lease_id in self._steps

    def is_done(self, lease_id: str) -> bool:
        return self._steps.get(lease_id) == Step.DONE
