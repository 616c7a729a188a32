"""A running mean of ratios.  Pure.

Averages logarithms, so that twice and half are equally far off: after n samples x, the mean m of log x moves by
(log x - m) / min(n, MEMORY).  The first MEMORY samples count alike; then each fades by 1 / MEMORY a sample.
"""

from math import exp, log

MEMORY = 50
NEEDED = 20  # samples, before it is used


class Average:
    """Of positive numbers.  Not thread-safe."""

    __slots__ = ("_mean", "samples")

    def __init__(self) -> None:
        self.samples, self._mean = 0, 0.0

    def add(self, value: float) -> None:
        self.samples += 1
        self._mean += (log(value) - self._mean) / min(self.samples, MEMORY)

    @property
    def value(self) -> float | None:
        """None until there are enough samples."""
        return exp(self._mean) if self.samples >= NEEDED else None
