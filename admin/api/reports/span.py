"""The query parameters of reports and exports: time range, filters and buckets.  No query here."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from admin.api.paging import Page, not_a_cursor
from admin.commands.buckets import EARLIEST, LATEST, MINUTE
from admin.commands.buckets import Buckets as Cut
from admin.commands.refusals import invalid
from admin.fields import ModelName, Whole, moment, printable
from ledger.sums import Interval, Selection
from tenancy.values.calendar import Calendar, is_place, zone

SHORTEST_SECONDS, MAX_SECONDS = 60, 366 * 86400
# "+" is a space in a query string, unless it is written %2B.
LOST_PLUS = re.compile(r"(.*T.*) (\d\d:?\d\d)")


def _instant(value: object) -> datetime:
    time = moment(LOST_PLUS.sub(r"\1+\2", value) if isinstance(value, str) else value)
    if not EARLIEST <= time <= LATEST:
        raise ValueError(f"must be between {EARLIEST.year} and {LATEST.year}")
    return time


def _zone(value: str) -> str:
    if not is_place(value):
        raise ValueError("must be the name of a time zone, such as Europe/Berlin")
    return value


def _width(value: str) -> str:
    if value in tuple(Calendar):
        return value
    if not value.isascii() or not value.isdecimal() or not SHORTEST_SECONDS <= int(value[:12]) <= MAX_SECONDS:
        names = ", ".join(Calendar)
        raise ValueError(f"must be one of {names}, or a number of seconds from {SHORTEST_SECONDS} to {MAX_SECONDS}")
    return value


Instant = Annotated[datetime, BeforeValidator(_instant)]
Zone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone)]
Width = Annotated[str, StringConstraints(max_length=16), AfterValidator(_width)]
Label = Annotated[str, StringConstraints(max_length=256), AfterValidator(printable)]


class Stretch(Page):
    """The time range of a report or an export, and whose usage it covers."""

    since: Instant | None = Field(
        None, alias="from", description="The first instant (RFC 3339)", examples=["2026-01-01T00:00:00Z"]
    )
    until: Instant | None = Field(
        None,
        alias="to",
        description="The instant after the last (RFC 3339); the end of this minute if absent",
        examples=["2026-02-01T00:00:00Z"],
    )
    tenant_id: Label | None = Field(None, description="Only usage of this tenant")
    key_id: Label | None = Field(None, description="Only usage of this key")
    user_id: Label | None = Field(None, description="Only usage of this user")
    model: ModelName | None = Field(None, description="Only usage of this model")

    @model_validator(mode="after")
    def _in_order(self) -> "Stretch":
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError("from: must be before to")
        return self

    def position(self, *kinds: type) -> tuple[Interval, tuple[Any, ...]] | None:
        """What the cursor of a report holds: its range, and values of these kinds; None without a cursor."""
        parts = self._parts(str, str, *kinds)
        if parts is None:
            return None
        try:
            return (_instant(parts[0]), _instant(parts[1])), tuple(parts[2:])
        except ValueError:
            raise not_a_cursor() from None

    @property
    def selection(self) -> Selection:
        return Selection(self.tenant_id, self.key_id, self.user_id, self.model)

    def interval(self, back: timedelta | None, now: datetime) -> Interval:
        """What is asked for; without `from`, `back` before its end, or all there is."""
        until = self.until or now.replace(second=0, microsecond=0) + MINUTE
        since = self.since or (EARLIEST if back is None else max(EARLIEST, until - back))
        if since >= until:
            raise invalid(("from", "must be before to, which is now unless given"))
        return since, until


class Span(Stretch):
    """The time range of a report, whose usage it covers, and the form of the answer."""

    limit: Whole = Field(100, ge=1, le=10_000, description="Maximum number of items")
    format: Literal["json", "csv"] | None = Field(
        None, description="Form of the answer; `csv` has the same effect as `Accept: text/csv`"
    )


class Buckets(Span):
    """The time range of a series, whose usage it covers, and the buckets that it is divided into."""

    limit: Whole = Field(1000, ge=1, le=1500, description="Maximum number of points")
    bucket: Width = Field(
        "hour",
        description="Width of a bucket: minute, hour, day, week (from Monday), month, or a number of seconds",
        examples=["day"],
    )
    tz: Zone = Field("UTC", description="Time zone in which hours, days, weeks and months begin")

    def cut(self) -> Cut:
        return Cut(self.bucket, zone(self.tz))
