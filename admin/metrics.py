"""What the management API shows of itself."""

from serving.metrics import Counter, MetricSet

CLASSES = ("2xx", "3xx", "4xx", "5xx")


class AdminMetrics(MetricSet):
    """Counters, written on the app's loop only."""

    def __init__(self) -> None:
        name = "tollkeeper_admin_"
        super().__init__(name)
        self.answers = Counter(f"{name}answers", "Answers, by class of status", "status", CLASSES)
        self.failures = Counter(f"{name}failures", "Requests that ended in an unexpected error")
        self.late = Counter(f"{name}late", "Requests whose stores did not answer in time")
        self.refused_tokens = Counter(f"{name}wrong_tokens", "Requests with a wrong admin token")
        self.pending = Counter(f"{name}pending_pushes", "Changes that Redis could not be told of at once")
        self.outbox_errors = Counter(f"{name}outbox_errors", "Rounds in which the outbox could not be applied")
        self.rolled = Counter(f"{name}usage_rolled", "Hours and days of usage that were summed up")
        self.roll_errors = Counter(f"{name}usage_roll_errors", "Rounds in which usage could not be summed up")
