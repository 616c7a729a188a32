"""What every report does: reads its cursor, asks for one line more than fits, answers as JSON or CSV."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Request, Response

from admin.api.paging import cut, encode, not_a_cursor
from admin.api.problems import MEDIA_TYPE
from admin.api.reports.figures import shown
from admin.api.reports.span import Buckets, Span
from admin.commands.buckets import EARLIEST, HOUR
from admin.commands.queries import names, reports
from admin.commands.session import Session
from admin.gate.sheet import CSV, sheet
from ledger.sums import Interval, Line

NEXT_CURSOR = "tollkeeper-next-cursor"
GROUPED_BUCKETS = 100
ROWS_READ = timedelta(hours=6)  # of time for which there are neither minutes nor whole hours to add up
SERIES_BACK, BACK = timedelta(days=1), timedelta(days=30)
# What reports answer beside JSON.
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {CSV: {"schema": {"type": "string"}, "example": "tenant_id,requests\r\nacme,1200\r\n"}},
        "headers": {
            NEXT_CURSOR: {
                "description": "In answers in CSV: `next_cursor`, unless this page is the last",
                "schema": {"type": "string"},
            }
        },
    },
    404: {
        "description": "There is no such tenant, and never was one that used anything",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
}


@dataclass(frozen=True, slots=True)
class Found:
    """A page of lines of an interval."""

    interval: Interval
    lines: Sequence[Line]
    next_cursor: str | None

    def page(self, **more: object) -> dict[str, Any]:
        """The fields of every page of a report."""
        since, until = self.interval
        return {**more, "from": None if since == EARLIEST else since, "to": until, "next_cursor": self.next_cursor}


async def grouped(session: Session, query: Span, group_by: Sequence[str], back: timedelta | None) -> Found:
    """A page of sums by group.  The cursor holds the range too: pages after the first are of the same one."""
    position = query.position(*[str] * len(group_by))
    interval = position[0] if position else query.interval(back, datetime.now(UTC))
    after = (0, position[1]) if position else None
    found = await reports.usage(session, query.selection, [interval], group_by, query.limit + 1, after)
    lines, next_cursor = cut(found, query.limit, lambda line: (*_times(interval), *line.group))
    return Found(interval, lines, next_cursor)


async def in_buckets(session: Session, query: Buckets, group_by: Sequence[str]) -> tuple[Found, Sequence[datetime]]:
    """A page of sums by bucket and group, and the starts of the buckets, which the lines' slots count.

    A page looks at no more buckets than fit, and no more than can be looked at in time.  The cursor is the number of a
    bucket, and whether to go on within it, after which group."""
    position = query.position(int, bool, *[str] * len(group_by))
    interval = position[0] if position else query.interval(SERIES_BACK, datetime.now(UTC))
    first, within, *group = position[1] if position else (0, False)
    buckets = query.cut().of(interval)
    if not 0 <= first < len(buckets):
        raise not_a_cursor()
    last = first + _most(session, query, bool(group_by), buckets[first][0])
    page = buckets[first:last]
    after = (0, tuple(group)) if within else None
    found = await reports.usage(session, query.selection, [each for _, each in page], group_by, query.limit + 1, after)
    lines, next_cursor = cut(found, query.limit, lambda line: (*_times(interval), first + line.slot, True, *line.group))
    if next_cursor is None and last < len(buckets):
        next_cursor = encode((*_times(interval), last, False, *[""] * len(group_by)))
    return Found(interval, lines, next_cursor), [start for start, _ in page]


async def rows_of(session: Session, lines: Sequence[Line], group_by: Sequence[str]) -> list[dict[str, Any]]:
    """Lines as rows of an answer."""
    called = await names.of_groups(session, group_by, [line.group for line in lines])
    return [shown(line, group_by, each) for line, each in zip(lines, called, strict=True)]


def answer(
    request: Request, query: Span, name: str, columns: Sequence[str], rows: Sequence[dict[str, Any]], found: Found
) -> Response | dict[str, Any]:
    """The page with its rows under `name`, or the `columns` of the rows as CSV."""
    if wants_csv(request, query.format):
        return table(name, columns, rows, found.next_cursor)
    return found.page(**{name: rows})


def _most(session: Session, query: Buckets, grouped: bool, start: datetime) -> int:
    """How many buckets a page looks at, from the one that begins at `start`."""
    most = min(query.limit, GROUPED_BUCKETS) if grouped else query.limit
    if query.cut().seconds < HOUR.total_seconds() and start < datetime.now(UTC) - session.ports.sums.minutes_kept:
        most = min(most, max(1, int(ROWS_READ.total_seconds()) // query.cut().seconds))
    return most


def _times(interval: Interval) -> tuple[str, str]:
    return interval[0].isoformat(), interval[1].isoformat()


def wants_csv(request: Request, asked: str | None) -> bool:
    """By `format`, else if the Accept header names CSV and not JSON."""
    if asked is not None:
        return asked == "csv"
    accept = request.headers.get("accept", "").lower()
    return CSV in accept and "application/json" not in accept


def table(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], next_cursor: str | None) -> Response:
    """The `columns` of `rows` as CSV; where it goes on is in a header."""
    answer = sheet(name, columns, rows)
    if next_cursor is not None:
        answer.headers[NEXT_CURSOR] = next_cursor
    return answer
