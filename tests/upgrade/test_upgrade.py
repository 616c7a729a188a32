"""A version goes on with what the version before it left behind when it was killed: data directory, Redis, Postgres.

Each directory here holds what one version left; capture.py made it, and says how.
"""

import asyncio
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest
import redis

from tests.upgrade.capture import CHARGED, USAGE, used
from tests.upgrade.running import MODEL, Running, wait_for
from tests.upgrade.stores import load_file, load_postgres, load_redis
from tollkeeper.up.postgres import Postgres

LEFT = sorted(path.parent for path in Path(__file__).parent.glob("*/expected.json"))
# Of each request that ended, and reserved by each that is in flight: by the limit's name.
LIMITS = ("tokens", "output", "count", "spend", "calendar")
CHARGE = [Decimal(each) for each in ("129000", "5600", "1", "0.1445", "129000")]
RESERVED = [Decimal(each) for each in ("200", "100", "1", "0.00125", "200")]
# At 2.50000001, 0.30000003 and 10.00000001 a million tokens: 23,400 input, 100,000 cached, 5,600 output.
COSTS = (Decimal("0.0585000002"), Decimal("0.0300000030"), Decimal("0.0560000001"))
COSTS_RESERVED = (Decimal("0.0002500000"), Decimal(0), Decimal("0.0010000000"))  # 100 input and 100 output


@dataclass(frozen=True)
class Upgraded:
    """This version, on what another left."""

    running: Running
    redis: "redis.Redis"
    database_url: str
    expected: dict[str, Any]

    def rows(self) -> dict[str, asyncpg.Record]:
        async def fetch() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.database_url)
            try:
                return list(await connection.fetch("SELECT * FROM usage"))
            finally:
                await connection.close()

        return {str(row["id"]): row for row in asyncio.run(fetch())}

    def used(self, charged: int, reserved: int) -> dict[str, Any]:
        """What budgets are to show after that many requests more, ended or in flight."""
        return {
            name: Decimal(self.expected["used"][name]) + charged * charge + reserved * reserve
            for name, charge, reserve in zip(LIMITS, CHARGE, RESERVED, strict=True)
        }


@pytest.fixture(params=LEFT, ids=lambda path: path.name)
def upgraded(
    request: pytest.FixtureRequest, public_path: Path, postgres: Postgres, redis_url: str
) -> Iterator[Upgraded]:
    left: Path = request.param
    database_url = asyncio.run(empty_database(postgres))
    load_postgres(database_url, left / "postgres.sql")
    state = public_path / "state"
    shutil.copytree(left, state)
    checkpoint = state / "access-log-checkpoint.json"
    position = load_file(checkpoint)
    position["source"]["inode"] = (state / "access.jsonl").stat().st_ino  # which a copy cannot keep
    checkpoint.write_text(json.dumps(position))
    running = Running(state, database_url, redis_url)
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        load_redis(client, load_file(left / "redis.json"))
        try:
            running.migrate()
            yield Upgraded(running, client, database_url, load_file(left / "expected.json"))
        finally:
            running.close()


async def empty_database(postgres: Postgres) -> str:
    connection = await asyncpg.connect(postgres.url)
    await connection.execute("DROP DATABASE IF EXISTS upgraded WITH (FORCE)")
    await connection.execute("CREATE DATABASE upgraded")
    await connection.close()
    return postgres.url.rsplit("/", 1)[0] + "/upgraded"


def test_reports_and_budgets_say_what_they_said(upgraded: Upgraded) -> None:
    with upgraded.running.admin() as admin:
        found = {url: admin.get(url).json() for url in upgraded.expected["reports"]}
        assert said_before(found, upgraded.expected["reports"]) == upgraded.expected["reports"]
        assert admin.get("/capacity").json()["max_in_flight"] == 500
        budgets = admin.get(f"/tenants/{upgraded.expected['tenant_id']}/budgets").json()
    assert rounded(used(budgets)) == upgraded.used(charged=4, reserved=4)


def test_what_was_under_way_ends_as_it_would_have(upgraded: Upgraded) -> None:
    expected, running = upgraded.expected, upgraded.running
    leases = f"tollkeeper:leases:{{{expected['tenant_id']}}}"
    before = upgraded.rows().keys()
    running.sidecar()
    running.stream(expected["to_be_streamed"])
    streamed = expected["to_be_streamed"]["ratelimit"]["lease_id"]
    ended = {*expected["spooled"], *expected["lines_not_read"], streamed}
    orphaned = {*expected["orphaned"]}
    wait_for(lambda: upgraded.rows().keys() - before >= ended | orphaned, "every row")
    wait_for(lambda: cast(list[str], upgraded.redis.zrange(leases, 0, -1)) == expected["running"], "every settlement")
    wait_for(lambda: not list((running.directory / "spool").glob("*.jsonl")), "an empty spool")
    rows = upgraded.rows()
    assert rows.keys() - before == ended | orphaned
    assert {costs(rows[each]) for each in ended} == {COSTS}
    assert {costs(rows[each]) for each in orphaned} == {COSTS_RESERVED}
    assert {rows[each]["usage_source"] for each in orphaned} == {"reserved"}
    assert {rows[each]["input_tokens"] for each in ended} == {USAGE["prompt_tokens"]}
    with running.admin() as admin:
        budgets = admin.get(f"/tenants/{expected['tenant_id']}/budgets").json()
        (usage,) = admin.get("/usage").json()["usage"]
    # Of the spool four, of the stream one, of the file one with its lease and one without.
    assert rounded(used(budgets)) == upgraded.used(charged=7, reserved=2)
    assert usage["requests"] + usage["refused"] == len(rows)
    assert Decimal(usage["cost"]) == sum(sum(costs(row)) for row in rows.values())


def test_keys_work_on(upgraded: Upgraded) -> None:
    upgraded.running.sidecar()
    secret = upgraded.expected["secret"]
    assert upgraded.running.check(upgraded.expected["disabled_secret"]).status == 403
    assert upgraded.running.check(secret[:-1] + "x").status == 401
    told = upgraded.running.admit(secret)
    assert (told.ok, told.metadata["tenant_id"], told.metadata["model"]) == (
        True,
        upgraded.expected["tenant_id"],
        MODEL,
    )
    assert not upgraded.running.admit(secret, max_tokens="900000000").ok


def said_before(found: Any, expected: Any) -> Any:
    """What is found, without the fields that reports have gained since."""
    if isinstance(expected, dict):
        return {name: said_before(found[name], each) for name, each in expected.items()}
    if isinstance(expected, list) and len(found) == len(expected):
        return [said_before(*pair) for pair in zip(found, expected, strict=True)]
    return found


def costs(row: asyncpg.Record) -> tuple[Decimal, ...]:
    return row["input_cost"], row["cached_cost"], row["output_cost"]


def rounded(shown: dict[str, Any]) -> dict[str, Decimal]:
    """As Decimals; and the few tokens that came back into the bucket meanwhile are taken out again."""
    found = {name: Decimal(shown[name]) for name in LIMITS}
    return found | {"tokens": Decimal(CHARGED - (CHARGED - int(found["tokens"])) // 100 * 100)}
