"""Webhooks on the console: made, with a secret that is shown once, tried, sent again, changed, rotated and deleted."""

import asyncio
import re
from collections.abc import Iterator

import httpx
import pytest

from admin.commands.ports import Configured
from tests.admin.conftest import WEBHOOK_SECRET, Admin, run_admin, wait_until
from tests.admin.webhooks.receiver import Receiver, receiving
from tests.conftest import create_database, drop_database
from tests.console.conftest import Visitor, text_of
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.valkey import Valkey

HERE = "/console/webhooks"
FIELDS = {"name": "hook", "enabled": "true", "thresholds": "80% 100"}
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")
NASTY = "<svg onload=alert(1)>"


@pytest.fixture(scope="module")
def admin(postgres: Postgres, valkey: Valkey) -> Iterator[Admin]:
    """One that may send to this machine."""
    url = asyncio.run(create_database(postgres))
    local = Configured(webhook_secrets=(WEBHOOK_SECRET,), local_webhooks=True)
    with run_admin(url, valkey.url, configured=local) as running:
        yield running
    asyncio.run(drop_database(postgres, url))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def secret_in(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    found: list[str] = SECRET.findall(answer.text)
    return found[0]


def made(owner: Visitor, **fields: str) -> tuple[str, str]:
    """The page of a new one, and its secret."""
    answer = owner.send(f"{HERE}/new", **{**FIELDS, **fields})
    secret = secret_in(answer)
    return re.findall(rf"{HERE}/wh_[0-9a-f]+", answer.text)[0], secret


def test_one_is_made_tried_and_its_event_sent_again(owner: Visitor, admin: Admin, receiver: Receiver) -> None:
    assert "Nobody is told of anything" in text_of(owner.get(HERE))
    page, secret = made(owner, url=receiver.url, events="key.created, key.revoked key.created", description=NASTY)
    assert secret not in owner.get(page).text + owner.get(HERE).text
    assert NASTY not in owner.get(page).text + owner.get(HERE).text
    (hook,) = admin.http.get("/webhooks").json()["webhooks"]
    assert (hook["events"], hook["thresholds"]) == (["key.created", "key.revoked"], [80, 100])

    receiver.answer = lambda _: (200, {}, f"taken {NASTY}".encode())
    assert owner.send(page, f"{page}/test").headers["location"] == f"{page}?done=webhook-tried"
    (got,) = receiver.wait_for(1)
    assert got.verified(secret)["type"] == "webhook.test"
    wait_until(lambda: "delivered" in text_of(owner.get(page)))
    shown = owner.get(page)
    assert NASTY not in shown.text
    assert "taken" in text_of(shown)
    (again,) = re.findall(rf'action="({page}/deliveries/\d+/redeliver)"', shown.text)
    assert owner.send(page, again).headers["location"] == f"{page}?done=webhook-sent-again"
    assert {each.id for each in receiver.wait_for(2)} == {got.id}
    for odd in ("0", "9" * 30, "x"):
        assert owner.send(page, f"{page}/deliveries/{odd}/redeliver").status_code == 404


def test_one_is_changed_rotated_and_deleted(owner: Visitor, admin: Admin, receiver: Receiver) -> None:
    page, secret = made(owner, name="other", url=receiver.url, enabled="false")
    changed = {**FIELDS, "name": "other", "url": receiver.url, "events": "", "thresholds": ""}
    stale = owner.hidden(page)
    assert owner.send(page, **changed).headers["location"] == f"{page}?done=webhook-saved"
    hook = admin.http.get(f"/webhooks/{page.rpartition('/')[2]}").json()
    assert (hook["enabled"], hook["events"], hook["thresholds"]) == (True, [], [])
    assert owner.http.post(page, data={**stale, **changed}).status_code == 412
    rotated = secret_in(owner.send(page, f"{page}/rotate", overlap_seconds="3600"))
    assert rotated != secret
    assert "signs too until" in text_of(owner.get(page))
    assert owner.send(page, f"{page}/test").status_code == 303
    (got,) = receiver.wait_for(1)
    assert got.verified(rotated) == got.verified(secret)
    assert owner.send(page, f"{page}/delete").headers["location"] == f"{HERE}?done=webhook-deleted"
    assert owner.get(page).status_code == 404


def test_one_form_makes_one_webhook(owner: Visitor, admin: Admin) -> None:
    page = f"{HERE}/new"
    sent = {**owner.hidden(page), **FIELDS, "name": "once", "url": "https://hooks.test/"}
    assert owner.http.post(page, data=sent).status_code == 200
    again = owner.http.post(page, data=sent)
    (hook,) = admin.http.get("/webhooks?name=once").json()["webhooks"]
    assert again.headers["location"] == f"{HERE}/{hook['id']}"  # where its secret is not shown


WRONG = [
    ({"url": ""}, "required"),
    ({"url": "nowhere"}, "http"),
    ({"url": "http://169.254.169.254/"}, "link-local"),
    ({"name": ""}, "required"),
    ({"events": "key.made"}, "key.created"),
    ({"events": "webhook.test"}, "key.created"),
    ({"thresholds": "101"}, "100"),
    ({"thresholds": "many"}, "must be a number"),
]


@pytest.mark.parametrize(("fields", "says"), WRONG, ids=str)
def test_what_is_wrong_is_said_and_nothing_is_made(
    owner: Visitor, admin: Admin, fields: dict[str, str], says: str
) -> None:
    sent = {**FIELDS, "name": "wrong", "url": "https://hooks.test/", **fields}
    answer = owner.send(f"{HERE}/new", **sent)
    assert answer.status_code in (400, 422), answer.text
    assert says in text_of(answer)
    assert admin.http.get("/webhooks?name=wrong").json()["webhooks"] == []
