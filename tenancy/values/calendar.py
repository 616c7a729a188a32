"""Calendar windows: when the minute, hour, day, week or month begins and ends in a time zone.  Pure; no I/O beyond
reading the time zone database.

Minutes and hours keep their length when the clocks change; days, weeks and months begin at local midnight, so a day
may have 23 or 25 hours.  Weeks begin on Monday (ISO 8601).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

MS = 1000
NO_PLACES = ("localtime", "posixrules", "Factory")
HOUR_SECONDS, DAY_SECONDS = 3600, 86_400


class UnknownTimeZone(ValueError):
    """The time zone database does not have it."""


class Calendar(StrEnum):
    """The windows, by name."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @property
    def seconds(self) -> int:
        """The usual length; a month counts as 30 days."""
        return LENGTHS[self]


LENGTHS = {
    Calendar.MINUTE: 60,
    Calendar.HOUR: HOUR_SECONDS,
    Calendar.DAY: DAY_SECONDS,
    Calendar.WEEK: 7 * DAY_SECONDS,
    Calendar.MONTH: 30 * DAY_SECONDS,
}


class Bounds(NamedTuple):
    """When a window begins, the next one, and the one after that: milliseconds since 1970."""

    first: int
    second: int
    third: int


@lru_cache(maxsize=1024)
def zone(name: str) -> tzinfo:
    """The time zone; UnknownTimeZone.  UTC needs no database."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise UnknownTimeZone(name) from error


def is_place(name: str) -> bool:
    """Whether it is a time zone that means the same everywhere: the database has other files too, such as this
    machine's own zone and copies with leap seconds."""
    if name in NO_PLACES or name.startswith(("posix/", "right/")):
        return False
    try:
        zone(name)
    except UnknownTimeZone:
        return False
    return True


def bounds(calendar: Calendar, time_zone: str, now_ms: int) -> Bounds:
    """The window that contains `now_ms`, and the next one; UnknownTimeZone."""
    return Bounds(*(start * MS for start in islice(starts(calendar, zone(time_zone), now_ms // MS), 3)))


def starts(calendar: Calendar, where: tzinfo, seconds: int) -> Iterator[int]:
    """When windows begin, in seconds since 1970: that of the one that contains `seconds`, then the following ones."""
    start = _start(calendar, where, seconds)
    while True:
        yield start
        start = _next(calendar, where, start)


def _start(calendar: Calendar, where: tzinfo, seconds: int) -> int:
    local = datetime.fromtimestamp(seconds, where)
    if calendar in (Calendar.MINUTE, Calendar.HOUR):
        offset = int((local.utcoffset() or timedelta()).total_seconds())
        return seconds - (seconds + offset) % calendar.seconds
    day = local.date()
    if calendar is Calendar.WEEK:
        day -= timedelta(days=day.weekday())
    elif calendar is Calendar.MONTH:
        day = day.replace(day=1)
    return _midnight(day, where)


def _next(calendar: Calendar, where: tzinfo, start: int) -> int:
    if calendar in (Calendar.MINUTE, Calendar.HOUR):
        return start + calendar.seconds
    # Where the clocks skip midnight, the day begins at a later hour of the same date.
    day = datetime.fromtimestamp(start, where).date()
    if calendar is Calendar.MONTH:
        return _midnight((day.replace(day=1) + timedelta(days=32)).replace(day=1), where)
    return _midnight(day + timedelta(days=1 if calendar is Calendar.DAY else 7), where)


def _midnight(day: date, where: tzinfo) -> int:
    return int(datetime.combine(day, time(), where).timestamp())
