"""What the management API shows of itself."""

from collections.abc import Mapping

from serving.metrics import Counter, Gauge, MetricSet
from tenancy.postgres.key_ages import STATES

CLASSES = ("2xx", "3xx", "4xx", "5xx")
OUTCOMES = ("delivered", "again", "failed")
QUEUE = ("waiting", "disabled", "dropped")


class AdminMetrics(MetricSet):
    """Written on the app's loop only."""

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
        self.keys: Mapping[str, float] = dict.fromkeys(STATES, 0.0)
        ages = "Keys in use that end within a week, or whose secret is older than a year"
        self._gauges.append(Gauge(f"{name}keys", ages, lambda: self.keys, "state"))
        sent = "Attempts to send an event to a webhook: delivered, to be tried again, or failed for good"
        self.webhooks = Counter(f"{name}webhook_attempts", sent, "outcome", OUTCOMES)
        self.webhook_counts: Mapping[str, float] = dict.fromkeys(QUEUE, 0.0)
        queue = "Events that wait to be sent or were dropped by a full queue, and webhooks disabled since they failed"
        self._gauges.append(Gauge(f"{name}webhooks", queue, lambda: self.webhook_counts, "what"))
