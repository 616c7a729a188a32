"""How long each report takes on a ledger of 10 million rows, over HTTP; exit 1 if one takes longer than 200 ms.

    python -m bench.parts.usage_10m [rows] [--keep DIRECTORY]

A month of traffic of 100 tenants, some far busier than others, with 1000 keys and 8 models, up to this moment.  The
rows are made by Postgres itself and rolled up as the management API does it; then some minutes are marked as changed,
as in live traffic.  Needs about 6 GB of disk.  --keep: keeps the database there, and finds it again.
"""

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from ledger.cover import DAY, HOUR, floor
from ledger.postgres.partitions import Month, first_instant, make_partition, month_of, next_month
from ledger.postgres.roller import MINUTES_KEPT, Roller
from ledger.sums import Interval
from store.migrate import migrate
from store.postgres import open_postgres
from tests.admin.conftest import run_admin
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.valkey import Valkey

DAYS = 30
ROUNDS = 9
LIMIT_MS = 200
LATE_MINUTES = 20
SETTINGS = (
    "shared_buffers=1GB",
    "max_wal_size=4GB",
    "checkpoint_timeout=30min",
    "wal_level=minimal",
    "max_wal_senders=0",
)
FILL = """
INSERT INTO usage (id, ts, request_id, tenant_id, key_id, user_id, model, admission, input_tokens, output_tokens,
                   cached_tokens, reserved_tokens, usage_source, status, denied_by, streamed, method, path, total_ms,
                   ttft_ms, bytes_in, bytes_out, input_cost, cached_cost, output_cost)
SELECT id, uuid_extract_timestamp(id), 'req-' || n,
       'tenant-' || tenant, 'key-' || tenant || '-' || (n % 10), 'user-' || (n % 10),
       'vendor/model-' || (n % 8), CASE WHEN n % 20 = 0 THEN 'refused' ELSE 'fast' END, 200 + n % 3000, 100 + n % 700,
       CASE WHEN n % 3 = 0 THEN 128 ELSE 0 END, 1200, 'reported', CASE WHEN n % 20 = 0 THEN 429 ELSE 200 END, '',
       n % 2 = 0, 'POST', '/v1/chat/completions', 900 + n % 5000, 120, 800, 3200,
       (200 + n % 3000) * 0.0000025, 0, (100 + n % 700) * 0.00001
FROM (
    SELECT n,
           uuidv7($1::timestamptz - clock_timestamp() + n * (($2::timestamptz - $1::timestamptz) / $3::integer)) AS id,
           ($4::integer * power(abs(hashint8(n)) / 2147483648.0, 2))::integer AS tenant
    FROM generate_series(0, $3::integer - 1) AS n OFFSET 0
) AS drawn
"""
MARK_ALL = """
INSERT INTO usage_marks (width, bucket)
SELECT 60, generate_series(date_bin('1 min', $1::timestamptz, '1970-01-01Z'), $2::timestamptz, '1 minute')
"""
# They are made again once the rows are there, which is faster.  ONLY: Postgres shows the index of a partitioned table
# without those of its partitions.
INDEXES = """
SELECT indexrelid::regclass::text AS name, replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') AS made
FROM pg_index WHERE indrelid = 'usage'::regclass AND NOT indisprimary
"""
COUNTS = "SELECT width, grain, count(*) FROM usage_rollups GROUP BY width, grain ORDER BY width, grain"
MARK_LATE = """
INSERT INTO usage_marks (width, bucket)
SELECT 60, date_bin('1 minute', now() - n * interval '7 minutes', '1970-01-01Z') FROM generate_series(1, $1) AS n
"""


