"""What the engine shows of itself: calls by method and by outcome, time from a message's receipt to its answer."""

from collections.abc import Iterable

import grpc

from serving.call import Method
from serving.metrics import Counter, Histogram, Metrics

_UNKNOWN = "unknown"


class EngineMetrics:
    """An Observer.  Methods are labelled with the last part of their path, unknown ones with `unknown`."""

    def __init__(self, methods: Iterable[Method]) -> None:
        self._labels = {"": _UNKNOWN} | {method.path: method.path.rpartition("/")[2] for method in methods}
        labels, codes = list(self._labels.values()), [code.name for code in grpc.StatusCode]
        self.seconds = Histogram(
            "tollkeeper_serving_call_seconds", "From receipt to answer", label="method", values=labels
        )
        self.calls = Counter("tollkeeper_serving_calls", "Calls by gRPC status", label="code", values=codes)
        self.failures = Counter(
            "tollkeeper_serving_failures", "Calls that ended in INTERNAL", label="method", values=labels
        )

    def register(self, metrics: Metrics) -> None:
        metrics.add(self.seconds, self.calls, self.failures)

    def handled(self, path: str, seconds: float, code: str) -> None:
        label = self._labels[path]
        self.seconds.observe(seconds, label)
        self.calls.add(code)
        if code == "INTERNAL":
            self.failures.add(label)
