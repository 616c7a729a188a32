"""Whether the logs bring what they should.  What is missing is reported within seconds, in our log, at `/readyz` and as
a metric, because a request that no log brings stays charged as reserved.

Envoy does not know what it lost: its log stream keeps nothing while no sidecar is there, and counts that as sent.  So
this compares the requests that were decided with those that were heard of.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from accesslog.metrics import STREAM, AccessLogMetrics

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
SILENT_SECONDS = 10.0  # for which nothing ends, while
SILENT_REQUESTS = 20  # this many begin: it may be that models take that long, and clears by itself
FILE_SECONDS = 60.0  # the stream brings entries, and the file no line; Envoy flushes it every 10 s, by default

_RISK = "what ends while the sidecar is restarted stays charged as reserved, and its usage is lost"
NO_FILE = f"there is no file log (TOLLKEEPER_ACCESS_LOG_FILE): {_RISK}"
NOT_THERE = (
    f"{{file}} is not there: is the directory of Envoy's access log shared with the sidecar? Without it, {_RISK}"
)
STALE = "{file} has had no new line for a minute, and requests end: does Envoy write it, and is its disk full?"
SILENT = (
    "no log entry for {seconds:.0f} s, in which {requests} requests began: does Envoy have the access log of "
    "blocks/access_log.yaml? Without it, all stay charged as reserved until their leases end"
)


class LogWatch:
    """`decided`, `heard`: requests that went to the budgets, and ends that were reported; `lines`: read from the file,
    None if another process reads it.  All count up.  `log_file` None: there is none."""

    def __init__(
        self,
        log_file: Path | None,
        metrics: AccessLogMetrics,
        *,
        decided: Callable[[], int],
        heard: Callable[[], int],
        lines: Callable[[], int | None],
    ) -> None:
        self._log_file, self._decided, self._heard, self._lines = log_file, decided, heard, lines
        self._streamed = metrics.entries.counts
        self._heard_at, self._last_heard, self._decided_then = float("inf"), 0, 0
        self._line_at, self._last_lines, self._streamed_then = float("inf"), 0, 0
        self.silent_seconds, self.unheard = 0.0, 0
        self.warnings: Sequence[str] = ()
        self._faults: frozenset[str] = frozenset()
        metrics.watch(
            "silent_seconds", "Since the last log entry, if requests began since", lambda: self.silent_seconds
        )
        metrics.watch("unheard_requests", "Requests that began since the last log entry", lambda: float(self.unheard))
        metrics.watch("warnings", "What is wrong with the logs, see /readyz", lambda: float(len(self.warnings)))

    def look(self, now: float) -> None:
        """Every LOOK_SECONDS; `now` in s, of any clock.  Logs what was not wrong at the last look."""
        found = {**self._silence(now), **self._file(now)}
        for fault in found.keys() - self._faults:
            log.warning(found[fault])
        self._faults = frozenset(found)
        self.warnings = list(found.values())

    def _silence(self, now: float) -> dict[str, str]:
        """The fault, one of the texts above, and what to say of it now."""
        heard, decided = self._heard(), self._decided()
        if heard != self._last_heard or decided == self._decided_then:
            self._heard_at, self._last_heard, self._decided_then = now, heard, decided
        self.silent_seconds, self.unheard = max(0.0, now - self._heard_at), decided - self._decided_then
        if self.silent_seconds < SILENT_SECONDS or self.unheard < SILENT_REQUESTS:
            return {}
        return {SILENT: SILENT.format(seconds=self.silent_seconds, requests=self.unheard)}

    def _file(self, now: float) -> dict[str, str]:
        lines, streamed = self._lines(), self._streamed[STREAM]
        if self._log_file is None:
            return {NO_FILE: NO_FILE}
        if lines is None:
            return {}
        if lines != self._last_lines or streamed == self._streamed_then:
            self._line_at, self._last_lines, self._streamed_then = now, lines, streamed
        if not self._log_file.exists():
            return {NOT_THERE: NOT_THERE.format(file=self._log_file)}
        return {STALE: STALE.format(file=self._log_file)} if now - self._line_at >= FILE_SECONDS else {}
