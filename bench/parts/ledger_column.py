"""The ledger on ClickHouse beside the ledger on Postgres: rows a second that come in, and how long reports take.

    python -m bench.parts.ledger_column [rows in ClickHouse] [rows in Postgres] [--keep DIRECTORY] [--unsummed]

A month of traffic of 100 tenants, as in usage_10m.  The stores make the rows themselves and the rollers sum them up;
then each report is asked through its port, and batches are appended through theirs.  ClickHouse is its engine behind
tests/clickhouse, one query at a time; its merges of rows are stopped, so that they take nothing from the questions.
0 rows leave a store out.  --unsummed: each report in ClickHouse before anything is summed up, too.  --keep: keeps the
rows there, and goes on from what it finds.  100 million rows take 3 GB in ClickHouse, and 40 GB in Postgres.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.cpu import CpuMeter
from bench.parts.ledger_ingest import BATCH_ROWS, batch
from bench.parts.usage_10m import DAYS, SETTINGS, fill, roll
from ledger.clickhouse.ledger import ClickhouseLedger
from ledger.clickhouse.migrate import migrate
from ledger.clickhouse.requests import ClickhouseRequests
from ledger.clickhouse.roller import Roller
from ledger.clickhouse.sums import ClickhouseSums
from ledger.cover import DAY, HOUR, floor
from ledger.ledger import Ledger
from ledger.postgres.ledger import PostgresLedger
from ledger.postgres.requests import PostgresRequests
from ledger.postgres.sums import PostgresSums
from ledger.requests import Requests
from ledger.sums import Interval, Selection, Sums
from store.clickhouse import Clickhouse
from store.postgres import open_postgres
from tests.accesslog.entries import row
from tests.clickhouse.server import ClickhouseServer
from tollkeeper.up.postgres import Postgres

ROUNDS = 5
BATCHES = 200
PATIENT = 600.0
FILL = """
INSERT INTO usage (id, ts, request_id, tenant_id, key_id, user_id, model, admission, input_tokens, output_tokens,
                   cached_tokens, reserved_tokens, usage_source, status, streamed, method, path, total_ms, ttft_ms,
                   bytes_in, bytes_out, requests, input_cost, cached_cost, output_cost)
SELECT toUUID(concat(substring(at_hex, 1, 8), '-', substring(at_hex, 9, 4), '-7', substring(noise, 1, 3), '-8',
              substring(noise, 4, 3), '-', substring(noise, 7, 12))), fromUnixTimestamp64Milli(at, 'UTC'),
       concat('req-', toString(n)),
       concat('tenant-', toString(tenant)), concat('key-', toString(tenant), '-', toString(n % 10)),
       concat('user-', toString(n % 10)), concat('vendor/model-', toString(n % 8)), if(n % 20 = 0, 'refused', 'fast'),
       200 + n % 3000, 100 + n % 700, if(n % 3 = 0, 128, 0), 1200, 'reported', if(n % 20 = 0, 429, 200), n % 2 = 0,
       'POST', '/v1/chat/completions', 900 + n % 5000, 120, 800, 3200, 1,
       toDecimal128(200 + n % 3000, 10) * toDecimal128('0.0000025', 10), 0,
       toDecimal128(100 + n % 700, 10) * toDecimal128('0.00001', 10)
FROM (
    SELECT number AS n, {start:Int64} + intDiv(number * 86400000, {rows:Int64}) AS at,
           leftPad(lower(hex(at)), 16, '0') AS padded, substring(padded, 5, 12) AS at_hex,
           lower(hex(sipHash128(number, at))) AS noise,
           toInt64(100 * pow((sipHash64(number) % 1000000) / 1000000, 2)) AS tenant
    FROM numbers(toUInt64({rows:Int64}))
) SETTINGS max_insert_block_size = 1000000, min_insert_block_size_rows = 1000000, min_insert_block_size_bytes = 0
"""
SIZES = """
SELECT table, formatReadableSize(sum(bytes_on_disk)), sum(rows), count() FROM system.parts
WHERE active AND database = currentDatabase() AND table IN ('usage', 'usage_sums') GROUP BY table ORDER BY table
"""
# What FINAL is instead of.
BY_ARGMAX = """
SELECT tenant, sum(tokens) FROM (SELECT argMax(tenant_id, version) AS tenant, argMax(input_tokens, version) AS tokens
FROM usage WHERE ts >= now() - INTERVAL {hours:Int64} HOUR GROUP BY ts, id) GROUP BY tenant
"""
BY_FINAL = """
SELECT tenant_id, sum(input_tokens) FROM usage FINAL WHERE ts >= now() - INTERVAL {hours:Int64} HOUR GROUP BY tenant_id
"""


def questions(now: datetime) -> dict[str, Callable[[Sums], Awaitable[object]]]:
    """The reports that are timed, each through the port."""
    month: Interval = (now - timedelta(days=DAYS), now)
    odd: Interval = (now - timedelta(days=21, hours=5, minutes=17, seconds=3), now)
    hours, days = ([*_buckets(now, width, count)] for width, count in ((HOUR, 24 * DAYS), (DAY, DAYS)))
    one = Selection(tenant_id="tenant-1")
    keys = ("tenant_id", "key_id")
    return {
        "the last 24 hours, in all": lambda sums: sums.sums(Selection(), [(now - DAY, now)]),
        "a month by tenant": lambda sums: sums.sums(Selection(), [month], ("tenant_id",), 1000),
        "a month by key": lambda sums: sums.sums(Selection(), [month], keys, 1000),
        "a month of one tenant by model": lambda sums: sums.sums(one, [month], ("model",), 100),
        "21 odd days by model": lambda sums: sums.sums(Selection(), [odd], ("model",), 100),
        "a month by day and model": lambda sums: sums.sums(Selection(), days, ("model",), 1000),
        "a month by hour": lambda sums: sums.sums(Selection(), hours, (), 1000),
        "the dearest keys of a month": lambda sums: sums.largest(Selection(), month, keys, "cost", 20),
    }


def _buckets(now: datetime, width: timedelta, count: int) -> Iterator[Interval]:
    """The last ones up to `now`, in order, as reports have them: from midnight, and from the full hour."""
    last = floor(now, width)
    for n in range(count - 1, -1, -1):
        yield last - n * width, min(last - (n - 1) * width, now)


class Stopwatch:
    """How long questions take, and what a server's processes take of it: where others work too, only that counts."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    async def timed(self, said: str, ask: Callable[[], Awaitable[object]], rounds: int = ROUNDS) -> None:
        await ask()  # connections, files, what is compiled
        times, meter = [], CpuMeter({"server": self._pid})
        for _ in range(rounds):
            began = time.perf_counter()
            await ask()
            times.append((time.perf_counter() - began) * 1000)
        cpu = meter.spent()["server"] / rounds * 1000
        print(f"  {min(times):8.0f} {statistics.median(times):8.0f} {max(times):8.0f} {cpu:8.0f}  {said}", flush=True)

    async def ask_each(self, name: str, sums: Sums, rounds: int) -> None:
        print(f"\n{name}: best, median, worst of {rounds}, and CPU time of the server, in ms")
        for said, ask in questions(datetime.now(UTC)).items():
            await self.timed(said, lambda ask=ask: ask(sums), rounds)  # type: ignore[misc]

    async def measure(self, name: str, ledger: Ledger, sums: Sums, requests: Requests) -> None:
        await self.ask_each(name, sums, ROUNDS)
        await self.timed("one request by its x-request-id", lambda: requests.by_label("req-12345", 5))
        template, seconds, meter = row(), [], CpuMeter({"server": self._pid})
        for number in range(BATCHES):
            rows = batch(number, template)
            began = time.perf_counter()
            await ledger.append(rows)
            seconds.append(time.perf_counter() - began)
        median, cpu = statistics.median(seconds), meter.spent()["server"] / BATCHES / BATCH_ROWS * 1e6
        print(f"  {BATCH_ROWS / median:10,.0f} rows/s come in: batches of {BATCH_ROWS}, median {median * 1000:.0f} ms")
        print(f"  {cpu:10.0f} \N{MICRO SIGN}s of the server's CPU a row")


