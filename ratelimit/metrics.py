"""What ratelimit counts.  No logic."""

from collections.abc import Callable

from serving.metrics import SIZE_BUCKETS, Counter, Gauge, Histogram
from tenancy.values.admission import Admission

ADMITTED = (Admission.FAST, Admission.LOCAL, Admission.UNMETERED)
OUTCOMES = (
    *ADMITTED,
    "over_limit",
    "over_capacity",
    "model_not_allowed",
    "model_not_found",
    "invalid_body",
    "route_refused",
    "unavailable",
)


class RatelimitMetrics:
    """`watch` adds the gauges, once what they read is there."""

    def __init__(self) -> None:
        self.decisions = Counter(
            "tollkeeper_ratelimit_decisions", "Requests by what became of them", "outcome", OUTCOMES
        )
        self.reserve_seconds = Histogram(
            "tollkeeper_ratelimit_reserve_seconds", "One round trip that reserves for a batch"
        )
        self.batch_requests = Histogram(
            "tollkeeper_ratelimit_batch_requests", "Requests reserved in one round trip", SIZE_BUCKETS
        )
        self.redis_errors = Counter("tollkeeper_ratelimit_redis_errors", "Round trips to Redis that failed")
        self.shadow_refusals = Counter(
            "tollkeeper_ratelimit_shadow_refusals", "Admitted requests that a shadow limit would have refused"
        )
        self.failures = Counter("tollkeeper_ratelimit_failures", "Unexpected exceptions, each logged")
        self.in_doubt_dropped = Counter(
            "tollkeeper_ratelimit_in_doubt_dropped", "Reservations that may hold their tokens until their lease expires"
        )
        self._gauges: list[Gauge] = []

    def watch(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        self._gauges.append(Gauge(f"tollkeeper_ratelimit_{name}", documentation, read))

    def members(self) -> list[Counter | Histogram | Gauge]:
        return [
            self.decisions,
            self.reserve_seconds,
            self.batch_requests,
            self.redis_errors,
            self.shadow_refusals,
            self.failures,
            self.in_doubt_dropped,
            *self._gauges,
        ]
