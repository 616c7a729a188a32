"""How fast each model writes, learned from complete answers with reported usage.  In memory; each process learns from
its own log streams.

Used when an answer was not seen: nothing else tells what a model may have written until its client left.
"""

import threading
from collections import OrderedDict
from typing import NamedTuple

from accesslog.entry import LogEntry
from accesslog.tokens_seen import tokens_seen
from accesslog.usage import UNKNOWN_SPEED, Speed, Usage
from ledger.row import UsageSource
from ratelimit.tenants.average import Average

MODELS_MAX = 1000  # those used longest ago are forgotten first
OUTPUT_MIN = 16  # tokens: of less, most of the time goes into the prompt
_REPORTED = UsageSource.REPORTED
SHOWN_MIN = 0.001  # of the output, so that its logarithm is one


class _Of(NamedTuple):
    tokens_per_second: Average
    shown: Average


class Speeds:
    """Thread-safe."""

    def __init__(self, models_max: int = MODELS_MAX) -> None:
        self._models: OrderedDict[str, _Of] = OrderedDict()
        self._models_max = models_max
        self._lock = threading.Lock()

    def learn(self, entry: LogEntry, usage: Usage) -> None:
        """Of any entry: what teaches nothing is passed over."""
        if usage.source is not _REPORTED or usage.output_tokens < OUTPUT_MIN or not entry.total_ms:
            return
        if entry.aborted or entry.answer.ended != "done" or entry.status != 200:
            return
        with self._lock:
            of = self._models.get(entry.decision.model)
            if of is None:
                of = self._models[entry.decision.model] = _Of(Average(), Average())
                if len(self._models) > self._models_max:
                    self._models.popitem(last=False)
            else:
                self._models.move_to_end(entry.decision.model)
            of.tokens_per_second.add(1000 * usage.output_tokens / entry.total_ms)
            if entry.streamed:
                of.shown.add(min(1.0, max(SHOWN_MIN, tokens_seen(entry) / usage.output_tokens)))

    def all(self) -> dict[str, tuple[Speed, int]]:
        """By model, with the number of answers that it was learned from."""
        with self._lock:
            found = {model: of.tokens_per_second.samples for model, of in self._models.items()}
        return {model: (self.of(model), answers) for model, answers in sorted(found.items())}

    def of(self, model: str) -> Speed:
        with self._lock:
            of = self._models.get(model)
            tokens_per_second = of.tokens_per_second.value if of else None
            if of is None or tokens_per_second is None:
                return UNKNOWN_SPEED
            return Speed(tokens_per_second, of.shown.value or 1.0)
