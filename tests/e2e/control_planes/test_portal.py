"""The portal's document against a fresh `tollkeeper up`: its blocks in their order, the documented answers field by
field, and its keys through Envoy until one is gone."""

import re
from collections.abc import Callable
from datetime import datetime

import httpx
import pytest

from tests.e2e.control_planes import portal_document as document
from tests.e2e.control_planes.conftest import Fresh, values_of
from tests.e2e.deployment import wait_for
from tests.web import NO_TLS
from tollkeeper.up import training
from tollkeeper.up.stack import DEV_ADMIN_TOKEN

Shell = Callable[..., str]


@pytest.fixture(scope="module")
def shell(fresh: Fresh) -> Shell:
    """Runs a block as somebody who is signed in; the host name is ours."""
    log_in = document.LOG_IN.replace(document.HOST, fresh.admin_url)
    signed_in = {"JWT_TOKEN": fresh.run(log_in + 'echo "$JWT_TOKEN"').strip(), "PORTAL_BASE": fresh.admin_url}

    def run(block: str, **variables: str) -> str:
        return fresh.run(block.replace(document.HOST, fresh.admin_url), **signed_in, **variables)

    return run


@pytest.fixture(scope="module")
def exercise(shell: Shell) -> list[str]:
    """The lines of the exercise: three ids, three names, two keys."""
    return shell(document.EXERCISE).strip().splitlines()


def test_the_exercise(exercise: list[str], shell: Shell) -> None:
    """As its "Validation" has it."""
    assert all(re.fullmatch(r'"xs_workshop_[a-z2-7]{8}"', line) for line in exercise[:3])
    assert exercise[3:6] == [f'"Workshop Service {env}"' for env in ("prod", "staging", "dev")]
    assert re.fullmatch(r"Active: xag_[0-9a-f]{48}", exercise[6])
    assert re.fullmatch(r"Backup: xag_[0-9a-f]{48}", exercise[7])
    assert shell(document.PLAN).strip() == '"scale"'
    listed = values_of(shell(document.LIST_KEYS, TENANT_ID=tenant_of(exercise)))
    assert [each["display_name"] for each in listed] == ["active-collector-key", "backup-key"]
    assert [each["prefix"] for each in listed] == [line.split()[1][:8] for line in exercise[6:]]
    (summary,) = values_of(shell(document.SUMMARY))
    assert summary == {
        "billing_plan": "scale",
        "active_series": 0,
        "plan_max_series": 20000,
        "logs_gb_this_month": 0.0,
        "pct_used": 0,
    }


def tenant_of(exercise: list[str]) -> str:
    """That with the keys."""
    return exercise[0].strip('"')


def test_the_blocks_in_their_order(exercise: list[str], shell: Shell) -> None:
    (made,) = values_of(shell(document.CREATE))
    assert re.fullmatch(r"xs_payment_[a-z2-7]{8}", made["id"])
    assert [*made] == [
        *("id", "display_name", "environment", "region", "metrics_host", "logs_host", "traces_host", "created_at")
    ]
    assert (made["display_name"], made["environment"]) == ("Payment Service Production", "prod")
    assert datetime.fromisoformat(made["created_at"]).tzinfo is not None
    assert shell(document.LIST).split() == [*exercise[:3], f'"{made["id"]}"']
    tenant = {"TENANT_ID": made["id"]}
    assert values_of(shell(document.GET, **tenant)) == [made]
    changed = values_of(shell(document.UPDATE, **tenant))
    assert changed == [{**made, "display_name": "Payment Service EU Production"}]

    shown, _, said = shell(document.CREATE_KEY, **tenant).rpartition("API Key: ")
    (key,) = values_of(shown)
    assert re.fullmatch(r"xag_[0-9a-f]{48}", key["key"])
    assert said.strip() == key["key"]
    listed = shell(document.LIST_KEYS, **tenant)
    assert values_of(listed) == [{name: key[name] for name in ("id", "display_name", "prefix", "created_at")}]
    assert key["prefix"] == key["key"][:8]
    assert key["id"].startswith("key_")
    assert key["key"] not in listed
    assert shell(document.REVOKE, **tenant) == ""
    assert shell(document.LIST_KEYS, **tenant) == ""
    (usage,) = values_of(shell(document.USAGE, **tenant))
    assert (usage["tenant_id"], usage["active_series"], usage["requests_this_month"]) == (made["id"], 0, 0)


def test_its_keys_work_until_they_are_revoked_and_count(exercise: list[str], shell: Shell, fresh: Fresh) -> None:
    active, backup = ({"x-api-key": line.split()[1]} for line in exercise[6:])
    for key in (active, backup):
        answer = fresh.chat(key)
        assert answer.status_code == 200, answer.text
    tenant = {"TENANT_ID": tenant_of(exercise)}

    def used() -> bool | None:
        (found,) = values_of(shell(document.USAGE, **tenant))
        return True if found["requests_this_month"] == 2 else None

    wait_for(used, "the usage of both requests")
    shell(document.REVOKE, **tenant)
    wait_for(lambda: True if fresh.chat(active).status_code == 401 else None, "the refusal of the revoked key")
    assert fresh.chat(backup).status_code == 200
    # A limit that the key manager sets binds what the portal made.
    limit, admin = {"token_limit": 20, "time_window": "1m"}, {"authorization": f"ADMIN {DEV_ADMIN_TOKEN}"}
    team = f"{fresh.admin_url}/teams/{tenant_of(exercise)}"
    fresh.models.patch(team, json=limit, headers=admin).raise_for_status()
    refused = wait_for(
        lambda: answer if (answer := fresh.chat(backup)).status_code != 200 else None, "the refusal by the limit"
    )
    assert (refused.status_code, "token_limit" in refused.text) == (429, True)


def test_with_a_token_of_one_s_own_the_account_that_everybody_knows_is_locked_out(fresh: Fresh) -> None:
    body = {"email": training.EMAIL, "password": training.PASSWORD}
    for wanted, status in ((False, 401), (True, 200)):
        training.prepare(fresh.admin_url, DEV_ADMIN_TOKEN, wanted=wanted)
        answer = httpx.post(f"{fresh.admin_url}/auth/login", json=body, verify=NO_TLS, timeout=30)
        assert answer.status_code == status


def test_the_quick_start_of_our_own_page_works(fresh: Fresh) -> None:
    said = fresh.quick_start("client/portal.md", "export TOLLKEEPER_API_URL")
    key, usage = values_of(said[said.index('{"id":"key_') :])
    assert re.fullmatch(r"xag_[0-9a-f]{48}", key["key"])
    assert (usage["display_name"], usage["requests_this_month"]) == ("Payment Service", 0)
