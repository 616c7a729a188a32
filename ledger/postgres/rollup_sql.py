"""The SQL that the roller and the reports share: how rows are summed up, and how those sums are."""

# ruff: noqa: S608 - statements are put together from this file's own constants only

from collections.abc import Iterable, Mapping

from ledger.row import SUMS_OF_PARTS
from ledger.sums import DIMENSIONS, FIGURES, SERVER_ERROR
from tenancy.values.admission import Admission

# Columns of usage_rollups.
GROUPED = ("tenant_id", "key_id", "user_id", "model", "admission")
SUMMED = (
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "reserved_tokens",
    "total_ms",
    "input_cost",
    "cached_cost",
    "output_cost",
    "saved_input_tokens",
    "saved_output_tokens",
    "saved_cost",
)
COUNTED = {
    "rows": "sum(requests)",
    "errors": f"count(*) FILTER (WHERE status >= {SERVER_ERROR} AND admission <> '{Admission.REFUSED}')",
    "cache_hits": "count(*) FILTER (WHERE cached_tokens > 0)",
    "response_cache_hits": f"count(*) FILTER (WHERE admission = '{Admission.CACHED}')",
    "response_cache_bytes": f"coalesce(sum(bytes_out) FILTER (WHERE admission = '{Admission.CACHED}'), 0)",
}
COLUMNS = ", ".join(("width", "bucket", "grain", *GROUPED, *COUNTED, *SUMMED, *SUMS_OF_PARTS))
# The dimensions that each grain tells apart, beside the admission, which all do.
GRAINS = (DIMENSIONS, ("tenant_id", "model"), ("model",), ("tenant_id", "key_id", "user_id"))
# By width.  Few requests of a minute are alike, so of the coarser grains only the coarsest saves anything there.
GRAINS_KEPT = {60: (0, 2), 3600: (0, 1, 2, 3), 86400: (0, 1, 2, 3)}
COARSEST_FIRST = (2, 1, 3, 0)


def _sum_of(parts: Iterable[str]) -> str:
    """The sum of these parts of a row."""
    return " + ".join(f"coalesce((parts->>'{part}')::bigint, 0)" for part in parts)


_SUMS = ", ".join(f"sum({name}) AS {name}" for name in SUMMED)
_PARTS_OF_ROWS = {
    name: f"coalesce(sum({_sum_of(parts)}) FILTER (WHERE parts IS NOT NULL), 0)"
    for name, parts in SUMS_OF_PARTS.items()
}
# Null: not known yet, see store/migrations/ledger/0008_quantities.sql.
_PARTS_OF_ROLLUPS = {name: f"coalesce(sum({name}), 0)" for name in SUMS_OF_PARTS}


def _named(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{column} AS {name}" for name, column in columns.items())


_ROWS_AS_ROLLUPS = f"{_named(COUNTED)}, {_SUMS}, {_named(_PARTS_OF_ROWS)}"
_SUMS_OF_ROLLUPS = f"{_named({name: f'sum({name})' for name in COUNTED})}, {_SUMS}, {_named(_PARTS_OF_ROLLUPS)}"
TABLES = {60: "usage_rollups_minute", 3600: "usage_rollups_hour", 86400: "usage_rollups_day"}


def roll_rows(width: int) -> str:
    """Fills the buckets of stretches of time, from $1 to before $2 (arrays of whole buckets), from rows."""
    return _filled(
        width,
        f"""
SELECT found.* FROM unnest($1::timestamptz[], $2::timestamptz[]) AS stretch (start, stop) CROSS JOIN LATERAL (
    SELECT date_bin('{width} seconds', ts, '1970-01-01Z') AS bucket, {_list(GROUPED)}, {_ROWS_AS_ROLLUPS} FROM usage
    WHERE ts >= start AND ts < stop
    GROUP BY bucket, {_list(GROUPED)}
) AS found""",
    )


def roll_rollups(width: int, narrower: int) -> str:
    """Fills the bucket $1 from the buckets of a smaller width."""
    return _filled(
        width,
        f"""
SELECT $1::timestamptz AS bucket, {_list(GROUPED)}, {_SUMS_OF_ROLLUPS} FROM {TABLES[narrower]}
WHERE grain = 0 AND bucket >= $1 AND bucket < $1::timestamptz + interval '{width} seconds'
GROUP BY {_list(GROUPED)}""",
    )


def _filled(width: int, finest: str) -> str:
    """Each row is added up once, to the lines of the finest grain; the coarser grains are sums of those few lines."""
    coarser = GRAINS_KEPT[width][1:]
    told = [name for name in DIMENSIONS if any(name in GRAINS[grain] for grain in coarser)]
    bits = {
        grain: sum(1 << i for i, name in enumerate(reversed(told)) if name not in GRAINS[grain]) for grain in coarser
    }
    cases = " ".join(f"WHEN {bits[grain]} THEN {grain}" for grain in coarser)
    columns = _list(f"coalesce({name}, '')" if name in (*told, "admission") else "''" for name in GROUPED)
    return f"""
WITH finest AS MATERIALIZED ({finest}
)
INSERT INTO {TABLES[width]} ({COLUMNS})
SELECT {width}, bucket, 0, {_list((*GROUPED, *COUNTED, *SUMMED, *SUMS_OF_PARTS))} FROM finest
UNION ALL
SELECT {width}, bucket, CASE grouping({_list(told)}) {cases} END, {columns}, {_SUMS_OF_ROLLUPS} FROM finest
GROUP BY bucket, admission, GROUPING SETS ({_list(f"({_list(GRAINS[grain])})" for grain in coarser)})
"""


def clear(width: int) -> str:
    """Empties the buckets $1 (an array of their starts)."""
    return f"DELETE FROM {TABLES[width]} WHERE bucket = ANY ($1::timestamptz[])"


def figures(of_rows: bool, wanted: Iterable[str] = FIGURES) -> list[str]:
    """The columns of sums.FIGURES that are wanted, as sums of rows or of rollups."""
    counts = "sum(requests)" if of_rows else "sum(rows)"
    columns = {
        "requests": f"coalesce({counts} FILTER (WHERE admission <> '{Admission.REFUSED}'), 0)",
        "refused": f"coalesce({counts} FILTER (WHERE admission = '{Admission.REFUSED}'), 0)",
        **{name: COUNTED[name] if of_rows else f"sum({name})" for name in COUNTED if name != "rows"},
        **{name: f"sum({name})" for name in SUMMED},
        **(_PARTS_OF_ROWS if of_rows else _PARTS_OF_ROLLUPS),
    }
    return [f"{columns[name]} AS {name}" for name in wanted]


def grain_for(width: int, dimensions: Iterable[str]) -> int:
    """The coarsest grain that is kept and has these dimensions."""
    wanted = set(dimensions)
    return next(grain for grain in COARSEST_FIRST if grain in GRAINS_KEPT[width] and wanted <= {*GRAINS[grain]})


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
