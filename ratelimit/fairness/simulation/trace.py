"""Traces: who asked when, for how much.  From CSV files, the public ones of LLM services too, or synthetic.

Columns are found by their names: `at` (seconds, or dates), `tenant`, `input_tokens`, `output_tokens`; or as in the
traces that Azure (TIMESTAMP, ContextTokens, GeneratedTokens) and BurstGPT (Timestamp, Request tokens, Response tokens)
publish.
"""

import csv
import random
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

COLUMNS = {
    "at": ("at", "arrived_at", "arrival_time", "timestamp", "time"),
    "tenant": ("tenant", "tenant_id", "client", "user_id"),
    "input_tokens": ("input_tokens", "contexttokens", "request tokens", "prompt_tokens", "num_prefill_tokens"),
    "output_tokens": ("output_tokens", "generatedtokens", "response tokens", "completion_tokens", "num_decode_tokens"),
}

MAX_REQUESTS = 1_000_000


class UnreadableTrace(ValueError):
    """Says what is wrong, and in which line."""


class Request(NamedTuple):
    """`at` in seconds since the trace began."""

    at: float
    tenant: str
    input_tokens: int
    output_tokens: int


def read(path: Path, tenants: int) -> list[Request]:
    """In order of time, at most MAX_REQUESTS.  Those without a tenant are dealt out to `tenants` of them: `tenant-1`,
    and so on."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        names = _columns(rows.fieldnames or ())
        found: list[Request] = []
        for number, row in enumerate(rows, 2):
            if len(found) >= MAX_REQUESTS:
                break
            found.append(_request(row, names, number, f"tenant-{len(found) % tenants + 1}"))
    if not found:
        raise UnreadableTrace("there are no requests in it")
    begin = min(request.at for request in found)
    return sorted(request._replace(at=request.at - begin) for request in found)


def _columns(header: Iterable[str]) -> dict[str, str]:
    by_name = {name.strip().lower(): name for name in header}
    found = {field: next((by_name[name] for name in names if name in by_name), "") for field, names in COLUMNS.items()}
    for field in ("at", "input_tokens", "output_tokens"):
        if not found[field]:
            raise UnreadableTrace(f"no column for {field}; it may be named {', '.join(COLUMNS[field])}")
    return found


def _request(row: Mapping[str, str], names: Mapping[str, str], line: int, tenant: str) -> Request:
    try:
        counts = [int(float(row[names[field]])) for field in ("input_tokens", "output_tokens")]
        if min(counts) < 0:
            raise ValueError("a negative count")
        named = row[names["tenant"]] if names["tenant"] else ""
        return Request(_seconds(row[names["at"]]), named or tenant, *counts)
    except (TypeError, ValueError, OverflowError) as error:
        raise UnreadableTrace(f"line {line}: {error}") from error


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        # Azure's have seven digits after the point.
        return datetime.fromisoformat(text.strip()[:26]).timestamp()


def steady(seconds: float, seed: int) -> list[Request]:
    """Two tenants that always want more than there is: `long` asks for answers ten times as long as `short`."""
    return _merged(seed, seconds, long=(4.0, 200, 1000), short=(20.0, 200, 100))


def flood(seconds: float, seed: int) -> list[Request]:
    """`flood` asks for fifty times what its share is; `quiet` and `small` for less than theirs."""
    return _merged(seed, seconds, flood=(100.0, 300, 300), quiet=(1.0, 300, 300), small=(0.5, 100, 100))


def bursts(seconds: float, seed: int) -> list[Request]:
    """`batch` sends all of its work at the begin of each half minute; `chat` asks all the time."""
    chance = random.Random(seed)  # noqa: S311 - a trace, not a secret
    work = [
        Request(start + i * 0.001, "batch", 500, chance.randint(100, 600))
        for start in range(0, int(seconds), 30)
        for i in range(120)
    ]
    return sorted(work + _merged(seed, seconds, chat=(4.0, 400, 250)))


SYNTHETIC: Mapping[str, Callable[[float, int], list[Request]]] = {"steady": steady, "flood": flood, "bursts": bursts}


def _merged(seed: int, seconds: float, **tenants: tuple[float, int, int]) -> list[Request]:
    """Poisson arrivals a second, and about so many tokens of input and output."""
    chance = random.Random(seed)  # noqa: S311 - a trace, not a secret
    found = []
    for tenant, (rate, input_tokens, output_tokens) in tenants.items():
        at = chance.expovariate(rate)
        while at < seconds:
            size = chance.uniform(0.5, 1.5)
            found.append(Request(at, tenant, int(input_tokens * size), int(output_tokens * size)))
            at += chance.expovariate(rate)
    return sorted(found)
