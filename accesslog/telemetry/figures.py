"""The metrics of the same conventions: durations and tokens as histograms, with the last span in each bucket.  For one
thread at a time."""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import NamedTuple

from accesslog.telemetry.spans import Span

# As the conventions have them.
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = tuple(4.0**power for power in range(14))
DURATION, FIRST, USAGE = (
    "gen_ai.client.operation.duration", "gen_ai.client.operation.time_to_first_chunk", "gen_ai.client.token.usage"
)  # fmt: skip
UNITS = {DURATION: "s", FIRST: "s", USAGE: "{token}"}
BOUNDS = {DURATION: SECONDS, FIRST: SECONDS, USAGE: TOKENS}
MAX_SERIES = 1000
OTHER = "_OTHER"  # a model or an error beyond that


class Series(NamedTuple):
    """`error` and `token_type` are "" where the metric has none."""

    metric: str
    operation: str
    provider: str
    model: str
    error: str = ""
    token_type: str = ""


class Exemplar(NamedTuple):
    value: float
    at_ns: int
    trace_id: bytes
    span_id: bytes


@dataclass(slots=True)
class Distribution:
    """`counts` by bucket, the last without a bound; cumulative since the process began."""

    counts: list[int]
    total: float = 0.0
    exemplars: dict[int, Exemplar] = field(default_factory=dict)


class Figures:
    def __init__(self) -> None:
        self.all: dict[Series, Distribution] = {}

    def add(self, span: Span) -> None:
        of = span.operation, span.provider, span.model
        self._observe(Series(DURATION, *of, span.error), span.duration_ms / 1000, span)
        if span.first_ms is not None:
            self._observe(Series(FIRST, *of), span.first_ms / 1000, span)
        for token_type, tokens in (("input", span.input_tokens), ("output", span.output_tokens)):
            if tokens:
                self._observe(Series(USAGE, *of, token_type=token_type), tokens, span)

    def _observe(self, series: Series, value: float, span: Span) -> None:
        found = self.all.get(series)
        if found is None:
            if len(self.all) >= MAX_SERIES:
                series = series._replace(model=OTHER, error=OTHER if series.error else "")
            found = self.all.setdefault(series, Distribution([0] * (len(BOUNDS[series.metric]) + 1)))
        bucket = bisect_left(BOUNDS[series.metric], value)
        found.counts[bucket] += 1
        found.total += value
        if span.sampled:
            found.exemplars[bucket] = Exemplar(value, span.end_ns, span.trace_id, span.span_id)
