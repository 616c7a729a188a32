"""Lengths of time as other systems write them: `30s`, `1h30m`, `7d`.  Pure."""

import re

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "mo": 30 * 86_400}
PART = re.compile(r"([1-9]\d{0,8})(mo|[smhdw])")
WHOLE = re.compile(rf"({PART.pattern})+")


def seconds_of(text: str) -> int:
    """ValueError for what is no length of time."""
    if not WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is no length of time")
    return sum(int(count) * SECONDS[unit] for count, unit in PART.findall(text))
