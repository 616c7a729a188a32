"""Lengths of time as the key manager writes them: `30s`, `1m`, `1h30m`, `7d`.  Pure."""

import re

from tenancy.directory.stored_limits import StoredLimit

UNITS = {"w": 7 * 86_400, "d": 86_400, "h": 3600, "m": 60, "s": 1}
WINDOW = re.compile(r"(?:[0-9]{1,9}[wdhms]){1,5}")
PART = re.compile(r"([0-9]+)([wdhms])")
MAX_SECONDS = 366 * 86_400


def seconds_of(text: object) -> int:
    """In seconds; ValueError."""
    if not isinstance(text, str) or not WINDOW.fullmatch(text):
        raise ValueError("must be a length of time such as 30s, 1m, 1h30m or 7d")
    seconds = sum(int(number) * UNITS[unit] for number, unit in PART.findall(text))
    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError("must be at least 1s and at most 366d")
    return seconds


def window_of(limit: StoredLimit) -> str:
    """The window in one unit, or the name of a calendar's, such as `month`."""
    if limit.calendar is not None:
        return limit.calendar
    unit = next(unit for unit in "dhms" if limit.window_seconds % UNITS[unit] == 0)
    return f"{limit.window_seconds // UNITS[unit]}{unit}"
