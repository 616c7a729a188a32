"""What estimates of text are multiplied by: learned, for each model, kind of route and script, from what was reported.

By script, as vocabularies differ by 3 times on some, and one model's is far off in one and near in another.

The factor is the running mean (average.py) of reported / estimated, where `estimated` is what the text was taken for
before any correction: so it depends on nothing but the reports, in their order.  In memory, bounded; a process learns
from what its log streams bring, anew after each start.
"""

import threading
from collections import OrderedDict
from typing import NamedTuple

from ratelimit.tenants.average import Average

SCALE = 1000  # factors are whole thousandths
LEAST, MOST = SCALE // 2, 2 * SCALE
MANY = 1000  # models, kinds and scripts; the least recently updated are forgotten first
INPUT_MIN = 50  # tokens: shorter inputs are mostly what a chat template adds
# A single report counts at most this much: some servers count a cache's tokens elsewhere, or report nothing.
REPORT_LEAST, REPORT_MOST = 0.1, 10.0


class Correction(NamedTuple):
    """`factor` in thousandths, from `reports` reports; SCALE until there are enough.  `script` as in text.py."""

    model: str
    kind: str
    factor: int
    reports: int
    script: str = ""


class Corrections:
    """Thread-safe; reading takes one look-up.  `kind` as the access log has it: "" for a route that generates."""

    def __init__(self, many: int = MANY) -> None:
        self._averages: OrderedDict[tuple[str, str, str], Average] = OrderedDict()
        self._factors: dict[tuple[str, str, str], int] = {}
        self._many = many
        self._lock = threading.Lock()

    def learn(self, model: str, kind: str, estimated: int, reported: int, script: str = "") -> None:
        """Of an input that was all text: what it was taken for, uncorrected, and what it was."""
        if estimated < INPUT_MIN or reported <= 0:
            return
        key = model, kind, script
        with self._lock:
            average = self._averages.get(key)
            if average is None:
                average = self._averages[key] = Average()
                if len(self._averages) > self._many:
                    self._factors.pop(self._averages.popitem(last=False)[0], None)
            else:
                self._averages.move_to_end(key)
            average.add(min(max(reported / estimated, REPORT_LEAST), REPORT_MOST))
            if average.value is not None:
                self._factors[key] = min(max(round(SCALE * average.value), LEAST), MOST)

    def factor(self, model: str, kind: str, script: str = "") -> int:
        return self._factors.get((model, kind, script), SCALE)

    def all(self) -> list[Correction]:
        """By model, kind and script."""
        with self._lock:
            found = [(key, self.factor(*key), average.samples) for key, average in self._averages.items()]
        return [Correction(*key[:2], factor, reports, key[2]) for key, factor, reports in sorted(found)]
