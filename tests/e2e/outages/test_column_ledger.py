"""A whole stack whose ledger is on ClickHouse: rows, reports, explanations, and what happens while it is away."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from store.clickhouse import Clickhouse
from tests.clickhouse.server import PATIENT, ClickhouseServer
from tests.conftest import public_directory
from tests.e2e.deployment import Credential, Deployment, wait_for


class Columns:
    """The stack, and the ClickHouse that it uses, which can be killed and started again."""

    def __init__(self, directory: Path, state: Path) -> None:
        self.state, self.server = state, ClickhouseServer(state)
        self.url = asyncio.run(self.server.create_database())
        self.stack = Deployment(directory, settings={"ledger_url": self.url})

    def kill(self) -> None:
        self.server.stop()

    def start(self) -> None:
        self.server = ClickhouseServer(self.state, port=self.server.port)

    def rows(self, who: Credential) -> list[list[Any]]:
        async def ask() -> list[list[Any]]:
            client = Clickhouse(self.url, PATIENT)
            statement = "SELECT request_id, toString(id) FROM usage FINAL WHERE tenant_id = {tenant:String}"
            try:
                return await client.select(statement, {"tenant": who.tenant_id})
            finally:
                await client.aclose()

        return asyncio.run(ask())

    def warnings(self) -> str:
        return self.stack.admin_metrics("readyz")


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Columns]:
    with public_directory() as directory:
        made = Columns(directory / "stack", tmp_path_factory.mktemp("clickhouse"))
        yield made
        made.stack.close()
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
