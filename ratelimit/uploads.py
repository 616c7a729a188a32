"""The register of request bodies that Envoy holds until they are decided, and the cost of reading them.  In memory.

A body counts with its declared length, from before its first byte is read until its request is decided, or over.
Whether a request may run is not decided here.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MEBIBYTE = 1024 * 1024
LONGEST = 32 * MEBIBYTE  # of a body that declares its length
UNSAID = 4 * MEBIBYTE  # assumed for one that does not
SHARE = 4  # one tenant may have a quarter of the bound
KEEP_MS = 100_000  # Envoy ends a request that has not arrived as a whole after 90 s

# What Envoy's meter needs for a body, as measured: 2 ms for a MiB of text, 0.25 ms for 1000 values of JSON.
MICROS_A_KIBIBYTE, VALUES_A_MICRO = 2, 4
VALUE_BYTES = 10
PACE = 250.0  # microseconds of that a millisecond, for one tenant: a quarter of a worker
BURST_MICROS = 1_000_000
MAX_READERS = 10_000


class Full(StrEnum):
    """The bound that an upload does not fit: the name under which it is refused."""

    TENANT, ALL = "tenant:uploads", "all:uploads"


@dataclass(slots=True)
class _Upload:
    """`coming`: it has not fully arrived."""

    tenant_id: str
    size: int
    since_ms: int
    coming: bool = True


@dataclass(slots=True)
class _Held:
    """What one tenant holds."""

    size: int = 0
    number: int = 0
    coming: int = 0


class Uploads:
    """At most `most` bytes at once, of which a tenant may have a quarter, though always one body; `processes` share
    that.

    Thread-safe.  A body of which nothing more is heard is forgotten once Envoy must have ended its request.
    """

    def __init__(self, most: int = 256 * MEBIBYTE, processes: int = 1) -> None:
        self._given = most // processes
        self.shared_by(1)
        self.pace = ReadingPace(PACE / processes)
        self._lock = threading.Lock()
        self._uploads: OrderedDict[str, _Upload] = OrderedDict()  # by lease id, oldest first
        self._tenants: dict[str, _Held] = {}
        self._size = 0

    def shared_by(self, number: int) -> None:
        """The Envoys behind this sidecar ask `number` sidecars: each takes an equal part of the bound."""
        self.most = max(LONGEST, self._given // number)
        self.most_of_one = max(LONGEST, self.most // SHARE)

    @property
    def size(self) -> int:
        """Bytes that may be held now."""
        return self._size

    def knows(self, lease_id: str) -> bool:
        return lease_id in self._uploads

    def coming(self, tenant_id: str) -> int:
        """The number of the tenant's bodies that have not arrived yet."""
        held = self._tenants.get(tenant_id)
        return 0 if held is None else held.coming

    def enter(self, lease_id: str, tenant_id: str, size: int, now_ms: int) -> Full | None:
        """Counts a body in, or returns the bound that it does not fit.  `now_ms`: of any clock that does not go back
        much."""
        self.end_older(now_ms - KEEP_MS)
        with self._lock:
            held = self._tenants.get(tenant_id, _Held())
            if held.number and held.size + size > self.most_of_one:
                return Full.TENANT
            if self._size + size > self.most:
                return Full.ALL
            self._remove(lease_id)  # Envoy repeats a call whose answer was lost
            held = self._tenants.setdefault(tenant_id, held)
            self._uploads[lease_id] = _Upload(tenant_id, size, now_ms)
            self._size += size
            held.size, held.number, held.coming = held.size + size, held.number + 1, held.coming + 1
            return None

    def arrived(self, lease_id: str, size: int) -> None:
        """The whole body is there, and has `size` bytes; Envoy holds all of it until its request is decided."""
        with self._lock:
            upload = self._uploads.get(lease_id)
            if upload is None or not upload.coming:
                return
            held, freed = self._tenants[upload.tenant_id], max(0, upload.size - size)
            upload.coming, held.coming = False, held.coming - 1
            upload.size, held.size, self._size = upload.size - freed, held.size - freed, self._size - freed

    def end(self, lease_id: str) -> None:
        """The request is decided, or over."""
        if lease_id in self._uploads:
            with self._lock:
                self._remove(lease_id)

    def leave(self, lease_id: str, now_ms: int) -> None:
        """The request was over before it was decided.  How much of its body was read is unknown, so the most is
        charged."""
        upload = self._uploads.get(lease_id)
        if upload is not None and upload.coming:
            self.pace.spend(upload.tenant_id, upload.size, upload.size // VALUE_BYTES, now_ms)
        self.end(lease_id)

    def end_all(self, lease_ids: Iterable[str]) -> None:
        for lease_id in lease_ids:
            self.end(lease_id)

    def end_older(self, than_ms: int) -> None:
        """Ends bodies that are older than `than_ms`: they are decided by now, perhaps without our having been told."""
        with self._lock:
            while self._uploads and next(iter(self._uploads.values())).since_ms < than_ms:
                self._remove(next(iter(self._uploads)))

    def _remove(self, lease_id: str) -> None:
        upload = self._uploads.pop(lease_id, None)
        if upload is None:
            return
        held = self._tenants[upload.tenant_id]
        self._size -= upload.size
        held.size, held.number, held.coming = held.size - upload.size, held.number - 1, held.coming - upload.coming
        if not held.number:
            del self._tenants[upload.tenant_id]


class ReadingPace:
    """The time that Envoy spends on reading a tenant's large bodies: `pace` microseconds each millisecond, or a burst
    at once.

    A worker of Envoy reads one body at a time, and everything that it serves waits for that.
    """

    def __init__(self, pace: float = PACE) -> None:
        self._pace = pace
        self._lock = threading.Lock()
        self._spent: OrderedDict[str, tuple[float, int]] = OrderedDict()  # microseconds, as of a time in ms; by tenant

    def spend(self, tenant_id: str, size: int, values: int, now_ms: int) -> None:
        """A body of that many bytes and values was read."""
        with self._lock:
            spent = self._spent_by(tenant_id, now_ms) + size // 1024 * MICROS_A_KIBIBYTE + values // VALUES_A_MICRO
            self._spent[tenant_id] = spent, now_ms
            self._spent.move_to_end(tenant_id)
            if len(self._spent) > MAX_READERS:
                self._spent.popitem(last=False)

    def wait_ms(self, tenant_id: str, now_ms: int) -> int:
        """Milliseconds until the next body may be read; 0: now."""
        with self._lock:
            beyond = self._spent_by(tenant_id, now_ms) - BURST_MICROS
        return int(beyond / self._pace) + 1 if beyond > 0 else 0

    def _spent_by(self, tenant_id: str, now_ms: int) -> float:
        spent, at_ms = self._spent.get(tenant_id, (0.0, now_ms))
        return max(0.0, spent - max(0, now_ms - at_ms) * self._pace)
