"""Which sums make up a stretch of time: whole days, hours and minutes that are rolled up, and rows for the rest.  Pure.

A bucket can be used when nothing within it has changed since it was summed up; a mark says that something has.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = (timedelta(seconds=seconds) for seconds in (60, 3600, 86400))
ROWS = timedelta()  # the width of stretches that are read from rows
WIDTHS = (DAY, HOUR, MINUTE)


@dataclass(frozen=True, slots=True)
class Mark:
    """The sums in `bucket` are stale: what is below it has changed."""

    width: timedelta
    bucket: datetime


@dataclass(frozen=True, slots=True)
class Stretch:
    """Whole buckets of one width from `start` to before `stop`, or rows."""

    width: timedelta
    start: datetime
    stop: datetime


class Cover:
    """`minutes_from`: the first minute that is kept in the rollups."""

    def __init__(self, marks: Iterable[Mark], minutes_from: datetime) -> None:
        marks = list(marks)
        self._minutes_from = minutes_from
        self._stale = {
            width: sorted({floor(mark.bucket, width) for mark in marks if mark.width <= width}) for width in WIDTHS
        }

    def of(self, start: datetime, stop: datetime) -> list[Stretch]:
        """In order, without gaps or overlaps; the fewest and widest buckets that can be used."""
        found: list[Stretch] = []
        for each in self._fill(start, stop, WIDTHS):
            last = found[-1] if found else None
            if last is not None and last.width == each.width and last.stop == each.start:
                found[-1] = Stretch(each.width, last.start, each.stop)
            else:
                found.append(each)
        return found

    def _fill(self, start: datetime, stop: datetime, widths: Sequence[timedelta]) -> Iterator[Stretch]:
        if start >= stop:
            return
        if not widths:
            yield Stretch(ROWS, start, stop)
            return
        width, narrower = widths[0], widths[1:]
        at, last = ceiling(start, width), floor(stop, width)
        if width == MINUTE:
            at = max(at, self._minutes_from)
        if at >= last:
            yield from self._fill(start, stop, narrower)
            return
        yield from self._fill(start, at, narrower)
        for stale in self._stale_within(width, at, last):
            if at < stale:
                yield Stretch(width, at, stale)
            yield from self._fill(stale, stale + width, narrower)
            at = stale + width
        if at < last:
            yield Stretch(width, at, last)
        yield from self._fill(last, stop, narrower)

    def _stale_within(self, width: timedelta, start: datetime, stop: datetime) -> list[datetime]:
        stale = self._stale[width]
        return stale[bisect_left(stale, start) : bisect_left(stale, stop)]


def floor(time: datetime, width: timedelta) -> datetime:
    """The start of the bucket that holds `time`, in UTC."""
    return EPOCH + (time - EPOCH) // width * width


def ceiling(time: datetime, width: timedelta) -> datetime:
    """`time` if a bucket starts there, else the start of the next."""
    start = floor(time, width)
    return start if start == time else start + width
