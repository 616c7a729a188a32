"""What ratelimit counts.  No logic."""

from ratelimit.group_metrics import GroupMetrics
from serving.metrics import SIZE_BUCKETS, Counter, Histogram, MetricSet
from tenancy.values.admission import Admission

ADMITTED = (Admission.FAST, Admission.QUEUED, Admission.LOCAL, Admission.UNMETERED, Admission.CACHED)
OUTCOMES = (
    *ADMITTED,
    "over_limit",
    "over_capacity",
    "model_not_allowed",
    "model_unpriced",
    "model_not_found",
    "server_not_found",
    "tool_not_allowed",
    "invalid_body",
    "route_refused",
    "unavailable",
)
UPLOAD_OUTCOMES = ("read", "over_limit", "too_many", "too_slow", "too_long", "unavailable")


class RatelimitMetrics(MetricSet):
    """Made once a process."""

    def __init__(self) -> None:
        name = "tollkeeper_ratelimit_"
        super().__init__(name)
        self.groups = GroupMetrics()
        self.decisions = Counter(f"{name}decisions", "Requests by what became of them", "outcome", OUTCOMES)
        self.reserve_seconds = Histogram(f"{name}reserve_seconds", "One round trip that reserves for a batch")
        self.batch_requests = Histogram(f"{name}batch_requests", "Requests reserved in one round trip", SIZE_BUCKETS)
        self.redis_errors = Counter(f"{name}redis_errors", "Round trips to Redis that failed")
        self.shadow_refusals = Counter(
            f"{name}shadow_refusals", "Admitted requests that a shadow limit would have refused"
        )
        self.uploads = Counter(
            f"{name}uploads", "Large bodies by whether they were read, and why not", "outcome", UPLOAD_OUTCOMES
        )
        self.failures = Counter(f"{name}failures", "Unexpected exceptions, each logged")
        self.in_doubt_dropped = Counter(
            f"{name}in_doubt_dropped", "Reservations that may hold their tokens until their lease expires"
        )
