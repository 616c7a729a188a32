"""What authz counts."""

from authz.decision import Outcome
from serving.metrics import Counter


class AuthzMetrics:
    """Made once a process; `members()` go into its registry."""

    def __init__(self) -> None:
        self.decisions = Counter("tollkeeper_authz_decisions", "Checks answered, by outcome", "outcome", Outcome)
        self.failures = Counter("tollkeeper_authz_failures", "Checks answered 503 because of a fault of our own")

    def members(self) -> tuple[Counter, ...]:
        return (self.decisions, self.failures)
