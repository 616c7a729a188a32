"""A whole stack whose ledger is on ClickHouse: rows, reports, explanations, and what happens while it is away."""

import asyncio
import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from store.clickhouse import Clickhouse
from tests.clickhouse.server import PATIENT, ClickhouseServer
from tests.conftest import public_directory
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.e2e.load import Load
from tests.proxy import TcpProxy
from tollkeeper.config import as_environment
from tollkeeper.doctor.command import examine

OUTAGE_SECONDS = 2.0
WAITS_SECONDS = 40.0  # for rows that were kept on disk, on a busy machine


class Columns:
    """The stack, and the ClickHouse that it uses through a proxy, which can be killed and started again."""

    def __init__(self, directory: Path, state: Path) -> None:
        self.state, self.server = state, ClickhouseServer(state)
        self.proxy = TcpProxy(self.server.port)
        self.url = asyncio.run(self.server.create_database())
        proxied = self.url.replace(f":{self.server.port}/", f":{self.proxy.port}/")
        self.stack = Deployment(directory, settings={"ledger_url": proxied})

    def kill(self) -> None:
        self.server.stop()

    def start(self) -> None:
        self.server = ClickhouseServer(self.state, port=self.server.port)

    def select(self, statement: str, **values: object) -> list[list[Any]]:
        async def ask() -> list[list[Any]]:
            client = Clickhouse(self.url, PATIENT)
            try:
                return await client.select(statement, values)
            finally:
                await client.aclose()

        return asyncio.run(ask())

    def execute(self, statement: str) -> None:
        async def tell() -> None:
            client = Clickhouse(self.url, PATIENT)
            await client.execute(statement)
            await client.aclose()

        asyncio.run(tell())

    def rows(self, who: Credential) -> list[list[Any]]:
        statement = "SELECT request_id, toString(id) FROM usage FINAL WHERE tenant_id = {tenant:String}"
        return self.select(statement, tenant=who.tenant_id)

    def warnings(self) -> str:
        return self.stack.admin_metrics("readyz")

    def doctor(self) -> str:
        return "\n".join(f"{each.part}: {each.says}" for each in examine(self.stack.settings))

    def check_books(self, who: Credential, load: Load) -> None:
        """Every request was answered, is in the ledger once, and in the report."""
        assert set(load.answers.values()) == {200}
        asked = sorted(load.answers)
        wait_for(lambda: True if len(self.rows(who)) >= len(asked) else None, f"{len(asked)} rows", WAITS_SECONDS)
        found = self.rows(who)
        assert sorted(request_id for request_id, _ in found) == asked
        assert len({id for _, id in found}) == len(asked)
        report = self.stack.admin.get("/usage", params={"tenant_id": who.tenant_id}).json()
        assert report["requests"] == len(asked)


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Columns]:
    with public_directory() as directory:
        made = Columns(directory / "stack", tmp_path_factory.mktemp("clickhouse"))
        yield made
        made.stack.close()
        made.proxy.close()
        made.kill()


