"""What is counted of kept answers.  No logic."""

from serving.metrics import Counter, Histogram, MetricSet

HIT, MISS, BYPASS = "hit", "miss", "bypass"
LOOKS = (HIT, MISS, BYPASS)
# An answer is kept; it, or its message, is not as it must be; it alone is more than its owner may have; Redis or the
# thread that keeps answers has no time for it.
KEPT, UNREADABLE, TOO_LARGE, AWAY, CROWDED = "kept", "unreadable", "too_large", "away", "crowded"


class ResponseMetrics(MetricSet):
    """Made once a process."""

    def __init__(self) -> None:
        name = "tollkeeper_response_cache_"
        super().__init__(name)
        self.requests = Counter(f"{name}requests", "Requests for models with a cache", "outcome", LOOKS)
        self.answers = Counter(
            f"{name}answers",
            "Answers that were to be kept",
            "outcome",
            (KEPT, UNREADABLE, TOO_LARGE, AWAY, CROWDED),
        )
        self.waited = Counter(f"{name}waited", "Requests that waited for another's answer")
        self.evicted = Counter(f"{name}evicted", "Kept answers that had to go for others")
        self.stored_bytes = Counter(f"{name}stored_bytes", "Bytes of answers that were kept, compressed")
        self.served_bytes = Counter(f"{name}served_bytes", "Bytes of bodies that were answered from the cache")
        self.errors = Counter(f"{name}redis_errors", "Round trips to Redis that failed")
        self.failures = Counter(f"{name}failures", "Unexpected exceptions, each logged")
        self.look_seconds = Histogram(f"{name}look_seconds", "One round trip that looks for a batch of answers")
