"""Traces: who asked when, for how much.  From CSV files, the public ones of LLM services too, or synthetic.

Columns are found by their names: `at` (seconds, or dates), `tenant`, `input_tokens`, `output_tokens`; or as in the
traces that Azure (TIMESTAMP, ContextTokens, GeneratedTokens, of 2023 and 2024) and BurstGPT (Timestamp, Request tokens,
Response tokens) publish.  Dates without a zone are UTC.
"""

import csv
import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")

COLUMNS = {
    "at": ("at", "arrived_at", "arrival_time", "timestamp", "time"),
    "tenant": ("tenant", "tenant_id", "client", "user_id"),
    "input_tokens": ("input_tokens", "contexttokens", "request tokens", "prompt_tokens", "num_prefill_tokens"),
    "output_tokens": ("output_tokens", "generatedtokens", "response tokens", "completion_tokens", "num_decode_tokens"),
}

MAX_REQUESTS, MAX_TOKENS = 1_000_000, 10_000_000


class UnreadableTrace(ValueError):
    """The text says what is wrong, and in which line."""


class Request(NamedTuple):
    """`at` in seconds since the trace began."""

    at: float
    tenant: str
    input_tokens: int
    output_tokens: int


def read(path: Path, tenants: int, begin: float = 0.0, seconds: float = math.inf) -> list[Request]:
    """In order of time: those of `seconds`, from `begin` seconds after the first, at most MAX_REQUESTS.  Those
    without a tenant are dealt out to `tenants` of them: `tenant-1`, and so on."""
    first = min(_read(path, lambda row, places, _: _seconds(row[places["at"]])), default=None)
    if first is None:
        raise UnreadableTrace("there are no requests in it")
    begin += first
    found: list[Request] = []
    # Read again, since a trace may be larger than memory, and in any order.
    for request in _read(path, lambda row, places, number: _request(row, places, f"tenant-{number % tenants + 1}")):
        if begin <= request.at < begin + seconds:
            if len(found) == MAX_REQUESTS:
                raise UnreadableTrace(f"more than {MAX_REQUESTS:,} requests; look at fewer seconds of it")
            found.append(request._replace(at=request.at - begin))
    if not found:
        raise UnreadableTrace("there are no requests in these seconds of it")
    return sorted(found)


def _read(path: Path, what: Callable[[Sequence[str], Mapping[str, int], int], T]) -> Iterator[T]:
    """`what` of each row that is not empty, from the columns of the fields and the row's number."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        try:
            places = _places(next(rows, []))
            for number, row in enumerate(row for row in rows if row):
                yield what(row, places, number)
        except (csv.Error, ValueError, IndexError, OverflowError) as error:
            if isinstance(error, UnreadableTrace | UnicodeDecodeError):
                raise
            reason = "too few columns" if isinstance(error, IndexError) else error
            raise UnreadableTrace(f"line {rows.line_num}: {reason}") from error


def _places(header: Iterable[str]) -> dict[str, int]:
    """Which column each field of a request is in."""
    by_name = {name.strip().lower(): place for place, name in enumerate(header)}
    found = {}
    for field, names in COLUMNS.items():
        if (name := next((name for name in names if name in by_name), None)) is not None:
            found[field] = by_name[name]
        elif field != "tenant":
            raise UnreadableTrace(f"line 1: no column for {field}; it may be named {', '.join(names)}")
    return found


def _request(row: Sequence[str], places: Mapping[str, int], tenant: str) -> Request:
    named = row[places["tenant"]].strip() if "tenant" in places else ""
    counts = [_count(row[places[field]]) for field in ("input_tokens", "output_tokens")]
    return Request(_seconds(row[places["at"]]), named or tenant, *counts)


def _count(text: str) -> int:
    count = int(float(text))
    if count < 0:
        raise ValueError("a negative count of tokens")
    if count > MAX_TOKENS:
        raise ValueError(f"more than {MAX_TOKENS:,} tokens")
    return count


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        date = datetime.fromisoformat(text.strip())
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(seconds):
        raise ValueError(f"{text} is no time")
    return seconds


def steady(seconds: float, seed: int) -> list[Request]:
    """Two tenants that always want more than there is: `long` asks for answers ten times as long as `short`."""
    return _merged(seconds, seed, long=(4.0, 200, 1000), short=(20.0, 200, 100))


def flood(seconds: float, seed: int) -> list[Request]:
    """`flood` asks for fifty times what its share is, from a quarter of the time until three quarters; `quiet` and
    `small` ask for less than theirs, all the time."""
    wave = _merged(seconds / 2, seed, flood=(100.0, 300, 300))
    others = _merged(seconds, seed + 1, quiet=(1.0, 300, 300), small=(0.5, 100, 100))
    return sorted([*others, *(each._replace(at=each.at + seconds / 4) for each in wave)])


def bursts(seconds: float, seed: int) -> list[Request]:
    """`batch` sends all of its work at the begin of each half minute; `chat` asks all the time."""
    chance = random.Random(seed)  # noqa: S311 - a trace, not a secret
    work = [
        Request(start + i * 0.001, "batch", 500, chance.randint(100, 600))
        for start in range(0, int(seconds), 30)
        for i in range(120)
    ]
    return sorted(work + _merged(seconds, seed, chat=(4.0, 400, 250)))


SYNTHETIC: Mapping[str, Callable[[float, int], list[Request]]] = {"steady": steady, "flood": flood, "bursts": bursts}


def _merged(seconds: float, seed: int, **tenants: tuple[float, int, int]) -> list[Request]:
    """Poisson arrivals.  `tenants`: arrivals a second, and the mean tokens of input and of output."""
    chance = random.Random(seed)  # noqa: S311 - a trace, not a secret
    found = []
    for tenant, (rate, input_tokens, output_tokens) in tenants.items():
        at = chance.expovariate(rate)
        while at < seconds:
            size = chance.uniform(0.5, 1.5)
            found.append(Request(at, tenant, int(input_tokens * size), int(output_tokens * size)))
            at += chance.expovariate(rate)
    return sorted(found)
