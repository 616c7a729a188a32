"""What a process shows of its stores, asked without traffic: whether each answers, and how often one did not."""

from collections.abc import Mapping

from serving.metrics import Counter, MetricSet
from store.watch import CLICKHOUSE, POSTGRES, REDIS, Probe, StoreWatch

STORES = (REDIS, POSTGRES, CLICKHOUSE)


class StoreMetrics(MetricSet):
    """Made once a process, before its stores are open."""

    def __init__(self) -> None:
        super().__init__("tollkeeper_store_")
        self.errors = Counter("tollkeeper_store_errors", "Questions without an answer", "store", STORES)
        self.stores = StoreWatch({})
        self.watch_by("up", "1 while a store answers", lambda: self.stores.up, "store")

    def of(self, asked: Mapping[str, Probe]) -> StoreWatch:
        """Returns the watch on these stores, which the metrics show from now on."""
        self.stores = StoreWatch(asked, self.errors.add)
        return self.stores
