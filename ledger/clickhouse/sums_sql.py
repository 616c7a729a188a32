"""The statements that add up rows of ClickHouse's `usage`, or lines of `usage_sums`.  Pure."""

# ruff: noqa: S608 - statements are put together from the slice's own constants only

import heapq
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from ledger.clickhouse.requests import micros
from ledger.cover import DAY, HOUR, ROWS, Stretch
from ledger.sums import DIMENSIONS, FIGURES, MEASURES, SERVER_ERROR, Group, Selection
from tenancy.values.admission import Admission

Slots = dict[timedelta, list[tuple[int, Stretch]]]
Rolls = tuple[Sequence[str], Sequence[tuple[str, str]]]  # of whole days; of hours of other days, with the hour
Values = dict[str, Any]
MAX_RANGES = 64  # of time, in one statement: a month of days that begin within an hour has 61

_COUNTED = {
    "requests": f"sumIf(requests, admission <> '{Admission.REFUSED}')",
    "refused": f"sumIf(requests, admission = '{Admission.REFUSED}')",
    "errors": f"countIf(status >= {SERVER_ERROR} AND admission <> '{Admission.REFUSED}')",
    "cache_hits": "countIf(cached_tokens > 0)",
    "response_cache_hits": f"countIf(admission = '{Admission.CACHED}')",
    "response_cache_bytes": f"sumIf(bytes_out, admission = '{Admission.CACHED}')",
}
MONEY = frozenset(name for name in FIGURES if name.endswith("_cost"))


def _of_rows(name: str) -> str:
    found = _COUNTED.get(name, f"sum({name})")
    return found if name in MONEY else f"toInt64({found})"


# Under other names than the columns', which ClickHouse would take for them.
_ROWS = ", ".join(f"{_of_rows(name)} AS s_{name}" for name in FIGURES)
_LINES = ", ".join(f"sum({name}) AS s_{name}" for name in FIGURES)
_SUMS = ", ".join(f"sum(s_{name})" for name in FIGURES)
_AT = {ROWS: "toUnixTimestamp64Milli(ts) * 1000", HOUR: "toInt64(bucket) * 1000000", DAY: "toInt64(bucket) * 1000000"}

_OF_ROLLS = {
    DAY: "roll IN {rolls:Array(UUID)}",
    HOUR: "(roll IN {rolls:Array(UUID)} OR (bucket, roll) IN {hours:Array(Tuple(DateTime('UTC'), UUID))})",
}


def sums_of(
    slots: Slots,
    rolls: Rolls,
    selection: Selection,
    group_by: Sequence[str],
    limit: int,
    after: tuple[int, Group] | None = None,
    by: str = "",
) -> tuple[str, Values]:
    """The query and its values; `slots` is not empty.  `by`: the largest first, of MEASURES, instead of in order."""
    values: Values = {"limit": limit, "rolls": [*rolls[0]], "hours": [*rolls[1]]}
    parts = [
        _part(width, layer, f"{number}_{int(width.total_seconds())}", filters_of(selection, values), group_by, values)
        for width, stretches in slots.items()
        for number, layer in enumerate(_layers(stretches))
    ]
    keys = ["slot", *group_by]
    having, order = "", ", ".join(keys)
    if after is not None:
        places = []
        for number, value in enumerate((after[0], *after[1])):
            values[f"after_{number}"] = value
            places.append(f"{{after_{number}:{'String' if number else 'Int64'}}}")
        having = f"HAVING tuple({', '.join(keys)}) > tuple({', '.join(places)})"
    if by:
        order = f"{' + '.join(f'sum(s_{name})' for name in MEASURES[by])} DESC, {order}"
    return (
        f"SELECT {', '.join(keys)}, {_SUMS} FROM ({' UNION ALL '.join(parts)})"
        f" GROUP BY {', '.join(keys)} {having} ORDER BY {order} LIMIT {{limit:Int64}}",
        values,
    )


