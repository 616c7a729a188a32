"""A stretch of time is covered by whole buckets and rows: nothing twice, nothing missing, nothing stale."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ledger.cover import DAY, HOUR, MINUTE, ROWS, Cover, Mark, Stretch, ceiling, floor

START = datetime(2026, 3, 1, tzinfo=UTC)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-{text}+00:00")


def shown(cover: Cover, start: str, stop: str) -> list[str]:
    names = {DAY: "day", HOUR: "hour", MINUTE: "minute", ROWS: "rows"}
    return [
        f"{names[each.width]} {each.start:%d %H:%M:%S} {each.stop:%d %H:%M:%S}"
        for each in cover.of(at(start), at(stop))
    ]


def test_the_widest_buckets_are_used_and_the_edges_filled() -> None:
    assert shown(Cover([], LONG_AGO), "01T22:58:30", "04T01:01:00") == [
        "rows 01 22:58:30 01 22:59:00",
        "minute 01 22:59:00 01 23:00:00",
        "hour 01 23:00:00 02 00:00:00",
        "day 02 00:00:00 04 00:00:00",
        "hour 04 00:00:00 04 01:00:00",
        "minute 04 01:00:00 04 01:01:00",
    ]


def test_around_a_changed_minute_narrower_buckets_are_used() -> None:
    assert shown(Cover([Mark(MINUTE, at("02T12:30"))], LONG_AGO), "01T00:00", "04T00:00") == [
        "day 01 00:00:00 02 00:00:00",
        "hour 02 00:00:00 02 12:00:00",
        "minute 02 12:00:00 02 12:30:00",
        "rows 02 12:30:00 02 12:31:00",
        "minute 02 12:31:00 02 13:00:00",
        "hour 02 13:00:00 03 00:00:00",
        "day 03 00:00:00 04 00:00:00",
    ]


def test_a_changed_hour_leaves_its_minutes_and_a_changed_day_its_hours() -> None:
    marks = [Mark(HOUR, at("02T12:00")), Mark(DAY, at("03T00:00"))]
    assert shown(Cover(marks, LONG_AGO), "02T00:00", "04T00:00") == [
        "hour 02 00:00:00 02 12:00:00",
        "minute 02 12:00:00 02 13:00:00",
        "hour 02 13:00:00 04 00:00:00",
    ]


def test_where_minutes_are_no_longer_kept_there_are_rows() -> None:
    assert shown(Cover([], at("02T11:30")), "02T11:10", "02T11:50") == [
        "rows 02 11:10:00 02 11:30:00",
        "minute 02 11:30:00 02 11:50:00",
    ]


def test_nothing_covers_nothing() -> None:
    assert Cover([], LONG_AGO).of(START, START) == []


def test_long_ago_costs_nothing() -> None:
    assert Cover([], LONG_AGO).of(LONG_AGO, START) == [Stretch(DAY, LONG_AGO, START)]


seconds = st.integers(0, 4 * 86400)
marks = st.builds(
    lambda width, offset: Mark(width, floor(START + timedelta(seconds=offset), width)),
    st.sampled_from([MINUTE, HOUR, DAY]),
    seconds,
)


@given(seconds, seconds, st.lists(marks, max_size=20), seconds)
def test_every_instant_is_covered_once_by_something_fresh(
    start: int, length: int, marked: list[Mark], minutes_from: int
) -> None:
    begins, ends = START + timedelta(seconds=start), START + timedelta(seconds=start + length)
    kept_from = floor(START + timedelta(seconds=minutes_from), HOUR)
    found = Cover(marked, kept_from).of(begins, ends)
    edges = [begins, *(each.stop for each in found)]
    assert [each.start for each in found] == edges[:-1]
    assert edges[-1] == ends
    for each in found:
        assert each.start < each.stop
        if each.width == ROWS:
            continue
        assert floor(each.start, each.width) == each.start
        assert ceiling(each.stop, each.width) == each.stop
        assert each.width != MINUTE or each.start >= kept_from
        within = [mark for mark in marked if each.start <= mark.bucket < each.stop and mark.width <= each.width]
        assert within == []
