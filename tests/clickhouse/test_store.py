"""The connection to ClickHouse: what is said of one that is away, refuses, or is not trusted; and of URLs."""

import asyncio
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from typer.testing import CliRunner

from ledger.clickhouse.ledger import ClickhouseLedger
from ledger.clickhouse.migrate import MIGRATIONS, migrate
from ledger.clickhouse.roller import Roller
from ledger.cost import priced
from store.clickhouse import (
    Address,
    Clickhouse,
    ClickhouseAway,
    ClickhouseLate,
    ClickhouseRefuses,
    ClickhouseRejects,
    address_of,
)
from store.postgres import open_postgres
from store.redis import open_redis_async
from store.watch import CLICKHOUSE, MISSES, StoreWatch, probes
from tenancy.values.lease_id import mint_lease_id
from tests.accesslog.entries import row
from tests.clickhouse.front import PASSWORD
from tests.clickhouse.server import PATIENT, ClickhouseServer
from tests.serving.certificates import issue
from tollkeeper.__main__ import app
from tollkeeper.config import BadSettings, read_settings
from tollkeeper.doctor.stores import findings
from tollkeeper.migrations import run_migrations

NEW_YEAR_MS = 1_767_225_600_000  # of 2026, UTC
WRONG = "wrong-and-never-shown"


async def test_values_are_bound_whatever_is_in_them(clickhouse: ClickhouseServer) -> None:
    client = Clickhouse(await clickhouse.create_database(), PATIENT)
    odd = "'; DROP TABLE usage; -- \\ \t\n {a:String} \u00e9\U0001f600"
    many = [f"{odd}{number}" for number in range(2000)]  # more than fits into a URL
    types = {
        "one": "String",
        "some": "Array(String)",
        "pairs": "Array(Tuple(String, Int64))",
        "none": "Nullable(String)",
    }
    statement = "SELECT " + ", ".join(f"{{{name}:{kind}}}" for name, kind in types.items())
    values = {"one": odd, "some": many, "pairs": [(odd, 2**62)], "none": None}
    assert await client.select(statement, values) == [[odd, many, [[odd, 2**62]], None]]
    await client.execute("CREATE TABLE taken (text String, number Int64) ENGINE = MergeTree ORDER BY number")
    await client.insert("taken", ("text", "number"), [(odd, -(2**63)), ("a\0b", 2**63 - 1)])
    assert await client.select("SELECT * FROM taken") == [[odd, -(2**63)], ["a\0b", 2**63 - 1]]
    for bad in (("x", 2**63), ("\ud800", 1), ("x", "y")):
        with pytest.raises(ClickhouseRejects):
            await client.insert("taken", ("text", "number"), [("good", 5), bad])
    assert await client.select("SELECT count() FROM taken") == [[2]]
    with pytest.raises(ClickhouseLate):
        await client.select("SELECT sleep(2)", seconds=0.2)
    await client.aclose()


async def looked(url: str, redis_url: str, database_url: str) -> StoreWatch:
    redis, pool, client = (
        open_redis_async(redis_url, timeout=PATIENT),
        await open_postgres(database_url, timeout=PATIENT),
        Clickhouse(url, PATIENT),
    )
    watch = StoreWatch(probes(redis, pool, client))
    try:
        for _ in range(MISSES):
            await watch.look()
    finally:
        await redis.aclose()
        pool.terminate()
        await client.aclose()
    assert WRONG not in str(watch.warnings)
    assert PASSWORD not in str(watch.warnings)
    return watch


async def test_what_is_wrong_is_a_sentence(clickhouse: ClickhouseServer, redis_url: str, database_url: str) -> None:
    url, here = await clickhouse.create_database(), (redis_url, database_url)
    watch = await looked(url, *here)
    assert watch.warnings[0].startswith("clickhouse refuses what TOLLKEEPER_LEDGER_URL says (ClickhouseRefuses: ")
    assert watch.warnings[0].endswith(": run `tollkeeper migrate`")
    assert watch.refused == {CLICKHOUSE}
    wrong = url.replace(":clickhouse%3Apassword", f":{WRONG}")
    for refused in (wrong, url + "_of_nobody"):
        assert (await looked(refused, *here)).refused == {CLICKHOUSE}
    away = await looked(url.replace(str(clickhouse.port), "1"), *here)
    assert (away.up[CLICKHOUSE], away.refused) == (0.0, frozenset())
    assert away.warnings[0].startswith("clickhouse does not answer (ClickhouseAway: ")


def test_migrate_makes_the_tables(clickhouse: ClickhouseServer, database_url_sync: str) -> None:
    url = asyncio.run(clickhouse.create_database())
    assert run_migrations(database_url_sync, url) == [f"clickhouse/{name}" for name in MIGRATIONS]
    assert run_migrations(database_url_sync, url) == []
    with pytest.raises(ClickhouseRefuses):
        run_migrations(database_url_sync, url + "_of_nobody")


BAD = {
    "http://host/db": "must be a URL such as clickhouse+https://",
    "clickhouse+https:///db": "must be a URL such as",
    "clickhouse+https://host": "must name a database",
    "clickhouse+https://host:99999/db": "the port must be a number",
    "clickhouse+https://host/db?verify=0": "verify: no such option",
    "clickhouse+http://host/db?ca=/x": "ca: only with clickhouse+https",
    "clickhouse+https://host/db?cert=/x": "cert and key belong together",
}


