"""A report: what one sidecar says of itself every second.  Values; no I/O.

Bounded in size, however many tenants there are.  `queued` are those in flight that wait for a slot of their
tenant; it is told of the whole sidecar alone until something queues more than a moment.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from ratelimit.fleet.claims import Claim
from tenancy.directory.capacity import Capacity

TTL_SECONDS = 5.0  # after this long without a report a sidecar counts as gone
MAX_TENANTS = 50  # in one report
MAX_GROUPS = 50
MAX_MODELS = 200


@dataclass(frozen=True, slots=True)
class TenantLoad:
    """A tenant's requests in one sidecar; weight and group as the sidecar knows them.  `served`: tokens of service over
    the last minute; `finished_service` in `finished_seconds`: what its requests that were over then had, and how long
    they ran.  `oldest_wait_seconds`: of what is queued."""

    tenant_id: str
    fairshare_group: str
    weight: int
    in_flight: int
    queued: int = 0
    served: int = 0
    oldest_wait_seconds: float = 0.0
    finished_service: int = 0
    finished_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class GroupLoad:
    """A fairshare group's requests in one sidecar, and the rest as a tenant's.  `share` is of versions before, and
    None."""

    name: str
    in_flight: int
    queued: int = 0
    share: float | None = None
    served: int = 0
    oldest_wait_seconds: float = 0.0
    finished_service: int = 0
    finished_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelLoad:
    """A model's requests in one sidecar.  `tokens_per_second`: of one answer, as learned, 0 if it is not known.
    `endpoints`: by URL, whether Envoy takes it for healthy."""

    model: str
    in_flight: int
    tokens_per_second: float = 0.0
    endpoints: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """`max_in_flight`: what this sidecar enforces now, None without a bound; `bound_by` which one that is.

    `admitted` and `refused` count since the start, `refused_capacity` those of them for want of room.  `tenants` and
    `groups` are those with most in flight, `tenants_in_flight` counts all that have any.  `claims`: what is wanted here
    of bounds on all sidecars.  `occupied`: for how many seconds places of each model's room ("": all others) were in
    use until `at`, which is seconds on the sidecar's own clock.
    """

    sidecar: str
    host: str
    version: str
    started_at: str
    in_flight: int
    queued: int
    max_in_flight: int | None
    bound_by: str
    capacity_version: int
    admitted: int
    refused: int
    refused_capacity: int
    redis_available: bool
    tenants_in_flight: int = 0
    tenants: tuple[TenantLoad, ...] = ()
    groups: tuple[GroupLoad, ...] = ()
    models: tuple[ModelLoad, ...] = ()
    claims: tuple[Claim, ...] = ()
    at: float = 0.0
    occupied: Mapping[str, float] = field(default_factory=dict)

    def dump(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @staticmethod
    def load(text: str | bytes) -> "Report":
        """What `dump` wrote; what a newer version added is left out.  TypeError, ValueError or KeyError otherwise."""
        found = json.loads(text)
        tenants = tuple(TenantLoad(**_known(TenantLoad, each)) for each in found["tenants"])
        groups = tuple(GroupLoad(**_known(GroupLoad, each)) for each in found["groups"])
        models = tuple(ModelLoad(**_known(ModelLoad, each)) for each in found.get("models", ()))
        claims = tuple(Claim(*row[: len(Claim._fields)]) for row in found.get("claims", ()))
        parts = {"tenants": tenants, "groups": groups, "models": models, "claims": claims}
        return Report(**{**_known(Report, found), **parts})


def _known(kind: type, found: Mapping[str, Any]) -> dict[str, Any]:
    return {each.name: found[each.name] for each in fields(kind) if each.name in found}


@dataclass(frozen=True, slots=True)
class Aged:
    """A report, and how long ago it was made."""

    report: Report
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that is known of the sidecars at one moment, the oldest report first.  `capacity` as in Told."""

    capacity: Capacity | None
    reports: Sequence[Aged]


class Pooled(NamedTuple):
    """What a sidecar says of a pool that is bounded over all sidecars: its bound, what is in flight there, and whether
    requests were refused for want of room since the last report, or wait."""

    most: int
    in_flight: int
    short: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What a sidecar learns when it reports: the capacity (None: the store has no copy), and its share of the bound on
    all sidecars (None: there is none) and of those on models.  `waiting`: more is due to it, and comes as others give
    it up.  `totals`: of what it told about, in its order; `period`: in which they count.  `leads`: it is the one that
    spreads bounds over sidecars."""

    capacity: Capacity | None
    share: int | None
    waiting: bool = False
    totals: tuple[int, ...] = ()
    period: int = 0
    shares: Mapping[str, int] = field(default_factory=dict)
    leads: bool = False
