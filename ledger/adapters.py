"""The adapters for all that is kept of requests, on either store: Postgres or ClickHouse."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ledger.clickhouse.denials import ClickhouseDenials
from ledger.clickhouse.ledger import ClickhouseLedger
from ledger.clickhouse.requests import ClickhouseRequests
from ledger.clickhouse.roller import Roller as ClickhouseRoller
from ledger.clickhouse.rows import ClickhouseRows
from ledger.clickhouse.sums import ClickhouseSums
from ledger.denials import Denials
from ledger.ledger import Ledger
from ledger.postgres.denials import PostgresDenials
from ledger.postgres.ledger import PostgresLedger
from ledger.postgres.requests import PostgresRequests
from ledger.postgres.roller import Roller as PostgresRoller
from ledger.postgres.rows import PostgresRows
from ledger.postgres.sums import PostgresSums
from ledger.requests import OpenJobs, Requests
from ledger.rows import Rows
from ledger.sums import Sums
from serving.metrics import Counter
from store.clickhouse import Clickhouse
from store.postgres import READ_SECONDS, PostgresPool


@dataclass(frozen=True, slots=True)
class Adapters:
    """`roll` keeps the sums up to date, for ever; it counts what it summed up, and rounds that failed."""

    ledger: Ledger
    sums: Sums
    rows: Rows
    requests: Requests
    jobs: OpenJobs
    denials: Denials
    roll: Callable[[Counter, Counter], Awaitable[None]]


def adapters_on(pool: PostgresPool, clickhouse: Clickhouse | None, seconds: float = READ_SECONDS) -> Adapters:
    """Those on ClickHouse, if there is one; a report ends within `seconds`."""
    if clickhouse is None:
        found = PostgresRequests(pool)
        return Adapters(
            PostgresLedger(pool),
            PostgresSums(pool, seconds),
            PostgresRows(pool),
            found,
            found,
            PostgresDenials(pool),
            lambda rolled, errors: PostgresRoller(pool, rolled, errors).run(),
        )
    single = ClickhouseRequests(clickhouse)
    return Adapters(
        ClickhouseLedger(clickhouse),
        ClickhouseSums(clickhouse, seconds),
        ClickhouseRows(clickhouse),
        single,
        single,
        ClickhouseDenials(clickhouse),
        lambda rolled, errors: ClickhouseRoller(clickhouse, rolled, errors).run(),
    )