_KEYS = ", ".join(DIMENSIONS)
_INSERT = f"INSERT INTO usage_sums (roll, width, bucket, {_KEYS}, {', '.join(FIGURES)})"
# Inserts the lines of hours as the roll {roll:UUID}, and those of a day from the lines of its hours.
ROLL_HOURS = f"""
{_INSERT}
SELECT {{roll:UUID}}, {int(HOUR.total_seconds())}, toStartOfHour(ts) AS at, {_KEYS}, {_ROWS} FROM usage FINAL
WHERE ts >= {{start:DateTime('UTC')}} AND ts < {{start:DateTime('UTC')}} + INTERVAL {{hours:Int64}} HOUR
GROUP BY at, {_KEYS}
"""
ROLL_DAY = f"""
{_INSERT}
SELECT {{roll:UUID}}, {int(DAY.total_seconds())}, {{start:DateTime('UTC')}}, {_KEYS}, {_LINES} FROM usage_sums
WHERE width = {int(HOUR.total_seconds())} AND roll = {{roll:UUID}}
    AND bucket >= {{start:DateTime('UTC')}} AND bucket < {{start:DateTime('UTC')}} + INTERVAL 1 DAY GROUP BY {_KEYS}
"""


def filters_of(selection: Selection, values: Values) -> str:
    found = ""
    for name, value in selection.items():
        values[f"is_{name}"] = value
        found += f" AND {name} = {{is_{name}:String}}"
    if selection.tenants is not None:
        values["tenants"] = [*selection.tenants]
        found += " AND tenant_id IN {tenants:Array(String)}"
    return found


def _part(
    width: timedelta,
    stretches: Sequence[tuple[int, Stretch]],
    name: str,
    filters: str,
    group_by: Sequence[str],
    values: Values,
) -> str:
    """Of stretches in order that do not overlap: a time is in the one that begins last before it, if in any."""
    starts, stops = ([micros(getattr(each, end)) for _, each in stretches] for end in ("start", "stop"))
    values |= {f"slots_{name}": [slot for slot, _ in stretches], f"starts_{name}": starts, f"stops_{name}": stops}
    array = {what: f"{{{what}_{name}:Array(Int64)}}" for what in ("slots", "starts", "stops")}
    at = _AT[width]
    begin = f"roundDown({at}, {array['starts']})"
    slot, stop = (f"transform({begin}, {array['starts']}, {array[what]}, toInt64(0))" for what in ("slots", "stops"))
    if len(stretches) == 1:
        slot, stop = f"toInt64({stretches[0][0]})", f"toInt64({stops[0]})"
    bounds = f"{at} >= {starts[0]} AND {at} < {stop}"
    table, figures, column = "usage FINAL", _ROWS, "ts"
    if width != ROWS:
        table, figures, column = "usage_sums", _LINES, "bucket"
        bounds += f" AND width = {int(width.total_seconds())} AND {_OF_ROLLS[width]}"
    within = (f"{column} >= {_time(start)} AND {column} < {_time(stop)}" for start, stop in ranges(stretches))
    bounds += f" AND ({' OR '.join(within)})"
    keys = ", ".join((f"{slot} AS slot", *group_by))
    grouping = ", ".join(("slot", *group_by))
    return f"SELECT {keys}, {figures} FROM {table} WHERE {bounds}{filters} GROUP BY {grouping}"


def ranges(stretches: Sequence[tuple[int, Stretch]]) -> list[tuple[datetime, datetime]]:
    """What is read, by the order of the table: all of the stretches, and of what is between them the narrowest gaps, so
    that there are at most MAX_RANGES."""
    each = [stretch for _, stretch in stretches]
    gaps = [(after.start - before.stop, number) for number, (before, after) in enumerate(pairwise(each), 1)]
    widest = heapq.nlargest(MAX_RANGES - 1, (gap for gap in gaps if gap[0]))
    cuts = [0, *sorted(number for _, number in widest), len(each)]
    return [(each[first].start, each[end - 1].stop) for first, end in pairwise(cuts)]


def _time(time: datetime) -> str:
    return f"fromUnixTimestamp64Micro(toInt64({micros(time)}), 'UTC')"


def _layers(stretches: Sequence[tuple[int, Stretch]]) -> list[list[tuple[int, Stretch]]]:
    """In order of time, and none that overlaps another of its layer."""
    layers: list[list[tuple[int, Stretch]]] = []
    for each in sorted(stretches, key=lambda found: found[1].start):
        for layer in layers:
            if layer[-1][1].stop <= each[1].start:
                layer.append(each)
                break
        else:
            layers.append([each])
    return layers
