"""Time cut into buckets for a series: by a number of seconds, or along the calendar of a time zone.  Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import count, islice, pairwise

from admin.commands.refusals import invalid
from ledger.sums import Interval
from tenancy.values.calendar import Calendar, starts

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
MAX_BUCKETS = 50_000  # more than the minutes of a month
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Buckets:
    """`width`: a window of the calendar, or a number of seconds.  Hours and longer begin in `zone`."""

    width: str
    zone: tzinfo = UTC

    @property
    def seconds(self) -> int:
        """The width of a bucket; of those from an hour on, at least an hour."""
        return int(self.width) if self.width.isdecimal() else 60 if self.width == "minute" else 3600

    def of(self, interval: Interval) -> list[tuple[datetime, Interval]]:
        """The start of each bucket, and what of it is within the interval; the first and the last may be cut."""
        since, until = interval
        edges = self._edges(int(since.timestamp()))
        found = [next(edges)]
        for edge in islice(edges, MAX_BUCKETS + 1):
            found.append(edge)
            if edge >= until:
                return [(a, (max(a, since), min(b, until))) for a, b in pairwise(found)]
        raise invalid(("bucket", f"more than {MAX_BUCKETS} buckets; ask for wider ones, or less time"))

    def _edges(self, since: int) -> Iterator[datetime]:
        """Starts of buckets, from the one that holds `since`."""
        if self.width.isdecimal():
            width = int(self.width)
            return map(_time, count(since - since % width, width))
        return map(_time, starts(Calendar(self.width), self.zone, since))


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
