"""The command blocks of the portal's document against a fresh server: the documented answers, field by field."""

import json
import os
import re
import shutil
import subprocess
from datetime import datetime
from typing import Any

import pytest

from tests.admin.portal import document
from tests.admin.portal.conftest import Portal

pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="the document's commands need jq")


@pytest.fixture
def shell(portal: Portal) -> Any:
    made = portal.admin.post("/organizations", name="Training", plan="scale").json()["id"]
    portal.account(made, "training@example.com", "owner")
    prelude = document.LOG_IN.replace(document.HOST, portal.admin.url)

    def run(block: str, **variables: str) -> str:
        command = ["bash", "-euo", "pipefail", "-c", prelude + block]
        done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_blocks_in_their_order(shell: Any, portal: Portal) -> None:
    made = json.loads(shell(document.CREATE))
    assert re.fullmatch(r"xs_payment_[a-z2-7]{8}", made["id"])
    assert [*made] == [
        *("id", "display_name", "environment", "region", "metrics_host", "logs_host", "traces_host", "created_at")
    ]
    assert (made["display_name"], made["environment"]) == ("Payment Service Production", "prod")
    assert datetime.fromisoformat(made["created_at"]).tzinfo is not None
    assert shell(document.LIST).split() == [f'"{made["id"]}"']
    tenant = {"TENANT_ID": made["id"]}
    assert json.loads(shell(document.GET, **tenant)) == made
    changed = json.loads(shell(document.UPDATE, **tenant))
    assert changed == {**made, "display_name": "Payment Service EU Production"}

    shown, _, said = shell(document.CREATE_KEY, **tenant).rpartition("API Key: ")
    key = json.loads(shown)
    assert re.fullmatch(r"xag_[0-9a-f]{48}", key["key"])
    assert said.strip() == key["key"]
    (listed,) = [json.loads(shell(document.LIST_KEYS, **tenant))]
    assert listed == {name: key[name] for name in ("id", "display_name", "prefix", "created_at")}
    assert listed["prefix"] == key["key"][:8]
    assert key["id"].startswith("key_")
    whole = portal.http.get(f"/tenants/{made['id']}/keys", headers=portal.as_("training@example.com")).text
    assert key["key"] not in whole
    assert portal.admin.record(key["key"]) is not None
    assert shell(document.REVOKE, **tenant) == ""
    assert shell(document.LIST_KEYS, **tenant) == ""

    summary = json.loads(shell(document.SUMMARY))
    assert summary == {
        "billing_plan": "scale",
        "active_series": 0,
        "plan_max_series": 20000,
        "logs_gb_this_month": 0.0,
        "pct_used": 0,
    }
    usage = json.loads(shell(document.USAGE, **tenant))
    assert (usage["tenant_id"], usage["active_series"], usage["requests_this_month"]) == (made["id"], 0, 0)


def test_the_exercise(shell: Any, portal: Portal) -> None:
    lines = shell(document.EXERCISE).strip().splitlines()
    assert all(re.fullmatch(r'"xs_workshop_[a-z2-7]{8}"', line) for line in lines[:3])
    assert lines[3:6] == [f'"Workshop Service {env}"' for env in ("prod", "staging", "dev")]
    assert re.fullmatch(r"Active: xag_[0-9a-f]{48}", lines[6])
    assert re.fullmatch(r"Backup: xag_[0-9a-f]{48}", lines[7])
    assert shell(document.PLAN).strip() == '"scale"'
    for line in lines[6:]:
        record = portal.admin.record(line.split()[1])
        assert record is not None
        assert record["tenant_id"] == lines[0].strip('"')
