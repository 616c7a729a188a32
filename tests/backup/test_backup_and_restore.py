"""What is restored is what was there, to the last row, in whatever version of the schema it was."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from typer.testing import CliRunner

from store.migrate import MIGRATIONS
from store.postgres import open_postgres
from tenancy.postgres.webhooks.queue import WebhookQueue
from tests.backup.stores import contents, empty_database, execute, value
from tests.cli.conftest import Ran
from tests.upgrade.stores import load_postgres
from tollkeeper.__main__ import app
from tollkeeper.migrations import run_migrations
from tollkeeper.up.postgres import Postgres

OF_ANOTHER_VERSION = Path(__file__).parent.parent / "upgrade/f65c425/postgres.sql"
# What only a change of the restored rows can do right: numbers that go on, marks, triggers, a month of an operator's.
MORE = (
    "CREATE TABLE usage_all PARTITION OF usage DEFAULT",
    "INSERT INTO usage (id, ts, tenant_id, admission, usage_source)"
    " SELECT gen_random_uuid(), timestamptz '2020-02-01Z' + make_interval(days => n), E'tab\\tand\\nline \\\\. \u20ac',"
    " 'fast', 'reported' FROM generate_series(1, 100) n",
    "INSERT INTO tenants (id, name, metadata) VALUES ('t', E'quoted \"\\'', '{\"a\": \"b\"}')",
    "INSERT INTO users (tenant_id, id) VALUES ('t', 'ann')",
    "INSERT INTO api_keys (id, tenant_id, user_id, name, key_hash, key_prefix, models_allowed) VALUES"
    " ('k', 't', 'ann', '', repeat('0', 64), 'sk_', ARRAY['a,b', 'c\"d', NULL])",
    "INSERT INTO webhooks (id, name, url) VALUES ('wh_0123456789abcdef', 'hook', 'https://hooks.example.com/')",
    "INSERT INTO webhook_events (id, kind, data)"
    " VALUES ('evt_waits', 'webhook.test', '{}'), ('evt_was', 'webhook.test', '{}')",
    "INSERT INTO webhook_deliveries (webhook_id, event_id, state) VALUES"
    " ('wh_0123456789abcdef', 'evt_waits', 'waiting'), ('wh_0123456789abcdef', 'evt_was', 'delivered')",
)


class Command:
    def __init__(self, database_url: str, redis_url: str) -> None:
        self._known = {"TOLLKEEPER_DATABASE_URL": database_url, "TOLLKEEPER_REDIS_URL": redis_url, "COLUMNS": "300"}

    def __call__(self, *arguments: object) -> Ran:
        result = CliRunner().invoke(app, [*map(str, arguments)], env=self._known)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    def ok(self, *arguments: object) -> str:
        ran = self(*arguments)
        assert ran.code == 0, ran
        return ran.out

    def refused(self, *arguments: object) -> str:
        ran = self(*arguments)
        assert ran.code == 1, ran
        return ran.err


@pytest.fixture
def used(database_url_sync: str) -> str:
    """A database with something in it."""
    execute(database_url_sync, *MORE)
    return database_url_sync


@pytest.fixture
def empty(postgres: Postgres) -> Iterator[str]:
    with empty_database(postgres, "restored") as url:
        yield url


def test_everything_comes_back(used: str, empty: str, redis_url: str, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    said = Command(used, redis_url).ok("backup", "create", file)
    assert f"{file}: " in said
    assert "whole" in Command(used, redis_url).ok("backup", "verify", file)
    before = contents(used)
    assert before["usage"][0] == 100
    said = Command(empty, redis_url).ok("restore", file)
    assert "is lost" in said
    assert "schema was brought up" not in said
    after = contents(empty)
    assert after.pop("redis_outbox")[0] == before.pop("redis_outbox")[0] + 3  # what tells every process
    assert after == before
    execute(empty, "INSERT INTO audit_log (actor, action, target_type, target_id) VALUES ('a', 'b', 'c', 'd')")
    marks = contents(empty)["usage_marks"][0]
    execute(empty, "DELETE FROM usage WHERE ts < '2020-02-03Z'")
    assert contents(empty)["usage_marks"][0] > marks  # the triggers are there again


async def taken(url: str) -> list[str]:
    async with open_postgres(url, timeout=5.0) as pool:
        return [each.event_id for each in await WebhookQueue(pool).take(10, 10, [])]


def test_events_that_waited_are_sent_under_their_ids(used: str, empty: str, redis_url: str, tmp_path: Path) -> None:
    Command(used, redis_url).ok("backup", "create", tmp_path / "backup")
    execute(used, "UPDATE webhook_deliveries SET state = 'delivered'")
    Command(empty, redis_url).ok("restore", tmp_path / "backup")
    assert asyncio.run(taken(used)) == []
    assert asyncio.run(taken(empty)) == ["evt_waits"]


def test_people_sign_in_again(used: str, empty: str, redis_url: str, tmp_path: Path) -> None:
    execute(used, "INSERT INTO browser_sessions VALUES ('hash', 'account', 'proof', now(), now() + interval '1 day')")
    Command(used, redis_url).ok("backup", "create", tmp_path / "backup")
    Command(empty, redis_url).ok("restore", tmp_path / "backup")
    assert contents(empty)["browser_sessions"][0] == 0


def test_a_backup_of_an_older_schema_is_brought_forward(
    postgres: Postgres, empty: str, redis_url: str, tmp_path: Path
) -> None:
    with empty_database(postgres, "older") as older:
        load_postgres(older, OF_ANOTHER_VERSION)
        Command(older, redis_url).ok("backup", "create", tmp_path / "backup")
        run_migrations(older)
        upgraded = contents(older)
    said = Command(empty, redis_url).ok("restore", tmp_path / "backup")
    assert MIGRATIONS[-1] in said
    restored = contents(empty)
    # The default team and first prices, which migrations make, have the time at which they did; Redis is told anew.
    differ = {name for name in upgraded if restored[name] != upgraded[name]}
    assert differ == {"policies", "model_prices", "tenants", "redis_outbox"}
    assert all(restored[name][0] == upgraded[name][0] for name in differ - {"redis_outbox"})
    assert restored.keys() == upgraded.keys()


def test_a_backup_of_a_newer_schema_is_refused(used: str, empty: str, redis_url: str, tmp_path: Path) -> None:
    execute(used, "INSERT INTO schema_migrations (name) VALUES ('9999_future')")
    Command(used, redis_url).ok("backup", "create", tmp_path / "backup")
    assert "unknown here: 9999_future" in Command(empty, redis_url).refused("restore", tmp_path / "backup")
    assert contents(empty) == {}


def test_what_is_there_is_moved_only_when_told(used: str, redis_url: str, tmp_path: Path) -> None:
    command = Command(used, redis_url)
    command.ok("backup", "create", tmp_path / "backup")
    before = contents(used)
    execute(used, "INSERT INTO tenants (id, name) VALUES ('later', 'later')", "UPDATE api_keys SET disabled = true")
    assert "the database is not empty" in command.refused("restore", tmp_path / "backup")
    said = command.ok("restore", tmp_path / "backup", "--replace")
    assert contents(used)["tenants"] == before["tenants"]
    (moved,) = [line.split()[2] for line in said.splitlines() if "DROP SCHEMA" in line]
    assert value(used, f"SELECT count(*) FROM {moved}.tenants WHERE id = 'later'") == 1  # noqa: S608
    revoked_since = (
        f"SELECT id FROM api_keys WHERE NOT disabled EXCEPT SELECT id FROM {moved}.api_keys WHERE NOT disabled"  # noqa: S608
    )
    assert value(used, revoked_since) == "k"
    execute(used, f"DROP SCHEMA {moved} CASCADE")
    command.ok("backup", "create", tmp_path / "again")


def test_tables_of_others_are_not_touched(used: str, empty: str, redis_url: str, tmp_path: Path) -> None:
    Command(used, redis_url).ok("backup", "create", tmp_path / "backup")
    execute(empty, "CREATE TABLE theirs AS SELECT 1 AS one")
    assert "not Tollkeeper's" in Command(empty, redis_url).refused("restore", tmp_path / "backup", "--replace")
    assert "no tables of Tollkeeper" in Command(empty, redis_url).refused("backup", "create", tmp_path / "other")
    assert not (tmp_path / "other").exists()
    assert value(empty, "SELECT one FROM theirs") == 1


def test_redis_is_emptied_of_ours_alone_and_only_when_told(
    used: str, empty: str, redis_url: str, tmp_path: Path
) -> None:
    Command(used, redis_url).ok("backup", "create", tmp_path / "backup")
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        client.mset({"tollkeeper:key:abc": "later", "tollkeeper:epoch:{0}": "1", "theirs": "kept"})
        assert "Redis holds live state" in Command(empty, redis_url).refused("restore", tmp_path / "backup")
        assert contents(empty) == {}
        assert "forgotten 2 keys" in Command(empty, redis_url).ok("restore", tmp_path / "backup", "--replace")
        assert list(client.scan_iter()) == ["theirs"]


def test_nothing_is_restored_beneath_a_sidecar(used: str, empty: str, redis_url: str, tmp_path: Path) -> None:
    Command(used, redis_url).ok("backup", "create", tmp_path / "backup")
    with redis.Redis.from_url(redis_url) as client:
        seconds, _ = client.time()
        client.zadd("tollkeeper:sidecars:{sidecars}", {"one": seconds * 1000})
        assert "a sidecar runs" in Command(empty, redis_url).refused("restore", tmp_path / "backup", "--replace")
    assert contents(empty) == {}


def test_a_damaged_backup_changes_nothing(used: str, empty: str, redis_url: str, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    Command(used, redis_url).ok("backup", "create", file)
    whole = bytearray(file.read_bytes())
    at = whole.index(b"tables/usage.copy") + 100  # within the rows of the ledger, behind most tables
    whole[at] ^= 0x10
    file.write_bytes(whole)
    assert "tables/usage.copy" in Command(used, redis_url).refused("backup", "verify", file)
    assert "tables/usage.copy" in Command(empty, redis_url).refused("restore", file)
    assert contents(empty) == {}


def test_stores_that_are_away_are_said(used: str, tmp_path: Path) -> None:
    nowhere = "postgresql://postgres@127.0.0.1:1/none"
    assert "Postgres cannot be asked" in Command(nowhere, "redis://127.0.0.1:1/0").refused(
        "backup", "create", tmp_path / "backup"
    )
    assert list(tmp_path.iterdir()) == []
    Command(used, "redis://127.0.0.1:1/0").ok("backup", "create", tmp_path / "backup")
    assert "127.0.0.1:1" in Command(used, "redis://127.0.0.1:1/0").refused("restore", tmp_path / "backup", "--replace")
