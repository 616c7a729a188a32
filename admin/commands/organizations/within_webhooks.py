"""Webhooks as one organization sees them: its own, which are told of its own tenants.  See within.py."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from admin.commands.organizations.within_tenants import Mine
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.tenants import Position
from tenancy.directory.webhooks.spend_alerts import NewAlert, SpendAlert, SpendAlerts
from tenancy.directory.webhooks.webhooks import (
    Delivery,
    NewWebhook,
    NoSuchWebhook,
    Salt,
    Webhook,
    WebhookChange,
    Webhooks,
)


@dataclass(frozen=True, slots=True)
class WebhooksWithin:
    """Implements tenancy.directory.webhooks.webhooks.Webhooks.  A webhook never changes hands."""

    _inner: Webhooks
    _own: str

    async def create(self, new: NewWebhook, salt: Salt, by: ChangeRequest) -> Webhook:
        return await self._inner.create(replace(new, organization=self._own), salt, by)

    async def get(self, webhook_id: str) -> Webhook | None:
        found = await self._inner.get(webhook_id)
        return found if found is not None and found.organization == self._own else None

    async def page(
        self, limit: int, after: Position | None = None, name: str = "", organization: str | None = None
    ) -> tuple[Webhook, ...]:
        return await self._inner.page(limit, after, name, self._own)

    async def update(self, webhook_id: str, change: WebhookChange, by: ChangeRequest) -> Webhook:
        await self._require(webhook_id)
        return await self._inner.update(webhook_id, change, by)

    async def rotate(self, webhook_id: str, salt: Salt, overlap_seconds: int, by: ChangeRequest) -> Webhook:
        await self._require(webhook_id)
        return await self._inner.rotate(webhook_id, salt, overlap_seconds, by)

    async def delete(self, webhook_id: str, by: ChangeRequest) -> Deleted:
        await self._require(webhook_id)
        return await self._inner.delete(webhook_id, by)

    async def test(self, webhook_id: str, by: ChangeRequest) -> Delivery:
        await self._require(webhook_id)
        return await self._inner.test(webhook_id, by)

    async def deliveries(
        self, webhook_id: str, limit: int, before: int | None = None, state: str | None = None
    ) -> Sequence[Delivery]:
        await self._require(webhook_id)
        return await self._inner.deliveries(webhook_id, limit, before, state)

    async def delivery(self, webhook_id: str, delivery_id: int) -> Delivery:
        await self._require(webhook_id)
        return await self._inner.delivery(webhook_id, delivery_id)

    async def redeliver(self, webhook_id: str, delivery_id: int, by: ChangeRequest) -> Delivery:
        await self._require(webhook_id)
        return await self._inner.redeliver(webhook_id, delivery_id, by)

    async def _require(self, webhook_id: str) -> None:
        if await self.get(webhook_id) is None:
            raise NoSuchWebhook(webhook_id)


@dataclass(frozen=True, slots=True)
class SpendAlertsWithin:
    """Implements tenancy.directory.webhooks.spend_alerts.SpendAlerts of its own tenants."""

    _mine: Mine
    _inner: SpendAlerts

    async def create(self, tenant_id: str, new: NewAlert, by: ChangeRequest) -> SpendAlert:
        await self._mine.require(tenant_id)
        return await self._inner.create(tenant_id, new, by)

    async def of_tenant(self, tenant_id: str) -> Sequence[SpendAlert]:
        await self._mine.require(tenant_id)
        return await self._inner.of_tenant(tenant_id)

    async def update(self, tenant_id: str, alert_id: str, to: NewAlert, by: ChangeRequest) -> SpendAlert:
        await self._mine.require(tenant_id)
        return await self._inner.update(tenant_id, alert_id, to, by)

    async def delete(self, tenant_id: str, alert_id: str, by: ChangeRequest) -> Deleted:
        await self._mine.require(tenant_id)
        return await self._inner.delete(tenant_id, alert_id, by)
