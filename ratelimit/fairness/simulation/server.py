"""A model of a model server with continuous batching.  Pure.

All that run advance at one speed: `stream_rate` tokens a second each, less once that many run that `total_rate` is
reached.  A prompt is read `READS` times as fast as an answer is written.
"""

from dataclasses import dataclass, field
from heapq import heappop, heappush

READS = 20.0
FOREVER = float("inf")


@dataclass
class Server:
    """Speeds in tokens a second."""

    stream_rate: float = 50.0
    total_rate: float = 1000.0
    _now: float = 0.0
    _progress: float = 0.0  # tokens that a request running since the beginning would have advanced
    _ends: list[tuple[float, int]] = field(default_factory=list)

    def start(self, number: int, input_tokens: int, output_tokens: int, now: float) -> None:
        self._advance(now)
        heappush(self._ends, (self._progress + output_tokens + input_tokens / READS, number))

    def next_end(self) -> float:
        """When the first running request will end, if none comes or goes."""
        if not self._ends:
            return FOREVER
        return self._now + max(0.0, self._ends[0][0] - self._progress) / self._rate

    def end(self, now: float) -> int:
        """Ends that request, and returns its number."""
        self._advance(now)
        return heappop(self._ends)[1]

    @property
    def _rate(self) -> float:
        return min(self.stream_rate, self.total_rate / len(self._ends))

    def _advance(self, now: float) -> None:
        if self._ends:
            self._progress += (now - self._now) * self._rate
        self._now = now
