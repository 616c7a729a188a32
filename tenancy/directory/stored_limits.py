"""Limits as operators manage them: values, which fields go together, and the ports.  No SQL, no HTTP.

What a limit means when requests are counted is in tenancy.values.limit.  The shorthand columns of tenants, users and
keys (tokens_per_minute, ...) are limits too, but are changed with their owner.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, TypedDict

from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.tenants import Position
from tenancy.values.calendar import Calendar, is_place
from tenancy.values.limit import FULL_WEIGHT, UTC, Kind, Limit, Scope, Unit


class NoSuchLimit(LookupError):
    """No limit has this id."""


class LimitNameTaken(ValueError):
    """Another limit of the tenant, or of the group, has this name."""


class UnknownSubject(ValueError):
    """The tenant or group does not exist, or the tenant has no such key or user: its id, and the field with it."""


class ImpossibleLimit(ValueError):
    """The fields do not go together; the text names one and says why."""


@dataclass(frozen=True, slots=True)
class NewLimit:
    """A limit to be created: of a tenant (perhaps of one of its keys, users or models), or of a fairshare group.

    Scope KEY without `key_id`, or USER without `user_id`: for each of the tenant's keys or users.  Without a `name` it
    gets one that describes it.  A COST is in millionths of the currency.  With a calendar `window_seconds` may be 0.
    """

    scope: Scope
    unit: Unit
    amount: int
    window_seconds: int = 0
    tenant_id: str | None = None
    key_id: str | None = None
    user_id: str | None = None
    model: str | None = None
    fairshare_group: str | None = None
    name: str = ""
    kind: Kind = Kind.BUCKET
    calendar: Calendar | None = None
    time_zone: str = UTC
    cached_weight: int = FULL_WEIGHT
    reasoning_weight: int = FULL_WEIGHT
    shadow: bool = False
    id: str = field(default_factory=lambda: f"lim_{secrets.token_hex(8)}")


@dataclass(frozen=True, slots=True)
class StoredLimit:
    """A limit that exists.  What it counts is fixed; how much, and over which window, may change."""

    id: str
    name: str
    scope: Scope
    tenant_id: str | None
    key_id: str | None
    user_id: str | None
    model: str | None
    fairshare_group: str | None
    unit: Unit
    amount: int
    kind: Kind
    window_seconds: int
    calendar: Calendar | None
    time_zone: str
    cached_weight: int
    reasoning_weight: int
    shadow: bool
    created_at: datetime
    updated_at: datetime


class LimitChange(TypedDict, total=False):
    """Fields to change; an absent one stays, except that a window in seconds replaces a calendar."""

    name: str
    amount: int
    kind: Kind
    window_seconds: int
    calendar: Calendar | None
    time_zone: str
    cached_weight: int
    reasoning_weight: int
    shadow: bool


class Limits(Protocol):
    """Each change is atomic with its audit entry and an outbox row for every key that it concerns.

    Raises what store.postgres.UNAVAILABLE lists; a change may then have been made, or not.
    """

    async def create(self, new: NewLimit, by: ChangeRequest) -> StoredLimit:
        """UnknownSubject, LimitNameTaken, ImpossibleLimit."""

    async def get(self, limit_id: str) -> StoredLimit | None:
        """None if there is none."""

    async def page(
        self,
        limit: int,
        after: Position | None = None,
        tenant_id: str | None = None,
        group: str | None = None,
        name: str = "",
        organization: str | None = None,
    ) -> tuple[StoredLimit, ...]:
        """At most `limit` of them, oldest first, after the position; if given, only of that tenant, group,
        name or organization."""

    async def update(self, limit_id: str, change: LimitChange, by: ChangeRequest) -> StoredLimit:
        """What `create` raises, NoSuchLimit, StateChanged.  A change that changes nothing leaves no trace."""

    async def delete(self, limit_id: str, by: ChangeRequest) -> Deleted:
        """NoSuchLimit, StateChanged.  What was spent under it is forgotten."""


class LimitsInForce(Protocol):
    """Reads the limits that a tenant's requests are counted against."""

    async def of_tenant(self, tenant_id: str, key_id: str | None = None, user_id: str | None = None) -> "InForce":
        """All that name their subject; those that hold for each key or each user only for the given key or user.
        tenancy.directory.tenants.NoSuchTenant."""

    async def of_tenants(self, tenant_ids: Sequence[str]) -> Mapping[str, "InForce"]:
        """The same of several, by id, without those that hold for each key or user.  Those that were deleted are
        missing."""


@dataclass(frozen=True, slots=True)
class InForce:
    """A tenant's limits, including its group's."""

    tenant_id: str
    fairshare_group: str
    limits: tuple[Limit, ...]


def derived(limit: NewLimit | StoredLimit) -> dict[str, Any]:
    """The fields that follow from others: a calendar has a length, and a limit without a name gets one."""
    seconds = limit.window_seconds if limit.calendar is None else limit.calendar.seconds
    return {"window_seconds": seconds, "name": limit.name or _default_name(limit, seconds)}


def changed_by(before: StoredLimit, change: LimitChange) -> StoredLimit:
    """The limit with the change applied."""
    if "window_seconds" in change and change.get("calendar") is None:
        change = {**change, "calendar": None}
    changed = replace(before, **change)
    return replace(changed, **derived(changed))


def _default_name(limit: NewLimit | StoredLimit, window_seconds: int) -> str:
    """Describes it, for example `tenant:tokens:day` or `key:requests:60s:sliding_window`."""
    parts = [limit.scope, limit.model or limit.key_id or limit.user_id or "", limit.unit]
    parts += [str(limit.calendar or f"{window_seconds}s"), "" if limit.kind is Kind.BUCKET else limit.kind]
    return ":".join(part for part in parts if part)


def check(limit: NewLimit | StoredLimit) -> None:
    """ImpossibleLimit."""
    if wrong := wrong_with(asdict(limit)):
        raise ImpossibleLimit(wrong)


def wrong_with(fields: Mapping[str, Any]) -> str:
    """Why the fields of a limit (tenancy.values.limit.Limit.of_fields) do not go together; "" if they do."""
    unit, kind, calendar = fields["unit"], fields.get("kind") or Kind.BUCKET, fields.get("calendar")
    time_zone = fields.get("time_zone") or UTC
    if not calendar and not fields.get("window_seconds"):
        return "window_seconds: required, unless there is a calendar"
    if calendar == Calendar.MONTH and kind != Kind.FIXED:
        return "calendar: a month has no fixed length, so it needs the kind fixed_window"
    if time_zone != UTC and not (calendar and kind == Kind.FIXED):
        return "time_zone: only a fixed_window of a calendar has one"
    if fields.get("cached_weight", FULL_WEIGHT) != FULL_WEIGHT and unit not in (Unit.TOKENS, Unit.INPUT_TOKENS):
        return "cached_weight: only tokens and input_tokens have cached tokens"
    if fields.get("reasoning_weight", FULL_WEIGHT) != FULL_WEIGHT and unit not in (Unit.TOKENS, Unit.OUTPUT_TOKENS):
        return "reasoning_weight: only tokens and output_tokens have reasoning tokens"
    if not is_place(time_zone):
        return "time_zone: is not in the time zone database"
    return ""
