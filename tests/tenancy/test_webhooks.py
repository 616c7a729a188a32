"""Webhooks and alerts on spending: the same answers from memory and from Postgres."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tenancy.directory.change_request import ChangeRequest, StateChanged, tag_of
from tenancy.directory.tenants import NewTenant, NoSuchTenant
from tenancy.directory.webhooks.spend_alerts import MAX_ALERTS, NewAlert, NoSuchAlert, TooManyAlerts
from tenancy.directory.webhooks.webhooks import (
    MAX_WEBHOOKS,
    NewWebhook,
    NoSuchDelivery,
    NoSuchWebhook,
    Salt,
    TooManyWebhooks,
    WebhookNameTaken,
)
from tests.tenancy.directories import KINDS, Directory, open_directory

if TYPE_CHECKING:
    import asyncpg

BY = ChangeRequest("admin")
ROOT = "0123456789abcdef"
SALT = Salt("0" * 32, ROOT)
NEW = NewWebhook("alerts", "https://hooks.example.com/", thresholds=(80, 50))


@pytest.fixture(params=KINDS)
async def directory(request: pytest.FixtureRequest, pool: "asyncpg.Pool[asyncpg.Record]") -> Directory:
    return open_directory(request.param, pool)


async def test_a_webhook_is_made_changed_rotated_and_deleted(directory: Directory) -> None:
    hooks = directory.webhooks
    made = await hooks.create(NEW, SALT, BY)
    assert (made.id, made.thresholds, made.enabled, made.old_secrets_until) == (NEW.id, (50, 80), True, None)
    assert await hooks.get(made.id) == made
    assert await hooks.update(made.id, {"thresholds": (80, 50), "name": "alerts"}, BY) == made
    paused = await hooks.update(made.id, {"enabled": False, "events": ("key.created",)}, BY)
    assert (paused.enabled, paused.events, paused.created_at) == (False, ("key.created",), made.created_at)
    stale = replace(BY, if_match=frozenset({tag_of(made)}))
    for late in (hooks.update(made.id, {"enabled": True}, stale), hooks.delete(made.id, stale)):
        with pytest.raises(StateChanged):
            await late
    rotated = await hooks.rotate(made.id, Salt("1" * 32, ROOT), 3600, BY)
    assert rotated.old_secrets_until is not None
    assert (await hooks.rotate(made.id, Salt("2" * 32, ROOT), 0, BY)).old_secrets_until is None
    assert await hooks.delete(made.id, replace(BY, dry_run=True)) == {"webhooks": 1}
    assert await hooks.delete(made.id, BY) == {"webhooks": 1}
    assert (await hooks.get(made.id), await hooks.page(10)) == (None, ())
    changes = ["update_webhook", "rotate_webhook", "rotate_webhook"]
    assert await directory.actions() == ["create_webhook", *changes, "delete_webhook"]


async def test_names_are_taken_and_pages_are_in_order(directory: Directory) -> None:
    hooks = directory.webhooks
    made = [await hooks.create(NewWebhook(name, NEW.url), SALT, BY) for name in ("c", "a", "b")]
    assert await hooks.page(2) == tuple(made[:2])
    assert await hooks.page(2, (made[1].created_at, made[1].id)) == (made[2],)
    assert await hooks.page(10, name="a") == (made[1],)
    assert await hooks.page(10, organization="nobody") == ()
    with pytest.raises(WebhookNameTaken):
        await hooks.create(NewWebhook("a", NEW.url), SALT, BY)
    with pytest.raises(WebhookNameTaken):
        await hooks.update(made[0].id, {"name": "a"}, BY)
    for number in range(MAX_WEBHOOKS - len(made)):
        await hooks.create(NewWebhook(f"more-{number}", NEW.url), SALT, BY)
    with pytest.raises(TooManyWebhooks):
        await hooks.create(NewWebhook("one too many", NEW.url), SALT, BY)


async def test_what_is_sent_is_told_newest_first_and_sent_again(directory: Directory) -> None:
    hooks = directory.webhooks
    made = await hooks.create(NEW, SALT, BY)
    first, second = [await hooks.test(made.id, BY) for _ in range(2)]
    assert (first.event, first.state, first.attempts, first.status) == ("webhook.test", "waiting", 0, None)
    assert await hooks.deliveries(made.id, 10) == (second, first)
    assert await hooks.deliveries(made.id, 10, before=second.id) == (first,)
    assert await hooks.deliveries(made.id, 10, state="failed") == ()
    again = await hooks.redeliver(made.id, first.id, BY)
    assert (again.id, again.event_id, again.state) == (first.id, first.event_id, "waiting")
    assert await hooks.delivery(made.id, first.id) == again
    assert await directory.actions() == ["create_webhook", "test_webhook", "test_webhook", "redeliver_webhook"]
    other = await hooks.create(NewWebhook("other", NEW.url), SALT, BY)
    for id, delivery in ((made.id, second.id + 9), (other.id, first.id)):
        with pytest.raises(NoSuchDelivery):
            await hooks.delivery(id, delivery)
        with pytest.raises(NoSuchDelivery):
            await hooks.redeliver(id, delivery, BY)


async def test_a_webhook_that_is_not_there_is_said_to_be(directory: Directory) -> None:
    hooks = directory.webhooks
    for asked in (
        hooks.update("wh_none", {"enabled": False}, BY),
        hooks.rotate("wh_none", SALT, 0, BY),
        hooks.delete("wh_none", BY),
        hooks.test("wh_none", BY),
        hooks.deliveries("wh_none", 10),
        hooks.redeliver("wh_none", 1, BY),
    ):
        with pytest.raises(NoSuchWebhook):
            await asked
    with pytest.raises(NoSuchDelivery):
        await hooks.delivery("wh_none", 1)


async def test_an_alert_is_made_changed_and_deleted(directory: Directory) -> None:
    alerts, new = directory.alerts, NewAlert(1000, ("a@acme.test",))
    with pytest.raises(NoSuchTenant):
        await alerts.create("acme", new, BY)
    await directory.tenants.create(NewTenant("Acme", id="acme"), BY)
    made = await alerts.create("acme", new, BY)
    assert (made.id, made.tenant_id, made.recipients, made.subject_prefix) == (new.id, "acme", ("a@acme.test",), None)
    assert await alerts.update("acme", made.id, NewAlert(1000, ("a@acme.test",)), BY) == made
    changed = await alerts.update("acme", made.id, NewAlert(5, (), "[spend]"), BY)
    assert (changed.id, changed.threshold_amount, changed.subject_prefix) == (made.id, 5, "[spend]")
    for asked in (alerts.update("other", made.id, new, BY), alerts.delete("other", made.id, BY)):
        with pytest.raises(NoSuchAlert):
            await asked
    more = [await alerts.create("acme", NewAlert(number, ()), BY) for number in range(1, MAX_ALERTS)]
    assert await alerts.of_tenant("acme") == (changed, *more)
    with pytest.raises(TooManyAlerts):
        await alerts.create("acme", NewAlert(9, ()), BY)
    assert await alerts.delete("acme", made.id, BY) == {"spend_alerts": 1}
    assert await alerts.of_tenant("acme") == tuple(more)
    assert (await directory.actions())[1:3] == ["create_spend_alert", "update_spend_alert"]
