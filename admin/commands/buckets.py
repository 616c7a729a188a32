"""Time cut into buckets for a series: by a number of seconds, or along the calendar of a time zone.  Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from admin.commands.refusals import invalid
from ledger.sums import Interval

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
CALENDAR = ("minute", "hour", "day", "week", "month")
MAX_BUCKETS = 50_000  # more than the minutes of a month
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def time_zone(name: str) -> tzinfo:
    """UTC is known even where the database of time zones is missing.  ZoneInfoNotFoundError, ValueError, OSError."""
    return UTC if name == "UTC" else ZoneInfo(name)


@dataclass(frozen=True, slots=True)
class Buckets:
    """`width`: one of CALENDAR (weeks begin on Monday), or a number of seconds.  Hours and longer begin in `zone`."""

    width: str
    zone: tzinfo = UTC

    @property
    def seconds(self) -> int:
        """The width of a bucket; of those from an hour on, at least an hour."""
        return int(self.width) if self.width.isdecimal() else 60 if self.width == "minute" else 3600

    def of(self, interval: Interval) -> list[tuple[datetime, Interval]]:
        """The start of each bucket, and what of it is within the interval; the first and the last may be cut."""
        since, until = interval
        edges = self._edges(since)
        starts = [next(edges)]
        for edge in islice(edges, MAX_BUCKETS + 1):
            starts.append(edge)
            if edge >= until:
                return [(a, (max(a, since), min(b, until))) for a, b in pairwise(starts)]
        raise invalid(("bucket", f"more than {MAX_BUCKETS} buckets; ask for wider ones, or less time"))

    def _edges(self, since: datetime) -> Iterator[datetime]:
        """Starts of buckets, from the one that holds `since`."""
        if self.width.isdecimal():
            return _steady(since, timedelta(seconds=int(self.width)), timedelta())
        if self.width in ("minute", "hour"):
            offset = since.astimezone(self.zone).utcoffset() or timedelta()
            return _steady(since, MINUTE if self.width == "minute" else HOUR, offset)
        return _days(since.astimezone(self.zone).date(), self.width, self.zone)


def _steady(since: datetime, width: timedelta, offset: timedelta) -> Iterator[datetime]:
    edge = EARLIEST - offset + (since - EARLIEST + offset) // width * width
    while True:
        yield edge
        edge += width


def _days(day: date, width: str, zone: tzinfo) -> Iterator[datetime]:
    """Midnights of `zone`; a day may have 23 or 25 hours."""
    if width == "week":
        day -= timedelta(days=day.weekday())
    elif width == "month":
        day = day.replace(day=1)
    while True:
        yield datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
        if width == "month":
            day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        else:
            day += timedelta(days=7 if width == "week" else 1)