@pytest.mark.parametrize("url", BAD)
def test_a_bad_url_names_its_setting(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("TOLLKEEPER_LEDGER_URL", url)
    with pytest.raises(BadSettings, match=f"^TOLLKEEPER_LEDGER_URL: .*{re.escape(BAD[url])}"):
        read_settings()


def test_a_url_says_where_and_as_whom(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = "clickhouse+https://me:a%3Ab%2F@example.com/books?ca=/tls/ca.crt"
    assert address_of(url) == Address("https", "example.com", 8443, "me", "a:b/", "books", "/tls/ca.crt")
    assert address_of("clickhouse+http://h/d") == Address("http", "h", 8123, "default", "", "d")
    (tmp_path / "url").write_text(url + "\n")
    monkeypatch.setenv("TOLLKEEPER_LEDGER_URL_FILE", str(tmp_path / "url"))
    assert read_settings().ledger_url == url


class Tls(NamedTuple):
    """A ClickHouse that shows a certificate of `ours` and asks for one."""

    ours: trustme.CA
    server: ClickhouseServer


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    directory, ours = tmp_path_factory.mktemp("clickhouse-tls"), trustme.CA()
    server = ClickhouseServer(directory, issue(ours, directory / "server", "localhost"))
    yield Tls(ours, server)
    server.stop()


def options(client: Path) -> str:
    return f"?ca={client}/ca.crt&cert={client}/tls.crt&key={client}/tls.key"


async def test_both_sides_show_certificates_which_may_be_replaced(tls: Tls, tmp_path: Path) -> None:
    mine = issue(tls.ours, tmp_path / "client", "sidecar.test")
    client = Clickhouse(tls.server.url("default", options(mine)), PATIENT)
    assert await client.select("SELECT 1") == [[1]]
    stranger = trustme.CA()
    issue(stranger, mine, "sidecar.test", trusts=tls.ours)
    with pytest.raises(ClickhouseAway):
        await client.select("SELECT 1")
    issue(tls.ours, mine, "sidecar.test")
    assert await client.select("SELECT 1") == [[1]]
    await client.aclose()


async def test_what_is_wrong_with_tls_is_a_sentence(
    tls: Tls, tmp_path: Path, redis_url: str, database_url: str
) -> None:
    mine = issue(tls.ours, tmp_path / "client", "sidecar.test")
    foreign = issue(tls.ours, tmp_path / "foreign", "sidecar.test", trusts=trustme.CA())
    good, bad = (tls.server.url("default", options(each)) for each in (mine, foreign))
    cases = {
        bad: "clickhouse is not trusted: its certificate is not what TOLLKEEPER_LEDGER_URL asks for (",
        good.replace("localhost", "127.0.0.1"): "clickhouse is not trusted: its certificate is not what",
        good.replace("ca.crt", "none.crt"): "clickhouse is not asked, since TOLLKEEPER_LEDGER_URL names a file for TLS"
        f" that cannot be used (ca={mine}/none.crt: No such file or directory)",
    }
    for url, said in cases.items():
        watch = await looked(url, redis_url, database_url)
        assert watch.warnings[0].startswith(said)
        assert watch.refused == {CLICKHOUSE}


def test_a_command_forgets_old_months(clickhouse: ClickhouseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    url = asyncio.run(clickhouse.create_database())
    monkeypatch.setenv("TOLLKEEPER_LEDGER_URL", url)
    run = partial(CliRunner().invoke, app, ["forget-usage", "--before", "2026-01-01"])
    assert (run().exit_code, "nothing was forgotten" in run().output) == (1, True)  # there are no tables
    asyncio.run(prepared(url))
    assert "not summed up yet: 2025-12-31" in run().output
    asyncio.run(rolled_up(url))
    assert run().output == "forgotten: usage_2025_12\n"
    assert run().output == "nothing to forget\n"


async def prepared(url: str) -> None:
    client = Clickhouse(url, PATIENT)
    await migrate(client)
    await ClickhouseLedger(client, timeout=PATIENT).append(priced([row(lease_id=mint_lease_id(NEW_YEAR_MS - 1))], {}))
    await client.aclose()


async def rolled_up(url: str) -> None:
    """As if the row had come an hour ago."""
    client = Clickhouse(url, PATIENT)
    await client.execute("TRUNCATE TABLE usage_days")
    await client.execute("INSERT INTO usage_days SELECT '2025-12-31', now64(3) - INTERVAL 1 HOUR")
    assert await Roller(client).roll() == 1
    await client.aclose()


async def test_doctor_says_what_is_wrong(
    clickhouse: ClickhouseServer, redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, url in (("DATABASE", database_url), ("REDIS", redis_url)):
        monkeypatch.setenv(f"TOLLKEEPER_{name}_URL", url)

    async def said(url: str) -> list[str]:
        settings = read_settings(ledger_url=url)
        return [each.says for each in await findings(settings) if each.part == "clickhouse"]

    url = await clickhouse.create_database()
    assert "TOLLKEEPER_LEDGER_URL" in (await said(url))[0]
    await prepared(url)
    assert await said(url) == []
    client = Clickhouse(url, PATIENT)
    await client.execute("TRUNCATE TABLE schema_migrations")
    await client.aclose()
    assert await said(url) == [f"its schema lacks {', '.join(MIGRATIONS)}"]
