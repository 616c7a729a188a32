"""/webhooks over HTTP and on the command line: what is made, refused, told, tried and sent again."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from admin.commands.ports import Configured
from tests.admin.conftest import WEBHOOK_SECRET, Admin, run_admin, wait_until
from tests.admin.webhooks.receiver import Receiver
from tests.cli.conftest import Command
from tests.conftest import create_database, drop_database
from tests.web import NO_TLS
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.valkey import Valkey

LOCAL = Configured(webhook_secrets=(WEBHOOK_SECRET,), local_webhooks=True)
PASSWORD = "a first password"


@pytest.fixture(scope="module")
def running(postgres: Postgres, valkey: Valkey) -> Iterator[Admin]:
    url = asyncio.run(create_database(postgres))
    with run_admin(url, valkey.url, configured=LOCAL) as admin:
        yield admin
    asyncio.run(drop_database(postgres, url))


def hook(admin: Admin, name: str, url: str, **fields: object) -> tuple[str, str]:
    """Its id and its secret."""
    answer = admin.post("/webhooks", name=name, url=url, **fields)
    assert answer.status_code == 201, answer.text
    return answer.json()["webhook"]["id"], answer.json()["secret"]


def test_a_webhook_is_made_changed_and_deleted_and_its_secret_shown_once(running: Admin) -> None:
    answer = running.post("/webhooks", name="a", url="https://hooks.test/x", events=["key.created", "key.created"])
    made, secret = answer.json()["webhook"], answer.json()["secret"]
    assert secret.startswith("whsec_")
    assert (made["events"], made["thresholds"], made["organization"]) == (["key.created"], [50, 80, 100], None)
    path = f"/webhooks/{made['id']}"
    changed = running.http.patch(path, json={"thresholds": [90, 10], "enabled": False}).json()
    assert (changed["thresholds"], changed["enabled"]) == ([10, 90], False)
    shown = running.http.get(path)
    assert shown.json() == changed
    assert secret not in shown.text + running.http.get("/audit").text
    assert [each["id"] for each in running.http.get("/webhooks?name=a").json()["webhooks"]] == [made["id"]]
    rotated = running.http.post(f"{path}/rotate", json={"overlap_seconds": 0}).json()
    assert rotated["secret"] not in (secret, "")
    assert running.post("/webhooks", name="a", url="https://hooks.test/").status_code == 409
    assert running.http.delete(path).status_code == 204
    assert running.http.get(path).status_code == 404
    actions = [each["action"] for each in running.audit() if each["target_id"] == made["id"]]
    assert actions == ["delete_webhook", "rotate_webhook", "update_webhook", "create_webhook"]
    secrets = running.query("SELECT * FROM webhook_secrets WHERE webhook_id = $1", made["id"])
    assert secrets == []


def test_nothing_that_could_sign_is_in_the_database(running: Admin) -> None:
    _, secret = hook(running, "stored", "https://hooks.test/", enabled=False)
    (kept,) = running.query(
        "SELECT s.* FROM webhook_secrets s JOIN webhooks w ON w.id = s.webhook_id WHERE w.name = 'stored'"
    )
    assert secret.removeprefix("whsec_") not in str(kept)
    assert WEBHOOK_SECRET not in str(kept)


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://169.254.169.254/latest", "credentials of a machine"),
        ("https://hooks.test/?token=x", "must not hold a credential"),
        ("https://a:b@hooks.test/", "user or password"),
        ("https://2130706433/", "not a host name"),
    ],
)
def test_where_nothing_is_sent(running: Admin, url: str, wrong: str) -> None:
    answer = running.post("/webhooks", name="x", url=url)
    assert answer.status_code == 422
    assert wrong in answer.json()["errors"][0]["detail"]


def test_without_a_configured_secret_there_are_none(database_url_sync: str, redis_url: str) -> None:
    with run_admin(database_url_sync, redis_url, configured=Configured()) as admin:
        answer = admin.post("/webhooks", name="x", url="https://hooks.test/")
    assert answer.status_code == 409
    assert "TOLLKEEPER_WEBHOOK_SECRET" in answer.json()["detail"]


def test_changes_of_keys_and_tenants_are_told_as_they_are_made(running: Admin, receiver: Receiver) -> None:
    id, secret = hook(running, "changes", receiver.url, events=["key.created", "key.revoked", "tenant.suspended"])
    tenant = running.tenant("told")["id"]
    key = running.key(tenant, "prod")
    running.http.patch(f"/tenants/{tenant}", json={"status": "suspended"}).raise_for_status()
    running.http.delete(f"/keys/{key['key']['id']}?dry_run=true").raise_for_status()
    running.http.delete(f"/keys/{key['key']['id']}").raise_for_status()
    told = [got.verified(secret) for got in receiver.wait_for(3)]
    by_kind = {each["type"]: each["data"] for each in told}
    assert sorted(by_kind) == ["key.created", "key.revoked", "tenant.suspended"]
    assert by_kind["key.created"]["key"]["name"] == "prod"
    assert by_kind["tenant.suspended"]["tenant"]["status"] == "suspended"
    assert not any(key["secret"].encode() in got.body for got in receiver.got)
    wait_until(lambda: len(running.http.get(f"/webhooks/{id}/deliveries?state=delivered").json()["deliveries"]) == 3)
    running.http.delete(f"/webhooks/{id}").raise_for_status()


def test_an_organization_is_told_of_its_own_tenants_alone(running: Admin, receiver: Receiver) -> None:
    organization = running.post("/organizations", name="acme", plan="scale").json()["id"]
    person = {"email": "ann@acme.test", "password": PASSWORD, "organization": organization, "role": "owner"}
    running.post("/accounts", **person).raise_for_status()
    login = httpx.post(
        f"{running.url}/auth/login", json={"email": "ann@acme.test", "password": PASSWORD}, verify=NO_TLS
    )
    headers = {"authorization": f"Bearer {login.json()['token']}"}
    body = {"name": "theirs", "url": receiver.url, "events": ["tenant.created"], "organization": "another"}
    made = running.http.post("/webhooks", json=body, headers=headers)
    assert made.json()["webhook"]["organization"] == organization
    running.tenant("of-the-operators")
    own = running.http.post("/tenants", json={"name": "of-acme"}, headers=headers).json()["id"]
    (got,) = receiver.wait_for(1)
    assert got.verified(made.json()["secret"])["data"]["tenant_id"] == own
    running.tenant("another-of-the-operators")
    deliveries = f"/webhooks/{made.json()['webhook']['id']}/deliveries"
    assert len(running.http.get(deliveries, headers=headers).json()["deliveries"]) == 1


def test_the_command_line_tries_one_and_sends_again(running: Admin, receiver: Receiver) -> None:
    tollkeeper = Command(running.url)
    made = tollkeeper.json("webhook", "create", "cli", "--url", receiver.url, "--event", "key.expiring")
    assert made["webhook"]["events"] == ["key.expiring"]
    assert tollkeeper.json("webhook", "test", "cli")["state"] == "delivered"
    (got,) = receiver.got
    assert got.verified(made["secret"])["type"] == "webhook.test"
    (delivery,) = tollkeeper.json("webhook", "deliveries", "cli")
    tollkeeper.ok("webhook", "redeliver", "cli", str(delivery["id"]))
    assert receiver.wait_for(2)[1].id == got.id
    receiver.answer = lambda _: (500, {}, b"broken")
    failed = tollkeeper("webhook", "test", "cli")
    assert failed.code == 1
    assert "the answer was 500" in failed.err
    tollkeeper.ok("webhook", "update", "cli", "--threshold", "75", "--event", "all")
    assert tollkeeper.json("webhook", "get", "cli")["thresholds"] == [75]
    tollkeeper.ok("webhook", "rotate", "cli", "--overlap", "0")
    tollkeeper.ok("webhook", "delete", "cli", "--yes")
