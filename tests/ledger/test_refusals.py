"""What was refused lately, by tenant and reason."""

from datetime import UTC, datetime, timedelta

from ledger.cost import NO_COST, PricedRow
from ledger.postgres.ledger import PostgresLedger
from ledger.postgres.requests import PostgresRequests
from ledger.requests import Refusals
from store.postgres import open_postgres
from tenancy.values.lease_id import mint_lease_id
from tests.accesslog import entries
from tests.conftest import PATIENT

NOW = datetime(2026, 2, 1, tzinfo=UTC)  # the recent rows are in two partitions


def refused(seconds_ago: float, tenant_id: str, denied_by: str, status: int = 429, requests: int = 1) -> PricedRow:
    lease_id = mint_lease_id(int((NOW.timestamp() - seconds_ago) * 1000))
    row = entries.row(lease_id=lease_id)._replace(
        tenant_id=tenant_id, denied_by=denied_by, status=status, admission="refused", requests=requests
    )
    return PricedRow(row, NO_COST)


async def test_the_most_frequent_refusals_since_a_time(database_url: str) -> None:
    rows = [refused(n, "acme", "tenant:tokens:60s") for n in (1, 2, 899.5, 900.5, 5000)]
    rows += [refused(3, "acme", "unavailable", 503), refused(-1, "other", "tenant:tokens:60s", requests=2)]
    rows += [PricedRow(entries.row(lease_id=mint_lease_id(int(NOW.timestamp() * 1000))), NO_COST)]
    async with open_postgres(database_url, timeout=PATIENT) as pool:
        await PostgresLedger(pool).append(rows)
        found = await PostgresRequests(pool).refusals(NOW - timedelta(minutes=15), 10)
        assert found == [
            Refusals("acme", "tenant:tokens:60s", 429, 3),
            Refusals("other", "tenant:tokens:60s", 429, 2),
            Refusals("acme", "unavailable", 503, 1),
        ]
        assert await PostgresRequests(pool).refusals(NOW - timedelta(minutes=15), 1) == found[:1]
