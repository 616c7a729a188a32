"""A key that LiteLLM gave out opens this data plane, within the limits that it had."""

import secrets
from decimal import Decimal

import httpx
from typer.testing import CliRunner

from tests.backup.stores import execute
from tests.e2e.deployment import MODEL, Deployment, wait_for
from tests.imports.litellm_database import fill, key
from tollkeeper.__main__ import app


def chat(stack: Deployment, secret: str, model: str = MODEL) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
    return stack.envoy.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {secret}"})


def test_keys_of_litellm_work_on(stack: Deployment) -> None:
    secret, spent = (f"sk-{secrets.token_urlsafe(16)}" for _ in range(2))
    execute(stack.database_url, "CREATE DATABASE litellm")
    source = stack.database_url.rsplit("/", 1)[0] + "/litellm"
    fill(
        source,
        {
            "LiteLLM_TeamTable": [{"team_id": "from-litellm", "team_alias": "From LiteLLM", "models": [MODEL]}],
            "LiteLLM_VerificationToken": [
                key(secret, team_id="from-litellm", models=[], rpm_limit=2, max_budget=4.0, spend=1.0),
                key(spent, team_id="from-litellm", models=[], max_budget=4.0, spend=4.0),
            ],
        },
    )
    assert chat(stack, secret).status_code == 401
    result = CliRunner().invoke(app, ["import", "litellm", source], env={"TOLLKEEPER_DATABASE_URL": stack.database_url})
    assert "keys: 2 made" in result.stdout, result.output
    execute(stack.database_url, "DROP DATABASE litellm")
    # One that was refused just now is known as such for some seconds, unless a sidecar is told.
    answer = wait_for(lambda: each if (each := chat(stack, secret)).status_code != 401 else None, "the key")
    assert answer.status_code == 200, answer.text
    assert chat(stack, secret, "another").status_code == 403
    assert chat(stack, spent).status_code == 403
    assert [chat(stack, secret).status_code for _ in range(2)] == [200, 429]
    (first, second) = stack.admin.get("/limits", params={"tenant_id": "from-litellm"}).json()["limits"]
    assert {Decimal(each["amount"]) for each in (first, second)} == {Decimal(3), Decimal("0.000001")}
    budgets = stack.admin.get("/tenants/from-litellm/budgets").json()["budgets"]
    assert {each["limit"] for each in budgets} >= {first["name"], second["name"]}
