"""The register of admitted requests whose bodies are not known to have arrived.  In memory.

ratelimit is asked only once a whole body has arrived, and small bodies are read without asking it first.  So a tenant
that begins many requests and sends little of each would make Envoy hold all of them.  Beyond a bound, a tenant may not
begin another.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Iterable

KEEP_SECONDS = 100.0  # Envoy ends a request that has not arrived as a whole after 90 s
FRESH_SECONDS = 10.0
SHARE = 4  # one tenant may have a quarter of the bound


class Bodies:
    """At most `most` at once, of which a tenant may have a quarter.  Thread-safe.  Times are seconds of a monotonic
    clock.

    Refuses only while it hears of bodies that do arrive: if nobody reports them, all would seem to be missing.  It
    counts only requests that began before `told_until`: the body of a later one may have arrived at another process
    that has not said so yet.
    """

    def __init__(self, most: int) -> None:
        self._given = most
        self.most, self.most_of_one = most, max(1, most // SHARE)
        self._lock = threading.Lock()
        self._young: OrderedDict[str, tuple[str, float]] = OrderedDict()  # as `_coming`; they do not count yet
        self._coming: OrderedDict[str, tuple[str, float]] = OrderedDict()  # by lease id, oldest first: tenant, since
        self._tenants: dict[str, int] = {}
        self._told_until = math.inf
        self._heard_at = -math.inf
        self._counting = True

    def __len__(self) -> int:
        return len(self._coming) + len(self._young)

    def full(self, tenant_id: str, now: float) -> bool:
        """Whether the tenant has to wait before it begins another request."""
        if not self._counting or (len(self._coming) < self.most and self._tenants.get(tenant_id, 0) < self.most_of_one):
            return False
        with self._lock:
            while self._coming and next(iter(self._coming.values()))[1] < now - KEEP_SECONDS:
                self._remove(next(iter(self._coming)))
        if now - self._heard_at > FRESH_SECONDS:
            return False
        return len(self._coming) >= self.most or self._tenants.get(tenant_id, 0) >= self.most_of_one

    def begin(self, lease_id: str, tenant_id: str, now: float) -> None:
        with self._lock:
            if len(self._coming) + len(self._young) >= 2 * self._given:  # nobody reports arrivals
                self._remove(next(iter(self._coming or self._young)))
            if now < self._told_until:
                self._enter(lease_id, tenant_id, now)
            else:
                self._young[lease_id] = tenant_id, now

    def told_until(self, at: float) -> None:
        """Every arrival of a request that began before `at` has been reported."""
        with self._lock:
            self._told_until = at
            self._let_count()

    def shared_by(self, number: int) -> None:
        """`number` processes admit requests for the same Envoys: each takes an equal part of the bound."""
        self.most = max(1, self._given // number)
        self.most_of_one = max(1, self.most // SHARE)

    def count(self, counting: bool) -> None:
        """Whether every arrival is reported.  While it is False nobody is refused, and requests that began by then are
        never counted."""
        with self._lock:
            if not (counting and self._counting):
                self._young.clear()
                self._coming.clear()
                self._tenants.clear()
            self._counting = counting

    def arrived(self, lease_ids: Iterable[str], now: float) -> bool:
        """These bodies have arrived, or their requests are over.  Returns whether any of the requests began here."""
        found = False
        with self._lock:
            for lease_id in lease_ids:
                if lease_id in self._coming or lease_id in self._young:
                    self._remove(lease_id)
                    found = True
        if found:
            self._heard_at = now
        return found

    def _let_count(self) -> None:
        while self._young:
            lease_id, (tenant_id, since) = next(iter(self._young.items()))
            if since >= self._told_until:
                break
            del self._young[lease_id]
            self._enter(lease_id, tenant_id, since)

    def _enter(self, lease_id: str, tenant_id: str, since: float) -> None:
        self._coming[lease_id] = tenant_id, since
        self._tenants[tenant_id] = self._tenants.get(tenant_id, 0) + 1

    def _remove(self, lease_id: str) -> None:
        if lease_id not in self._coming:
            del self._young[lease_id]
            return
        tenant_id, _ = self._coming.pop(lease_id)
        left = self._tenants[tenant_id] - 1
        if left:
            self._tenants[tenant_id] = left
        else:
            del self._tenants[tenant_id]
