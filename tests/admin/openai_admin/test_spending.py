"""Spend limits and alerts through OpenAI's own client, down to the budget that refuses and the event that is told."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import openai
import pytest
from openai import OpenAI
from openai.types.admin.organization.projects.spend_alert_create_params import NotificationChannel

from admin.app import ports_on
from admin.metrics import AdminMetrics
from admin.postgres.propagation import PostgresPropagation
from admin.webhooks.noticing import Noticing
from store.postgres import open_postgres
from store.redis import open_redis_async
from tenancy.postgres.webhooks.notices import Notices
from tests.admin.conftest import TOKEN, Admin
from tests.admin.usage.ledger import use
from tests.conftest import PATIENT

CHANNEL: NotificationChannel = {"type": "email", "recipients": ["ops@example.com"], "subject_prefix": "[spend]"}


@pytest.fixture
def client(admin: Admin) -> OpenAI:
    return OpenAI(base_url=f"{admin.url}/v1", api_key="unused", admin_api_key=TOKEN, max_retries=0)


def test_a_hard_limit_is_a_cost_limit_of_the_month(admin: Admin, client: OpenAI) -> None:
    tenant = admin.tenant()["id"]
    limits = client.admin.organization.projects.spend_limit
    with pytest.raises(openai.NotFoundError):
        limits.retrieve(tenant)
    made = limits.update(tenant, currency="USD", interval="month", threshold_amount=1250)
    assert (made.object, made.threshold_amount, made.currency) == ("project.spend_limit", 1250, "USD")
    assert made.enforcement.status == "inactive"
    (limit,) = admin.http.get(f"/tenants/{tenant}/limits").json()["limits"]
    assert (limit["name"], limit["unit"], limit["amount"], limit["calendar"], limit["kind"]) == (
        *("spend_limit", "cost", "12.5", "month"),
        "fixed_window",
    )
    charge = {"budget": limit["id"], "amount": "-12.5"}
    admin.http.post(f"/tenants/{tenant}/budgets/adjust", json=charge).raise_for_status()
    assert limits.retrieve(tenant).enforcement.status == "enforcing"
    raised = limits.update(tenant, currency="USD", interval="month", threshold_amount=2000)
    assert (raised.threshold_amount, raised.enforcement.status) == (2000, "inactive")  # what was spent stays spent
    (budget,) = admin.http.get(f"/tenants/{tenant}/budgets").json()["budgets"]
    assert (budget["limit_id"], budget["used"]) == (limit["id"], "12.5")
    gone = limits.delete(tenant)
    assert (gone.deleted, gone.object) == (True, "project.spend_limit.deleted")
    assert admin.http.get(f"/tenants/{tenant}/limits").json()["limits"] == []


def test_alerts_are_made_listed_changed_and_deleted(admin: Admin, client: OpenAI) -> None:
    tenant, other = admin.tenant()["id"], admin.tenant("other")["id"]
    alerts = client.admin.organization.projects.spend_alerts
    made = [
        alerts.create(tenant, currency="USD", interval="month", threshold_amount=amount, notification_channel=CHANNEL)
        for amount in (100, 200, 300)
    ]
    assert (made[0].object, made[0].notification_channel.recipients) == ("project.spend_alert", ["ops@example.com"])
    assert made[0].notification_channel.subject_prefix == "[spend]"
    assert [each.threshold_amount for each in alerts.list(tenant, limit=2)] == [100, 200, 300]  # over two pages
    assert [each.threshold_amount for each in alerts.list(tenant, order="desc").data] == [300, 200, 100]
    page = alerts.list(tenant, before=made[2].id, limit=1)
    assert ([each.id for each in page.data], page.has_more) == ([made[1].id], True)
    changed = alerts.update(
        made[1].id,
        project_id=tenant,
        currency="USD",
        interval="month",
        threshold_amount=250,
        notification_channel={"type": "email", "recipients": ["a@example.com"]},
    )
    assert (changed.id, changed.threshold_amount) == (made[1].id, 250)
    assert alerts.retrieve(made[1].id, project_id=tenant) == changed
    with pytest.raises(openai.NotFoundError):
        alerts.retrieve(made[1].id, project_id=other)
    with pytest.raises(openai.NotFoundError):
        alerts.delete(made[1].id, project_id=other)
    gone = alerts.delete(made[1].id, project_id=tenant)
    assert (gone.id, gone.deleted, gone.object) == (made[1].id, True, "project.spend_alert.deleted")
    assert len(alerts.list(tenant).data) == 2
    actions = [each["action"] for each in admin.audit() if each["target_type"] == "spend_alert"]
    assert actions == ["delete_spend_alert", "update_spend_alert", *["create_spend_alert"] * 3]


def test_what_is_wrong_is_said_as_openais_clients_read_it(admin: Admin, client: OpenAI) -> None:
    tenant = admin.tenant()["id"]
    limits = client.admin.organization.projects.spend_limit
    with pytest.raises(openai.BadRequestError) as wrong:
        limits.update(tenant, currency="EUR", interval="month", threshold_amount=1)  # type: ignore[arg-type]
    assert (wrong.value.param, wrong.value.code) == ("currency", "invalid")
    with pytest.raises(openai.BadRequestError):
        limits.update(tenant, currency="USD", interval="month", threshold_amount=0)
    with pytest.raises(openai.NotFoundError, match="there is no tenant"):
        limits.retrieve("nobody")
    with pytest.raises(openai.AuthenticationError):
        OpenAI(
            base_url=f"{admin.url}/v1", api_key="x", admin_api_key="wrong", max_retries=0
        ).admin.organization.projects.spend_limit.retrieve(tenant)


def test_an_alert_is_told_to_webhooks_once_a_month(admin: Admin, client: OpenAI) -> None:
    tenant = admin.tenant()["id"]
    hook = admin.post("/webhooks", name="h", url="https://hooks.test/", events=["spend.alert"]).json()["webhook"]["id"]
    alerts = client.admin.organization.projects.spend_alerts
    for amount in (150, 151):
        alerts.create(tenant, currency="USD", interval="month", threshold_amount=amount, notification_channel=CHANNEL)
    use(admin, datetime.now(UTC).isoformat(), tenant, input_cost="1", output_cost=str(Decimal("0.5")))
    told = []
    for _ in range(2):
        look(admin)
        told = admin.query("SELECT data FROM webhook_events WHERE kind = 'spend.alert'")
    (event,) = told
    assert '"threshold_amount": 150' in event["data"]
    assert '"spent": "1.5' in event["data"]
    (delivery,) = admin.http.get(f"/webhooks/{hook}/deliveries").json()["deliveries"]
    assert (delivery["event"], delivery["tenant_id"]) == ("spend.alert", tenant)


def look(admin: Admin) -> None:
    """What the task of the management API does every 15 seconds, at once."""

    async def once() -> None:
        async with open_postgres(admin.database_url, timeout=PATIENT) as pool:
            client = open_redis_async(redis_of(admin), timeout=1.0)
            ports = ports_on(pool, client, PostgresPropagation(pool, client, AdminMetrics()), TOKEN)
            await Noticing(Notices(pool), ports).look()
            await client.aclose()

    asyncio.run(once())


def redis_of(admin: Admin) -> str:
    where = admin.redis.connection_pool.connection_kwargs
    return f"redis://{where['host']}:{where['port']}/0"