async def fill(url: str, rows: int, tenants: int = 100) -> None:
    """Creates the rows, unless there are any."""
    connection = await asyncpg.connect(url)
    await migrate(connection)
    if await connection.fetchval("SELECT EXISTS (SELECT 1 FROM usage)"):
        await connection.close()
        return
    now = datetime.now(UTC)
    start = now - timedelta(days=DAYS)
    await connection.execute("UPDATE usage_horizon SET minutes_from = $1", floor(now - MINUTES_KEPT, HOUR))
    began = time.monotonic()
    async with open_postgres(url) as pool, pool.acquire() as pooled:
        for day in range(DAYS + 1):
            await make_partition(pooled, month_of(start + day * DAY))
    indexes = await connection.fetch(INDEXES)
    for name, _ in indexes:
        await connection.execute(f"DROP INDEX {name}")
    await connection.execute("ALTER TABLE usage DROP CONSTRAINT usage_pkey")
    months = groupby(_stretches(start, now), lambda stretch: month_of(stretch[0]))
    await asyncio.gather(*(_fill_month(url, month, [*stretches], rows // DAYS, tenants) for month, stretches in months))
    await connection.execute("ALTER TABLE usage ADD PRIMARY KEY (id, ts)", timeout=3600)
    for _, made in indexes:
        await connection.execute(made, timeout=3600)
    await connection.execute(MARK_ALL, start, now)
    print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
    await connection.execute("VACUUM ANALYZE usage", timeout=3600)
    await connection.close()


def _stretches(start: datetime, stop: datetime) -> Iterator[Interval]:
    """Days, cut where a month ends."""
    while start < stop:
        end = min(start + DAY, first_instant(next_month(month_of(start))), stop)
        yield start, end
        start = end


async def _fill_month(url: str, month: Month, stretches: Sequence[Interval], a_day: int, tenants: int) -> None:
    """In one transaction that begins with an empty table: with wal_level=minimal such rows are written once."""
    connection = await asyncpg.connect(url)
    # The triggers' work is done by MARK_ALL.
    await connection.execute("SET session_replication_role = replica; SET timezone = 'UTC'")
    async with connection.transaction():
        await connection.execute(f"TRUNCATE usage_{month[0]}_{month[1]:02}")
        for start, stop in stretches:
            await connection.execute(FILL, start, stop, round(a_day * ((stop - start) / DAY)), tenants, timeout=3600)
    await connection.close()


async def roll(url: str) -> None:
    async with open_postgres(url) as pool:
        began = time.monotonic()
        done = await Roller(pool).roll()
        print(f"{done} hours and days rolled up in {time.monotonic() - began:.1f} s", flush=True)
        began = time.monotonic()
        await pool.execute(MARK_LATE, LATE_MINUTES)
        sizes = "SELECT pg_size_pretty(sum(pg_total_relation_size(relid))) FROM pg_partition_tree($1::text::regclass)"
        for table in ("usage", "usage_rollups"):
            print(f"{table}: {await pool.fetchval(sizes, table, timeout=60)}", flush=True)
        counts = await pool.fetch(COUNTS, timeout=60)
        print("rollups:", ", ".join(f"{count:,} of {width} s grain {grain}" for width, grain, count in counts))


def routes() -> list[tuple[str, dict[str, Any]]]:
    """The requests that are timed."""
    now = datetime.now(UTC)

    def back(**delta: float) -> dict[str, str]:
        return {"from": (now - timedelta(**delta)).isoformat(), "to": now.isoformat()}

    month, odd = back(days=30), back(days=21, hours=5, minutes=17, seconds=3)
    return [
        ("/usage", {}),
        ("/usage", {"tenant_id": "tenant-0"}),
        ("/usage", {**month, "group_by": "key", "limit": 1000}),
        ("/usage", {**month, "group_by": "user", "limit": 1000}),
        ("/usage", {**odd, "group_by": "model"}),
        ("/usage/keys", {"limit": 100}),
        ("/usage/keys", {"tenant_id": "tenant-1"}),
        ("/usage/models", {}),
        ("/usage/models", {"tenant_id": "tenant-1"}),
        ("/usage/series", {}),
        ("/usage/series", {**month, "bucket": "day"}),
        ("/usage/series", {**month, "bucket": "day", "tz": "Europe/Berlin"}),
        ("/usage/series", {**month, "bucket": "day", "tz": "Asia/Kolkata"}),
        ("/usage/series", {**month, "bucket": "hour"}),
        ("/usage/series", {**month, "bucket": "hour", "tenant_id": "tenant-0"}),
        ("/usage/series", {**back(hours=3), "bucket": "minute"}),
        ("/usage/series", {**back(hours=24), "bucket": "minute"}),
        ("/usage/series", {**month, "bucket": "minute", "limit": 100}),
        ("/usage/series", {**month, "bucket": "day", "group_by": "model"}),
        ("/usage/series/tenants", {}),
        ("/usage/series/tenants", {**month, "bucket": "day"}),
        ("/usage/cache", {}),
        ("/costs", {}),
        ("/costs", {"group_by": "key", "limit": 1000}),
        ("/costs", {"group_by": "model"}),
        ("/costs", {"tenant_id": "tenant-0", "group_by": "model"}),
        ("/costs", {"format": "csv", "group_by": "key", "limit": 10000}),
    ]


def measure(http: httpx.Client) -> bool:
    """Whether every report was in time."""
    fine = True
    print(f"\n{'best':>8} {'median':>8} {'worst':>8}  ms")
    for path, query in routes():
        times = [_timed(http, path, query) for _ in range(ROUNDS)]
        median, worst = statistics.median(times), max(times)
        fine &= median < LIMIT_MS
        note = " ".join(f"{name}={value}" for name, value in query.items() if name not in ("from", "to"))
        print(
            f"{min(times):8.0f} {median:8.0f} {worst:8.0f}  {path} {note}{'' if median < LIMIT_MS else '   TOO SLOW'}",
            flush=True,
        )
    return fine


def _timed(http: httpx.Client, path: str, query: dict[str, Any]) -> float:
    began = time.perf_counter()
    answer = http.get(path, params=query)
    return (time.perf_counter() - began) * 1000 if answer.status_code == 200 else float("inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", type=int, default=10_000_000)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    directory = options.keep or Path(tempfile.mkdtemp(prefix="tollkeeper-bench-"))
    directory.mkdir(exist_ok=True)
    directory.chmod(0o755)
    server = Postgres(directory, None, *SETTINGS)
    valkey = Valkey(directory / "valkey", None)
    try:
        asyncio.run(fill(server.url, options.rows))
        asyncio.run(roll(server.url))
        with run_admin(server.url, valkey.url) as admin:
            fine = measure(admin.http)
    finally:
        valkey.stop()
        server.stop()
        if options.keep is None:
            shutil.rmtree(directory)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
