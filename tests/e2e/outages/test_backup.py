"""A backup under load, both stores lost, the backup brought back: what is as it was, and what is not."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.conftest import place_postgres, public_directory
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.e2e.load import Load
from tollkeeper.__main__ import app
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.valkey import PrivateValkey

LIMIT = {"name": "a day's", "scope": "tenant", "unit": "tokens", "amount": 10_000_000, "kind": "fixed_window"}
DAY = {"window_seconds": 86_400}
CHECKPOINT = "sidecar/access-log-checkpoint.json"


class Stores:
    """Postgres and Redis of their own, that are lost."""

    def __init__(self, directory: Path) -> None:
        self.postgres = Postgres(place_postgres(directory / "postgres"))
        self.valkey = PrivateValkey(directory / "valkey")
        self.valkey.process.wait_until(self.valkey.answers)

    @property
    def urls(self) -> dict[str, Any]:
        return {"database_url": self.postgres.url, "redis_url": self.valkey.url}

    def run(self, *arguments: object) -> str:
        environment = {f"TOLLKEEPER_{name}".upper(): url for name, url in self.urls.items()}
        result = CliRunner().invoke(app, [*map(str, arguments)], env=environment)
        assert result.exit_code == 0, result.output
        return result.stdout

    def kill(self) -> None:
        self.postgres.process.kill()
        self.valkey.process.kill()


@pytest.fixture
def directory() -> Iterator[Path]:
    with public_directory() as path:
        yield path


def test_what_a_backup_has_comes_back_and_envoys_log_brings_the_usage_since(directory: Path) -> None:
    first = Stores(directory / "first")
    stack = Deployment(directory / "stack", **first.urls)
    try:
        who = stack.tenant()
        revoked = stack.key(who.tenant_id)
        assert stack.admin.post("/limits", json={**LIMIT, "tenant_id": who.tenant_id, **DAY}).is_success
        with Load(stack, who) as load:
            load.during(1.0)
            said = first.run("backup", "create", directory / "backup")
            during = dict(load.answers)
            load.during(1.0)
        assert "rows of" in said
        assert {*load.answers.values()} == {200}
        later = stack.key(who.tenant_id)
        assert stack.admin.delete(f"/keys/{revoked.key_id}").is_success
        asked = len(stack.usage_when(who, len(load.answers)))
        wait_for(lambda: is_in_the_file(stack, load) or None, "every request in Envoy's log file")
        for name in ("envoy", "sidecar", "admin"):
            stack.processes[name].kill()
    finally:
        stack.close()
        first.kill()

    second = Stores(directory / "second")
    said = second.run("restore", directory / "backup", "--replace")
    assert "keys made since do not work, keys revoked since work" in said
    stack = Deployment(directory / "stack", **second.urls)
    try:
        kept = len(stack.usage(who))
        assert 0 < kept < asked
        assert kept <= len(during)
        assert [stack.chat(each).status_code for each in (who, revoked, later)] == [200, 200, 401]
        stack.usage_when(who, kept + 2)
        budgets_are_as_the_ledger(stack, who)
        # Envoy's log file from its beginning.
        stack.processes["sidecar"].stop()
        (directory / "stack" / CHECKPOINT).unlink()
        stack.stack.sidecar(stack.settings)
        rows = stack.usage_when(who, asked + 2)
        assert len(rows) == asked + 2
        budgets_are_as_the_ledger(stack, who)
    finally:
        stack.close()
        second.kill()


def is_in_the_file(stack: Deployment, load: Load) -> bool:
    """Envoy writes it every 200 ms: rows came by the stream before."""
    text = (stack.directory / "access.jsonl").read_text()
    return all(name in text for name in load.answers)


def budgets_are_as_the_ledger(stack: Deployment, who: Credential) -> None:
    """At the latest when rows that come late have been mended twice."""
    used = sum(row["input_tokens"] + row["output_tokens"] for row in stack.usage(who))

    def counted() -> Any:
        budgets = stack.admin.get(f"/tenants/{who.tenant_id}/budgets").json()["budgets"]
        (budget,) = [each for each in budgets if each["limit"] == LIMIT["name"]]
        return True if Decimal(budget["used"]) == used else None

    wait_for(counted, f"{used} tokens in the budget", 40)
    audit = stack.admin.get("/budgets/audit", params={"tenant_id": who.tenant_id}).json()
    assert [each for each in audit["budgets"] if each["missing"] or each["beyond"]] == [], audit
