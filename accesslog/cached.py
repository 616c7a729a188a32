"""What a request that was answered from the cache is charged, and what that saved.  Pure."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import asdict, replace

from accesslog.entry import LogEntry
from accesslog.usage import NO_USAGE, Usage
from tenancy.values.admission import Admission
from tenancy.values.response_cache import FULL, charged_part


class Charged(NamedTuple):
    """`saved`: what the answer is worth beyond the charge; nothing if a model produced it for this request."""

    usage: Usage
    saved: Usage = NO_USAGE


def charged_of(entry: LogEntry, usage: Usage) -> Charged:
    """`usage`: what the answer is worth, whether kept or newly produced."""
    if entry.decision.admission != Admission.CACHED:
        return Charged(usage)
    percent = min(entry.decision.cache_percent, FULL)
    saved = _each(usage, lambda count: count - charged_part(count, percent=percent))
    return Charged(_each(usage, lambda count: charged_part(count, percent=percent)) if percent else NO_USAGE, saved)


def _each(usage: Usage, change: Callable[[int], int]) -> Usage:
    """With all counts changed."""
    counts = {name: change(count) for name, count in asdict(usage).items() if name != "source"}
    return replace(usage, **counts)
