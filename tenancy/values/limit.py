"""A limit: the rule, not its live state (which is a budget, in ratelimit/).  Pure values; no I/O.

`row` and `of_row` are its compact form, sent from authz to ratelimit and kept in Redis; `of_fields` reads the form with
names, as Postgres has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from tenancy.values.calendar import Calendar
from tenancy.values.trailing import filled

FULL_WEIGHT = 100  # percent
MINUTE_SECONDS = 60
UTC = "UTC"


class Scope(StrEnum):
    """Whose requests a limit counts together.  MODEL: one tenant's, for one model.  GROUP: those of all tenants in a
    fairshare group."""

    TENANT = "tenant"
    USER = "user"
    KEY = "key"
    MODEL = "model"
    GROUP = "group"


class Unit(StrEnum):
    """What a limit counts.  COST is in millionths of the currency of the models' prices."""

    TOKENS = "tokens"
    REQUESTS = "requests"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    COST = "cost"


class Kind(StrEnum):
    """How what was spent comes back: steadily; all at the window's end; or as it leaves the last `window_seconds`."""

    BUCKET = "bucket"
    FIXED = "fixed_window"
    SLIDING = "sliding_window"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` units a window.

    `subject` is the id of the key or user, or the name of the model or group, whose requests it counts; empty for the
    tenant's own limits.  `id` is "" for a limit that is a column of its subject (tokens_per_minute); its budget is then
    found by what it counts.  Fixed windows begin where `calendar` says in `time_zone`, and `window_seconds` is their
    usual length; without a calendar they are counted from 1970.  Weights are percent: with a `cached_weight` of 10, ten
    cached input tokens count as one.  `shadow`: measured, but never refuses.
    """

    scope: Scope
    unit: Unit
    amount: int
    window_seconds: int
    subject: str = ""
    id: str = ""
    label: str = ""
    kind: Kind = Kind.BUCKET
    calendar: Calendar | None = None
    time_zone: str = UTC
    cached_weight: int = FULL_WEIGHT
    reasoning_weight: int = FULL_WEIGHT
    shadow: bool = False

    @property
    def name(self) -> str:
        """What answers and the ledger call it: its label, or for example `tenant:tokens:60s`."""
        return self.label or self._place

    @property
    def budget_name(self) -> str:
        """Identifies its budget within the tenant or group.  With an id it depends on neither amount nor window, so a
        changed limit keeps what was spent."""
        if not self.id:
            return self._place
        return f"{self.id}:{self.subject}" if self.subject else self.id

    @property
    def _place(self) -> str:
        owner = f"{self.scope}:{self.subject}" if self.subject else str(self.scope)
        return f"{owner}:{self.unit}:{self.window_seconds}s"

    def row(self) -> list[Any]:
        """Its fields in order, without those at the end that have their defaults."""
        row = [getattr(self, name) for name in FIELDS]
        while len(row) > REQUIRED and row[-1] == DEFAULTS[len(row) - REQUIRED - 1]:
            row.pop()
        return row

    @staticmethod
    def of_row(row: Sequence[Any]) -> "Limit":
        """What `row` wrote, in this version or another (see trailing.py); ValueError or TypeError for anything else."""
        scope, unit, amount, window_seconds, subject, *rest = row
        id, label, kind, calendar, *how = filled(rest, DEFAULTS)
        named = None if calendar is None else Calendar(calendar)
        return Limit(Scope(scope), Unit(unit), amount, window_seconds, subject, id, label, Kind(kind), named, *how)

    @staticmethod
    def of_fields(fields: Mapping[str, Any]) -> "Limit":
        """From an object with scope, unit, amount and any of the other fields; KeyError or ValueError.  `name` becomes
        the label.  With a calendar, `window_seconds` is not needed."""
        calendar = None if fields.get("calendar") is None else Calendar(fields["calendar"])
        seconds = fields.get("window_seconds")
        return Limit(
            scope=Scope(fields["scope"]),
            unit=Unit(fields["unit"]),
            amount=int(fields["amount"]),
            window_seconds=calendar.seconds
            if seconds is None and calendar is not None
            else int(fields["window_seconds"]),
            subject=fields.get("subject") or "",
            id=fields.get("id") or "",
            label=fields.get("name") or "",
            kind=Kind(fields.get("kind") or Kind.BUCKET),
            calendar=calendar,
            time_zone=fields.get("time_zone") or UTC,
            cached_weight=_weight(fields.get("cached_weight")),
            reasoning_weight=_weight(fields.get("reasoning_weight")),
            shadow=bool(fields.get("shadow")),
        )


FIELDS = tuple(each.name for each in fields(Limit))
REQUIRED = 5  # that many are in every row
DEFAULTS = tuple(each.default for each in fields(Limit)[REQUIRED:])


def shorthand(scope: Scope, subject: str, tokens: int | None, requests: int | None) -> tuple[Limit, ...]:
    """The limits that the columns tokens_per_minute and requests_per_minute stand for; None: no limit."""
    columns = ((Unit.TOKENS, tokens), (Unit.REQUESTS, requests))
    return tuple(Limit(scope, unit, amount, MINUTE_SECONDS, subject) for unit, amount in columns if amount is not None)


def _weight(percent: int | None) -> int:
    return FULL_WEIGHT if percent is None else int(percent)
