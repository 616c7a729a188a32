"""What authz counts."""

from authz.decision import Outcome
from serving.metrics import Counter, MetricSet


class AuthzMetrics(MetricSet):
    """Made once a process; `members()` go into its registry."""

    def __init__(self) -> None:
        super().__init__("tollkeeper_authz_")
        self.decisions = Counter("tollkeeper_authz_decisions", "Checks answered, by outcome", "outcome", Outcome)
        self.failures = Counter("tollkeeper_authz_failures", "Checks answered 503 because of a fault of our own")
