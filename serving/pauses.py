"""The garbage collector's pauses, kept short in a process that holds much.

A full collection looks at every container that is alive: with 100,000 keys in use that stopped a process for a second.
Nearly all of them are freed by their reference counts.  So whatever has survived a collection that took long is set
aside (`gc.freeze`), and later ones look only at what came since.  The price: a reference cycle that was set aside and
dies later is never freed.  Those are few: connections, not requests.
"""

import gc
import time

from serving.metrics import Histogram

LONG_SECONDS = 0.01
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
FULL = 2  # the oldest generation
# The default but for the last: a full collection may come after 28,000 new containers, not only after 77,000.
THRESHOLDS = (700, 10, 3)


class ShortPauses:
    """From `begin` on, for the whole process."""

    def __init__(self, long_seconds: float = LONG_SECONDS) -> None:
        self.seconds = Histogram("tollkeeper_serving_gc_pause_seconds", "Full garbage collections", BUCKETS)
        self._long_seconds = long_seconds
        self._began, self._thresholds = 0.0, gc.get_threshold()

    def begin(self) -> None:
        """Call once everything that lives as long as the process has been made."""
        gc.collect()
        gc.freeze()
        gc.collect()  # so that the collector's idea of how much there is does not count what was set aside
        gc.set_threshold(*THRESHOLDS)
        gc.callbacks.append(self._called)

    def end(self) -> None:
        gc.callbacks.remove(self._called)
        gc.set_threshold(*self._thresholds)

    def _called(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] != FULL:
            return
        if phase == "start":
            self._began = time.perf_counter()
            return
        seconds = time.perf_counter() - self._began
        self.seconds.observe(seconds)
        if seconds >= self._long_seconds:
            gc.freeze()