def test_requests_become_rows_reports_and_explanations(columns: Columns) -> None:
    stack, who = columns.stack, columns.stack.tenant()
    answers = [stack.chat(who, {"x-request-id": f"column-{number}"}) for number in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    wait_for(lambda: True if len(columns.rows(who)) == 5 else None, "five rows in ClickHouse")
    assert stack.usage(who) == []  # none in Postgres
    tenant = stack.admin.get("/usage", params={"tenant_id": who.tenant_id}).json()
    used = [answer.json()["usage"] for answer in answers]
    assert tenant["requests"] == 5
    assert tenant["input_tokens"] == sum(each["prompt_tokens"] for each in used)
    assert tenant["output_tokens"] == sum(each["completion_tokens"] for each in used)
    explained = stack.admin.get("/requests/column-3").json()
    assert explained["requests"][0]["lease_id"] in {id for _, id in columns.rows(who)}
    denied = stack.envoy.post("/v1/chat/completions", json={"model": "m"}, headers={"x-request-id": "column-denied"})
    assert denied.status_code == 401

    def denial() -> dict[str, Any] | None:
        found = stack.admin.get("/requests/column-denied").json()
        return found if found.get("denials") else None

    assert wait_for(denial, "the denial")["denials"][0]["reason"]


def test_exports_and_statements_have_it_and_a_backup_says_that_it_does_not(columns: Columns, tmp_path: Path) -> None:
    stack, who = columns.stack, columns.stack.tenant()
    answers = [stack.chat(who, {"x-request-id": f"exported-{number}"}) for number in range(3)]
    wait_for(lambda: True if len(columns.rows(who)) == 3 else None, "three rows in ClickHouse")
    asked = {"tenant_id": who.tenant_id}
    rows = csv.DictReader(stack.admin.get("/usage/export", params={**asked, "schema": "rows"}).text.splitlines())
    assert sorted(each["request_id"] for each in rows) == [f"exported-{number}" for number in range(3)]
    focus = [*csv.DictReader(stack.admin.get("/usage/export", params=asked).text.splitlines())]
    input_tokens = sum(answer.json()["usage"]["prompt_tokens"] for answer in answers)
    charged = [float(each["ConsumedQuantity"] or 0) for each in focus if "input" in each["SkuId"].lower()]
    assert sum(charged) == input_tokens
    statement = stack.admin.get(f"/tenants/{who.tenant_id}/statement").json()
    assert (statement["total"]["requests"], statement["total"]["input_tokens"]) == (3, input_tokens)
    command = [sys.executable, "-m", "tollkeeper", "backup", "create", str(tmp_path / "backup.zip")]
    environment = {**os.environ, **as_environment(stack.settings)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "the ledger is not in it" in done.stdout


def test_rows_wait_while_it_is_away(columns: Columns) -> None:
    stack, who = columns.stack, columns.stack.tenant()
    assert stack.chat(who).status_code == 200
    wait_for(lambda: True if len(columns.rows(who)) == 1 else None, "a row")
    columns.kill()
    try:
        assert {stack.chat(who).status_code for _ in range(5)} == {200}
        wait_for(lambda: True if "clickhouse does not answer" in columns.warnings() else None, "a word on /readyz")
        assert stack.admin.get("/usage").status_code == 503
    finally:
        columns.start()
    wait_for(lambda: True if len(columns.rows(who)) == 6 else None, "six rows", 40)
    assert len({id for _, id in columns.rows(who)}) == 6


@pytest.mark.parametrize("how", ["cut", "freeze", "lose_answers"])
def test_under_load_nothing_is_lost_and_nothing_is_there_twice(columns: Columns, how: str) -> None:
    """lose_answers: rows were written, and are sent again since nobody said so."""
    who = columns.stack.tenant()
    with Load(columns.stack, who) as load:
        load.during(1.0)
        getattr(columns.proxy, how)(*([b"usage"] if how == "lose_answers" else []))
        load.during(OUTAGE_SECONDS)
        columns.proxy.restore()
        load.during(1.0)
    columns.check_books(who, load)


def test_one_that_takes_no_rows_says_so_though_it_answers(columns: Columns) -> None:
    """As one whose disk is full, or that does not come after with its merges: inserts fail, questions do not."""
    stack, who = columns.stack, columns.stack.tenant()
    full = "ALTER TABLE usage MODIFY SETTING parts_to_delay_insert = {0}, parts_to_throw_insert = {0}"
    with Load(stack, who) as load:
        load.during(1.0)
        columns.execute("SYSTEM STOP MERGES usage")
        columns.execute(full.format(1))
        wait_for(lambda: True if "takes no rows" in columns.doctor() else None, "a word on /readyz", 40)
        assert "takes no rows, they wait on disk" in columns.doctor()
        assert stack.admin.get("/usage", params={"tenant_id": who.tenant_id}).status_code == 200
        columns.execute(full.format(3000))
        columns.execute("SYSTEM START MERGES usage")
        load.during(1.0)
    columns.check_books(who, load)
    wait_for(lambda: True if "takes no rows" not in columns.doctor() else None, "no such word any more")
