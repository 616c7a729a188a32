from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenancy.values.calendar import Calendar, UnknownTimeZone, bounds, zone

# With changes of the clocks at midnight, by half an hour, and of the date line.
ZONES = [
    "UTC",
    "Europe/Paris",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kolkata",
]
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def ms(text: str, where: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(where)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("calendar", "where", "now", "first", "second", "third"),
    [
        ("minute", "UTC", "2026-03-05T10:20:30", "2026-03-05T10:20", "2026-03-05T10:21", "2026-03-05T10:22"),
        ("hour", "Asia/Kolkata", "2026-03-05T10:20", "2026-03-05T10:00", "2026-03-05T11:00", "2026-03-05T12:00"),
        ("day", "Europe/Paris", "2026-03-29T12:00", "2026-03-29", "2026-03-30", "2026-03-31"),
        ("week", "Europe/Paris", "2026-03-29T12:00", "2026-03-23", "2026-03-30", "2026-04-06"),
        ("week", "UTC", "2026-03-23T00:00", "2026-03-23", "2026-03-30", "2026-04-06"),
        ("month", "Europe/Paris", "2026-12-31T23:59", "2026-12-01", "2027-01-01", "2027-02-01"),
        ("month", "UTC", "2024-02-29T00:00", "2024-02-01", "2024-03-01", "2024-04-01"),
    ],
)
def test_windows_begin_where_people_expect(
    calendar: str, where: str, now: str, first: str, second: str, third: str
) -> None:
    expected = tuple(ms(text, where) for text in (first, second, third))
    assert bounds(Calendar(calendar), where, ms(now, where)) == expected


def test_a_day_of_changing_clocks_is_shorter_or_longer() -> None:
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25)):
        first, second, _ = bounds(Calendar.DAY, "Europe/Paris", ms(f"{day}T12:00", "Europe/Paris"))
        assert second - first == hours * HOUR_MS


@given(calendar=st.sampled_from(Calendar), where=st.sampled_from(ZONES), now_ms=st.integers(10**12, 2 * 10**12))
def test_windows_hold_their_moment_and_follow_each_other(calendar: Calendar, where: str, now_ms: int) -> None:
    first, second, third = bounds(calendar, where, now_ms)
    assert first <= now_ms < second < third
    if calendar in (Calendar.DAY, Calendar.WEEK, Calendar.MONTH):
        assert bounds(calendar, where, second)[:2] == (second, third)


def test_the_time_zone_must_exist() -> None:
    assert zone("UTC") is UTC
    for name in ("Moon/Base", "../etc/passwd", "", "Europe"):
        with pytest.raises(UnknownTimeZone):
            bounds(Calendar.DAY, name, 0)