async def on_clickhouse(directory: Path, rows: int, unsummed: bool) -> None:
    server = ClickhouseServer(directory, quick=False)
    try:
        client = Clickhouse(server.url("default"), PATIENT)
        await client.execute("CREATE DATABASE IF NOT EXISTS bench")
        await client.aclose()
        client = Clickhouse(server.url("bench"), PATIENT)
        await migrate(client)
        await client.execute("SYSTEM STOP MERGES usage")
        await fill_clickhouse(client, rows)
        watch = Stopwatch(server.process.pid)
        if unsummed:
            await watch.ask_each("ClickHouse, nothing summed up", ClickhouseSums(client, PATIENT), 1)
            for statement, name in ((BY_FINAL, "FINAL"), (BY_ARGMAX, "argMax")):
                await watch.timed(
                    f"a day's input tokens by tenant, {name}",
                    lambda s=statement: client.select(s, {"hours": 24}),  # type: ignore[misc]
                )
        began = time.monotonic()
        done = await Roller(client, settling=timedelta()).roll()
        print(f"{done} days and hours summed up in {time.monotonic() - began:.1f} s", flush=True)
        for table, size, count, parts in await client.select(SIZES):
            print(f"{table}: {size}, {count:,} rows in {parts} parts")
        sums = ClickhouseSums(client, PATIENT, timedelta())
        await watch.measure(
            "ClickHouse, summed up", ClickhouseLedger(client, timeout=PATIENT), sums, ClickhouseRequests(client)
        )
        await client.aclose()
    finally:
        server.stop()


async def fill_clickhouse(client: Clickhouse, rows: int) -> None:
    """Makes the rows, unless there are any."""
    if await client.select("SELECT 1 FROM usage LIMIT 1"):
        return
    began, start = time.monotonic(), datetime.now(UTC) - timedelta(days=DAYS)
    for day in range(DAYS):
        values = {"start": int((start + day * DAY).timestamp() * 1000), "rows": rows // DAYS}
        await client.execute(FILL, values)
    print(f"{rows:,} rows made in {time.monotonic() - began:.0f} s", flush=True)


async def on_postgres(directory: Path, rows: int) -> None:
    server = Postgres(directory, None, *SETTINGS)
    try:
        await fill(server.url, rows)
        await roll(server.url)
        async with open_postgres(server.url, timeout=PATIENT) as pool:
            await Stopwatch(server.process.pid).measure(
                "Postgres, rolled up", PostgresLedger(pool), PostgresSums(pool, PATIENT), PostgresRequests(pool)
            )
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", type=int, default=100_000_000)
    parser.add_argument("postgres_rows", nargs="?", type=int, default=10_000_000)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--unsummed", action="store_true")
    options = parser.parse_args()
    directory = options.keep or Path(tempfile.mkdtemp(prefix="tollkeeper-bench-"))
    directory.mkdir(exist_ok=True)
    directory.chmod(0o755)
    try:
        if options.rows:
            asyncio.run(on_clickhouse(directory / "clickhouse", options.rows, options.unsummed))
        if options.postgres_rows:
            (directory / "postgres").mkdir(mode=0o755, exist_ok=True)
            asyncio.run(on_postgres(directory / "postgres", options.postgres_rows))
    finally:
        if options.keep is None:
            shutil.rmtree(directory)


if __name__ == "__main__":
    main()
