"""How many rows a second one writer appends to the ledger: batches of 1000 on an embedded Postgres of its own.

python -m bench.parts.ledger_ingest [batches]
"""

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import asyncpg

from ledger.cost import PricedRow, priced
from ledger.postgres.ledger import PostgresLedger
from ledger.row import UsageRow
from store.migrate import migrate
from store.postgres import open_postgres
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.prices import Prices
from tests.accesslog.entries import row
from tollkeeper.up.postgres import Postgres

BATCH_ROWS = 1000
TENANTS, KEYS, MODELS = 20, 100, 5
PRICES = {f"model-{number}": Prices.of(Decimal("2.5"), Decimal(10), Decimal("0.25")) for number in range(MODELS)}


def batch(number: int, template: UsageRow) -> list[PricedRow]:
    """Rows of 20 tenants, 100 keys and 5 models, as a busy sidecar would have them."""
    now = int(time.time() * 1000)
    rows = [
        template._replace(
            id=(lease := mint_lease_id(now)),
            ts=datetime.fromtimestamp(now / 1000, UTC),
            request_id=lease,
            tenant_id=f"tenant_{i % TENANTS}",
            key_id=f"key_{(number + i) % KEYS}",
            model=f"model-{i % MODELS}",
        )
        for i in range(BATCH_ROWS)
    ]
    return priced(rows, PRICES)


async def measure(url: str, batches: int) -> None:
    connection = await asyncpg.connect(url)
    await migrate(connection)
    await connection.close()
    template = row()
    async with open_postgres(url, timeout=10.0) as pool:
        ledger = PostgresLedger(pool)
        await ledger.append(batch(0, template))
        seconds = []
        for number in range(batches):
            rows = batch(number, template)
            started = time.perf_counter()
            await ledger.append(rows)
            seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds)
    print(f"{batches} batches of {BATCH_ROWS}: median {median * 1000:.1f} ms, {BATCH_ROWS / median:,.0f} rows/s")


def main() -> None:
    directory = Path(tempfile.mkdtemp(prefix="tollkeeper-bench-"))
    directory.chmod(0o755)
    server = Postgres(directory)
    try:
        asyncio.run(measure(server.url, int(sys.argv[1]) if len(sys.argv) > 1 else 200))
    finally:
        server.stop()
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
