"""Which log entries are believed: those that repeat what this deployment itself said.

A decision, and the id under which authz let a request go on, carry a seal.  An entry with a wrong seal counts for
nothing: it settles nothing, writes no row, and keeps no genuine one from counting.  If its request did run, the lease
knows of it: the sweep writes a row from that, as reserved.  Decisions of a version before seals have none, and are
believed for a day.
"""

import time
from collections.abc import Callable
from operator import attrgetter

import structlog
from msgspec.structs import replace

from accesslog.entry import Decision, LogEntry, Undecided
from accesslog.metrics import DISTRUSTS, FORGED, UNSEALED, UNTIMELY, AccessLogMetrics
from ratelimit.tenants.sealed import SEALED, sealed_text
from tenancy.values.lease_id import lease_ms
from tenancy.values.seal import Seal

log = structlog.get_logger(__name__)

UNSEALED_SECONDS = 86_400.0  # after this deployment began to seal, for upgrades
# How old or new a request may be.  A month that nobody asked for would become a table of the ledger.
PAST_SECONDS, FUTURE_SECONDS = 366 * 86_400.0, 86_400.0
WARN_SECONDS = 60.0
WARNING = (
    "log entries are not believed ({reason}): they are forged, or of a sidecar with another data directory"
    " (TOLLKEEPER_DATA_DIR) and no common secret (TOLLKEEPER_GRPC_SECRET); their requests stay charged as reserved"
)
_values = attrgetter(*SEALED)


class Trust:
    """`sealing_since`: when this deployment began to seal, in s since 1970, as `clock`.  For any thread."""

    def __init__(
        self,
        decisions: Seal,
        leases: Seal,
        sealing_since: float,
        metrics: AccessLogMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._decisions, self._leases, self._metrics, self._clock = decisions, leases, metrics, clock
        self._unsealed_until = sealing_since + UNSEALED_SECONDS
        self._met: dict[str, float] = {}  # when each reason last occurred

    def sift(self, entry: LogEntry | Undecided) -> LogEntry | Undecided | None:
        """What is believed of the entry; None if nothing is."""
        if isinstance(entry, Undecided):
            return entry if self._believes_lease(entry) else None
        decision = entry.decision
        if entry.said:
            seal, _, text = entry.said.partition(" ")
        else:
            seal, text = decision.seal, sealed_text(_values(decision))
        if not self._believes(decision, seal, self._decisions, text):
            return None
        if entry.undecided is not None and not self._believes_lease(entry.undecided):
            return replace(entry, undecided=None)
        return entry

    @property
    def warnings(self) -> list[str]:
        """What an operator should look into."""
        recent = self._clock() - WARN_SECONDS
        return [WARNING.format(reason=reason) for reason in DISTRUSTS if self._met.get(reason, 0.0) > recent]

    def _believes_lease(self, undecided: Undecided) -> bool:
        return self._believes(undecided, undecided.seal, self._leases, undecided.lease_id)

    def _believes(self, said: Decision | Undecided, seal: str, seals: Seal, text: str) -> bool:
        """`text`: what `seal` covers."""
        now = self._clock()
        reason = UNSEALED if not seal and now >= self._unsealed_until else ""
        if seal and not seals.fits(seal, text):
            reason = FORGED
        if not reason and not now - PAST_SECONDS < lease_ms(said.lease_id) / 1000 < now + FUTURE_SECONDS:
            reason = UNTIMELY
        if reason:
            self._distrust(reason, said)
        return not reason

    def _distrust(self, reason: str, said: Decision | Undecided) -> None:
        self._metrics.distrusted.add(reason)
        if reason not in self._met:
            log.error("a log entry is not believed", reason=reason, lease_id=said.lease_id, tenant_id=said.tenant_id)
        self._met[reason] = self._clock()
