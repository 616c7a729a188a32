"""Counters, histograms and gauges as plain integers, turned into Prometheus samples only when scraped.

prometheus-client's own `labels().inc()` costs more than a whole decision of ours; a dict update costs a fiftieth of it.
Label values are closed sets, fixed when the metric is made: an unknown value raises KeyError, and no map grows.  A
metric is written by one thread; two threads that write the same one may lose a count, but never corrupt it.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

Bucket = tuple[str, float] | tuple[str, float, Exemplar]
# From a cache hit (tens of microseconds) to a Redis that was cut off, in seconds.
LATENCY_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
SIZE_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


class Counter:
    """Counts by at most one label.  `name` without `_total`."""

    def __init__(self, name: str, documentation: str, label: str | None = None, values: Iterable[str] = ("",)) -> None:
        self.name, self._documentation, self._label = name, documentation, label
        self.counts: dict[str, int] = dict.fromkeys(values, 0)

    def add(self, value: str = "", n: int = 1) -> None:
        """Adds `n`; KeyError if `value` is not one of the label's values."""
        self.counts[value] += n

    def allow(self, value: str, most: int) -> None:
        """One more value of the label, unless there are that many: for a set that somebody else keeps closed."""
        if value not in self.counts and len(self.counts) < most:
            self.counts[value] = 0

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(self.name, self._documentation, labels=[self._label] if self._label else [])
        for value, count in list(self.counts.items()):
            family.add_metric([value] if self._label else [], count)
        yield family


class Histogram:
    """Distributes observations over fixed upper bounds, by at most one label.  Each bucket has the last trace that was
    observed in it as its exemplar, which only OpenMetrics shows."""

    def __init__(
        self,
        name: str,
        documentation: str,
        buckets: Sequence[float] = LATENCY_BUCKETS,
        label: str | None = None,
        values: Iterable[str] = ("",),
    ) -> None:
        self.name, self._documentation, self._label, self._bounds = name, documentation, label, tuple(buckets)
        self._counts = {value: [0] * (len(self._bounds) + 1) for value in values}
        self._sums = dict.fromkeys(self._counts, 0.0)
        self._exemplars: dict[tuple[str, int], Exemplar] = {}  # by value and bucket

    def observe(self, amount: float, value: str = "", trace: str = "") -> None:
        """Adds one observation, with the id of its trace, if it has one; KeyError if `value` is not one of the label's
        values."""
        bucket = bisect_left(self._bounds, amount)
        self._counts[value][bucket] += 1
        self._sums[value] += amount
        if trace:
            self._exemplars[value, bucket] = Exemplar({"trace_id": trace}, amount, time.time())

    def allow(self, value: str, most: int) -> None:
        """As Counter's."""
        if value not in self._counts and len(self._counts) < most:
            self._sums[value] = 0.0
            self._counts[value] = [0] * (len(self._bounds) + 1)

    def __contains__(self, value: str) -> bool:
        return value in self._counts

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self.name, self._documentation, labels=[self._label] if self._label else [])
        for value, counts in list(self._counts.items()):
            family.add_metric([value] if self._label else [], self._cumulative(value, counts), self._sums[value])
        yield family

    def _cumulative(self, value: str, counts: list[int]) -> list[Bucket]:
        total, rows = 0, list[Bucket]()
        for bucket, (bound, count) in enumerate(zip((*map(str, self._bounds), "+Inf"), counts, strict=True)):
            total += count
            exemplar = self._exemplars.get((value, bucket))
            rows.append((bound, float(total)) if exemplar is None else (bound, float(total), exemplar))
        return rows


class Gauge:
    """A value, or one value a label value, read when scraped."""

    def __init__(
        self, name: str, documentation: str, read: Callable[[], float | Mapping[str, float]], label: str | None = None
    ) -> None:
        self.name, self._documentation, self._read, self._label = name, documentation, read, label

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(self.name, self._documentation, labels=[self._label] if self._label else [])
        current = self._read()
        for value, amount in current.items() if isinstance(current, Mapping) else [("", current)]:
            family.add_metric([value] if self._label else [], amount)
        yield family


class MetricSet:
    """The metrics of one part of a process: its attributes, and gauges, once what they read is there (`watch`)."""

    def __init__(self, prefix: str) -> None:
        self._prefix, self._gauges, self._registered = prefix, list[Gauge](), False

    def watch(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """ValueError once they are registered: it would never be shown."""
        self.watch_by(name, documentation, read, None)

    def watch_by(
        self, name: str, documentation: str, read: Callable[[], float | Mapping[str, float]], label: str | None
    ) -> None:
        """The same, one value a label value."""
        if self._registered:
            raise ValueError(f"{self._prefix}{name} is watched after the metrics were registered")
        self._gauges.append(Gauge(f"{self._prefix}{name}", documentation, read, label))

    def members(self) -> list[Counter | Histogram | Gauge]:
        """Everything to be registered, which is done once."""
        self._registered = True
        return [*(each for each in vars(self).values() if isinstance(each, Counter | Histogram)), *self._gauges]


class Metrics(Collector):
    """All metrics of one process, as one prometheus-client collector."""

    def __init__(self) -> None:
        self._members: dict[str, Counter | Histogram | Gauge] = {}  # by name

    def add(self, *members: Counter | Histogram | Gauge) -> None:
        """ValueError if there is one of that name: a scraper would take the two for one."""
        for member in members:
            if self._members.setdefault(member.name, member) is not member:
                raise ValueError(f"there are two metrics {member.name}")

    def collect(self) -> Iterator[Metric]:
        for member in list(self._members.values()):
            yield from member.collect()
