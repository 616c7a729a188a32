"""Webhooks and alerts on spending in dictionaries: the same answers as the Postgres adapters.  Nothing is sent."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tenancy.directory.audit import snapshot
from tenancy.directory.change_request import ChangeRequest, Deleted, require
from tenancy.directory.tenants import NoSuchTenant, Position
from tenancy.directory.webhooks.spend_alerts import MAX_ALERTS, NewAlert, NoSuchAlert, SpendAlert, TooManyAlerts
from tenancy.directory.webhooks.webhooks import (
    MAX_WEBHOOKS,
    Delivery,
    Event,
    EventKind,
    NewWebhook,
    NoSuchDelivery,
    NoSuchWebhook,
    Salt,
    State,
    TooManyWebhooks,
    Webhook,
    WebhookChange,
    WebhookNameTaken,
)
from tests.tenancy.memory.audit import MemoryAuditLog
from tests.tenancy.memory.tenants import MemoryTenants


class MemoryWebhooks:
    """Implements tenancy.directory.webhooks.webhooks.Webhooks, of the operators: it knows no organizations."""

    def __init__(self, log: MemoryAuditLog) -> None:
        self._log = log
        self._webhooks: dict[str, Webhook] = {}
        self._deliveries: dict[str, list[Delivery]] = {}
        self._last = 0

    async def create(self, new: NewWebhook, salt: Salt, by: ChangeRequest) -> Webhook:
        if len(self._webhooks) >= MAX_WEBHOOKS:
            raise TooManyWebhooks(MAX_WEBHOOKS)
        fields: dict[str, Any] = {**asdict(new), "thresholds": tuple(sorted(new.thresholds))}
        now = datetime.now(UTC)
        never: dict[str, Any] = {
            "disabled_because": "",
            "dropped": 0,
            "last_success_at": None,
            "old_secrets_until": None,
        }
        webhook = Webhook(**fields, **never, created_at=now, updated_at=now)
        self._check(webhook)
        self._webhooks[webhook.id], self._deliveries[webhook.id] = webhook, []
        self._log.add(by, "create_webhook", ("webhook", webhook.id), None, snapshot(webhook))
        return webhook

    async def get(self, webhook_id: str) -> Webhook | None:
        return self._webhooks.get(webhook_id)

    async def page(
        self, limit: int, after: Position | None = None, name: str = "", organization: str | None = None
    ) -> tuple[Webhook, ...]:
        ordered = sorted(self._webhooks.values(), key=lambda each: (each.created_at, each.id))
        behind = (each for each in ordered if after is None or (each.created_at, each.id) > tuple(after))
        named = (each for each in behind if name in ("", each.name))
        return tuple(each for each in named if organization in (None, each.organization))[:limit]

    async def update(self, webhook_id: str, change: WebhookChange, by: ChangeRequest) -> Webhook:
        before = self._existing(webhook_id)
        require(by, before)
        changed = replace(before, **change)
        changed = replace(changed, thresholds=tuple(sorted(changed.thresholds)))
        if changed.enabled:
            changed = replace(changed, disabled_because="")
        if changed == before:
            return before
        self._check(changed)
        return self._written("update_webhook", before, changed, by)

    async def rotate(self, webhook_id: str, salt: Salt, overlap_seconds: int, by: ChangeRequest) -> Webhook:
        before = self._existing(webhook_id)
        require(by, before)
        until = datetime.now(UTC) + timedelta(seconds=overlap_seconds) if overlap_seconds else None
        return self._written("rotate_webhook", before, replace(before, old_secrets_until=until), by)

    async def delete(self, webhook_id: str, by: ChangeRequest) -> Deleted:
        webhook = self._existing(webhook_id)
        require(by, webhook)
        if not by.dry_run:
            del self._webhooks[webhook_id], self._deliveries[webhook_id]
            self._log.add(by, "delete_webhook", ("webhook", webhook_id), snapshot(webhook), None)
        return {"webhooks": 1}

    async def test(self, webhook_id: str, by: ChangeRequest) -> Delivery:
        require(by, self._existing(webhook_id))
        event, now = Event(EventKind.WEBHOOK_TEST, "", {}), datetime.now(UTC)
        self._last += 1
        made = Delivery(self._last, event.id, event.kind, "", State.WAITING, 0, None, "", "", now, now, None)
        self._deliveries[webhook_id].append(made)
        self._log.add(by, "test_webhook", ("webhook", webhook_id), None, None)
        return made

    async def deliveries(
        self, webhook_id: str, limit: int, before: int | None = None, state: str | None = None
    ) -> Sequence[Delivery]:
        self._existing(webhook_id)
        older = (each for each in reversed(self._deliveries[webhook_id]) if before is None or each.id < before)
        return tuple(each for each in older if state in (None, each.state))[:limit]

    async def delivery(self, webhook_id: str, delivery_id: int) -> Delivery:
        for each in self._deliveries.get(webhook_id, ()):
            if each.id == delivery_id:
                return each
        raise NoSuchDelivery(delivery_id)

    async def redeliver(self, webhook_id: str, delivery_id: int, by: ChangeRequest) -> Delivery:
        require(by, self._existing(webhook_id))
        before = await self.delivery(webhook_id, delivery_id)
        again = replace(before, state=State.WAITING, attempts=0, next_at=datetime.now(UTC), ended_at=None)
        known = self._deliveries[webhook_id]
        known[known.index(before)] = again
        after = {"delivery": delivery_id, "event_id": before.event_id}
        self._log.add(by, "redeliver_webhook", ("webhook", webhook_id), None, after)
        return again

    def _existing(self, webhook_id: str) -> Webhook:
        if webhook_id not in self._webhooks:
            raise NoSuchWebhook(webhook_id)
        return self._webhooks[webhook_id]

    def _check(self, webhook: Webhook) -> None:
        if any(other.name == webhook.name and other.id != webhook.id for other in self._webhooks.values()):
            raise WebhookNameTaken(webhook.name)

    def _written(self, action: str, before: Webhook, changed: Webhook, by: ChangeRequest) -> Webhook:
        after = self._webhooks[before.id] = replace(changed, updated_at=datetime.now(UTC))
        self._log.add(by, action, ("webhook", before.id), snapshot(before), snapshot(after))
        return after


class MemorySpendAlerts:
    """Implements tenancy.directory.webhooks.spend_alerts.SpendAlerts."""

    def __init__(self, log: MemoryAuditLog, tenants: MemoryTenants) -> None:
        self._log, self._tenants = log, tenants
        self._alerts: dict[str, SpendAlert] = {}

    async def create(self, tenant_id: str, new: NewAlert, by: ChangeRequest) -> SpendAlert:
        if tenant_id not in self._tenants.tenants:
            raise NoSuchTenant(tenant_id)
        if len(await self.of_tenant(tenant_id)) >= MAX_ALERTS:
            raise TooManyAlerts(MAX_ALERTS)
        now = datetime.now(UTC)
        made = self._alerts[new.id] = SpendAlert(**asdict(new), tenant_id=tenant_id, created_at=now, updated_at=now)
        self._log.add(by, "create_spend_alert", ("spend_alert", made.id), None, snapshot(made))
        return made

    async def of_tenant(self, tenant_id: str) -> Sequence[SpendAlert]:
        return tuple(each for each in self._alerts.values() if each.tenant_id == tenant_id)

    async def update(self, tenant_id: str, alert_id: str, to: NewAlert, by: ChangeRequest) -> SpendAlert:
        before = self._existing(tenant_id, alert_id)
        changed = replace(before, **{**asdict(to), "id": alert_id})
        if changed == before:
            return before
        after = self._alerts[alert_id] = replace(changed, updated_at=datetime.now(UTC))
        self._log.add(by, "update_spend_alert", ("spend_alert", alert_id), snapshot(before), snapshot(after))
        return after

    async def delete(self, tenant_id: str, alert_id: str, by: ChangeRequest) -> Deleted:
        alert = self._existing(tenant_id, alert_id)
        if not by.dry_run:
            del self._alerts[alert_id]
            self._log.add(by, "delete_spend_alert", ("spend_alert", alert_id), snapshot(alert), None)
        return {"spend_alerts": 1}

    def _existing(self, tenant_id: str, alert_id: str) -> SpendAlert:
        found = self._alerts.get(alert_id)
        if found is None or found.tenant_id != tenant_id:
            raise NoSuchAlert(alert_id)
        return found
