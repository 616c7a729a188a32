"""The metrics of restoring and auditing budgets."""

from collections.abc import Mapping

from serving.metrics import Counter, Gauge, MetricSet

MISSING, BEYOND = "missing", "beyond"
TENTH, NONE = "tenth", "none"
EVICTS, FORGETS = "may_evict", "does_not_persist"


class ReconcileMetrics(MetricSet):
    """Gauges are watched by the reconciler."""

    def __init__(self) -> None:
        self._name = "tollkeeper_budgets_"
        super().__init__(self._name)
        self.restored = Counter(f"{self._name}restorations", "Times that a lost store was restored from the ledger")
        self.mended = Counter(f"{self._name}mended", "Budgets charged with what only the ledger had")
        self.audits = Counter(f"{self._name}audits", "Comparisons of the budgets with the ledger")
        self.failures = Counter(f"{self._name}reconcile_failures", "Restorations and audits that did not succeed")
        self.evictions = Counter(f"{self._name}store_evictions", "Keys of any kind that the store was seen to drop")
        self.low: Mapping[str, float] = {TENTH: 0.0, NONE: 0.0}
        self.drift: Mapping[str, float] = {MISSING: 0.0, BEYOND: 0.0}
        self.risks: Mapping[str, float] = {EVICTS: 0.0, FORGETS: 0.0}
        low = "Tenants with a window of at least an hour of which a tenth at most, or nothing, is left"
        self._gauges += [
            Gauge(f"{self._name}tenants_low", low, lambda: self.low, "left"),
            Gauge(f"{self._name}drifting", "Budgets off from the ledger at two audits", lambda: self.drift, "drift"),
            Gauge(f"{self._name}store_risk", "1 while the store may lose budgets", lambda: self.risks, "risk"),
        ]
