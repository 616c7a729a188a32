"""One table of rules, held by the ledger in memory and the one in Postgres."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

import asyncpg
import pytest

from accesslog.line import read_line
from accesslog.row import row_of
from accesslog.usage import usage_of
from ledger.ledger import Ledger, LedgerUnavailable, MemoryLedger, RowRejected
from ledger.postgres.ledger import COSTS, PostgresLedger
from ledger.row import COLUMNS, UsageRow, UsageSource
from ratelimit.lease_id import mint_lease_id
from store.postgres import open_postgres
from tests.accesslog.entries import CHAT_USAGE, decision, entry, line, row
from tests.conftest import create_database, drop_database
from tollkeeper.up.postgres import Postgres

JANUARY_MS, FEBRUARY_MS = 1_767_225_600_000, 1_769_904_000_000  # the first instants of 2026-01 and 2026-02 UTC


class Subject:
    """A ledger and a way to see what is in it."""

    def __init__(self, ledger: Ledger, read: Callable[[], Any]) -> None:
        self.ledger, self._read = ledger, read

    async def rows(self) -> Mapping[str, UsageRow]:
        found: Mapping[str, UsageRow] = await self._read()
        return found


@pytest.fixture(scope="module")
def ledger_url(postgres: Postgres) -> Iterator[str]:
    """One database for the table of rules: making one costs more than the tests."""
    url = asyncio.run(create_database(postgres))
    yield url
    asyncio.run(drop_database(postgres, url))


@pytest.fixture(params=["memory", "postgres"])
async def subject(request: pytest.FixtureRequest, ledger_url: str) -> AsyncIterator[Subject]:
    if request.param == "memory":
        memory = MemoryLedger()

        async def read_memory() -> Mapping[str, UsageRow]:
            return memory.rows

        yield Subject(memory, read_memory)
        return
    async with open_postgres(ledger_url) as pool:
        await pool.execute("TRUNCATE usage")

        async def read_postgres() -> Mapping[str, UsageRow]:
            found = await pool.fetch(f"SELECT {', '.join(COLUMNS)} FROM usage")  # noqa: S608 - our own names
            return {str(r["id"]): UsageRow(str(r["id"]), *list(r.values())[1:]) for r in found}

        yield Subject(PostgresLedger(pool), read_postgres)


async def test_a_row_is_read_back_as_it_was_written(subject: Subject) -> None:
    written = [
        row(),
        row(ttft_ms=None, aborted=True, streamed=True, status=0),
        row(model="\u00e9\U0001f600", denied_by="tenant:tokens:60s", input_tokens=10**12, bytes_out=2**60),
    ]
    await subject.ledger.append(written)
    assert await subject.rows() == {each.id: each for each in written}


async def test_no_rows_are_no_work(subject: Subject) -> None:
    await subject.ledger.append([])
    assert await subject.rows() == {}


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0, 1, 1)])
@pytest.mark.parametrize("together", [True, False])
async def test_a_final_row_replaces_a_reservation_in_any_order(
    subject: Subject, order: Sequence[int], together: bool
) -> None:
    final = row(output_tokens=7)
    versions = [final, final._replace(usage_source=UsageSource.RESERVED, output_tokens=80)]
    for batch in [[versions[i] for i in order]] if together else [[versions[i]] for i in order]:
        await subject.ledger.append(batch)
    assert await subject.rows() == {final.id: final}


async def test_the_first_of_two_final_rows_stays(subject: Subject) -> None:
    first = row(output_tokens=7)
    await subject.ledger.append([first, first._replace(output_tokens=8)])
    await subject.ledger.append([first._replace(output_tokens=9)])
    assert await subject.rows() == {first.id: first}


async def test_a_reservation_stays_until_there_is_better(subject: Subject) -> None:
    reserved = row(usage_source=UsageSource.RESERVED)
    await subject.ledger.append([reserved])
    await subject.ledger.append([reserved._replace(output_tokens=1)])
    assert await subject.rows() == {reserved.id: reserved}


HOSTILE = ["a\0b", "\ud800", "\udfff\ud800", "x" * 1_000_000, "\u0000" * 600, "'; DROP TABLE usage; --", "\U0010ffff"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_what_a_client_sends_cannot_poison_a_batch(subject: Subject, text: str) -> None:
    found = read_line(line(entry(decision(model=text, end_user_id=text), CHAT_USAGE, path=f"/{text}", request_id=text)))
    assert found is not None
    bad, good = row_of(found, usage_of(found)), row()
    await subject.ledger.append([good, bad])
    assert (await subject.rows()).keys() == {good.id, bad.id}


async def test_partitions_are_made_for_the_months_of_the_rows(database_url: str) -> None:
    rows = [row(lease_id=mint_lease_id(ms)) for ms in (JANUARY_MS, FEBRUARY_MS - 1, FEBRUARY_MS)]
    async with open_postgres(database_url) as pool:
        await PostgresLedger(pool).append(rows)
        found = await pool.fetch("SELECT id, tableoid::regclass::text AS partition FROM usage ORDER BY ts")
    assert [r["partition"] for r in found] == ["usage_2026_01", "usage_2026_01", "usage_2026_02"]


async def test_several_sidecars_may_make_the_same_partition_at_once(database_url: str) -> None:
    rows = [row(lease_id=mint_lease_id(JANUARY_MS + i)) for i in range(8)]
    async with open_postgres(database_url, size=8, timeout=10.0) as pool:
        await asyncio.gather(*(PostgresLedger(pool).append([each]) for each in rows))
        assert await pool.fetchval("SELECT count(*) FROM usage") == 8


async def test_a_partition_dropped_meanwhile_is_made_again(database_url: str) -> None:
    first, second = row(lease_id=mint_lease_id(JANUARY_MS)), row(lease_id=mint_lease_id(JANUARY_MS + 1))
    async with open_postgres(database_url) as pool:
        ledger = PostgresLedger(pool)
        await ledger.append([first])
        await pool.execute("DROP TABLE usage_2026_01")
        await ledger.append([second])
        assert [str(r["id"]) for r in await pool.fetch("SELECT id FROM usage")] == [second.id]


async def test_a_month_that_was_detached_is_closed(database_url: str) -> None:
    async with open_postgres(database_url) as pool:
        ledger = PostgresLedger(pool)
        await ledger.append([row(lease_id=mint_lease_id(JANUARY_MS))])
        await pool.execute("ALTER TABLE usage DETACH PARTITION usage_2026_01")
        with pytest.raises(RowRejected):
            await ledger.append([row(lease_id=mint_lease_id(JANUARY_MS + 1))])


async def test_a_row_that_postgres_never_takes_is_rejected(database_url: str) -> None:
    async with open_postgres(database_url) as pool:
        ledger = PostgresLedger(pool)
        for bad in (row(path="a\0b"), row(status=2**40), row(request_id="\ud800")):
            with pytest.raises(RowRejected):
                await ledger.append([row(), bad])
        assert await pool.fetchval("SELECT count(*) FROM usage") == 0


async def test_a_database_that_cannot_be_written_is_unavailable(database_url: str) -> None:
    async with open_postgres(database_url) as pool:
        ledger = PostgresLedger(pool)
        await pool.execute("ALTER TABLE usage RENAME TO elsewhere")
        with pytest.raises(LedgerUnavailable):
            await ledger.append([row()])
        await pool.execute("ALTER TABLE elsewhere RENAME TO usage")
        database = database_url.rsplit("/", 1)[1]
        await pool.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    async with open_postgres(database_url) as pool:
        with pytest.raises(LedgerUnavailable):
            await PostgresLedger(pool).append([row()])


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with open_postgres("postgresql://nobody@127.0.0.1:1/none") as pool:
        with pytest.raises(LedgerUnavailable):
            await PostgresLedger(pool).append([row()])


async def test_the_columns_are_those_of_the_table(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    found = await connection.fetch("SELECT column_name FROM information_schema.columns WHERE table_name = 'usage'")
    await connection.close()
    assert {r["column_name"] for r in found} == {*COLUMNS, *COSTS}
