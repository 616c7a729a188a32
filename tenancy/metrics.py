"""What looking keys up and applying the outbox count."""

from serving.metrics import Counter, Histogram, MetricSet

LEVELS = ("process", "negative", "redis", "postgres", "stale")
STORES = ("redis", "postgres")


class TenancyMetrics(MetricSet):
    """Made once a process; `members()` go into its registry."""

    def __init__(self) -> None:
        name = "tollkeeper_tenancy_"
        super().__init__(name)
        self.hits = Counter(name + "cache_hits", "Key lookups answered, by the level that knew", "level", LEVELS)
        self.unavailable = Counter(name + "lookups_unavailable", "Key lookups that nobody could answer")
        self.saturated = Counter(name + "lookups_saturated", "Of those, refused because too many were under way")
        self.errors = Counter(name + "store_errors", "Failed calls to a store", "store", STORES)
        self.load_seconds = Histogram(name + "load_seconds", "Time to look a key up outside of this process")
        self.invalidations = Counter(name + "invalidations", "Invalidations received")
        self.subscriptions = Counter(name + "subscriptions", "Times that the invalidation channel was (re)subscribed")
        self.outbox_applied = Counter(name + "outbox_applied", "Changes that this process brought to Redis")
