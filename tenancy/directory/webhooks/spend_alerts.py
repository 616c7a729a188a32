"""Alerts on a tenant's spending in a month: values and port.  No SQL, no HTTP."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from tenancy.directory.change_request import ChangeRequest, Deleted

MAX_ALERTS = 50  # of a tenant


class NoSuchAlert(LookupError):
    """The tenant has no such alert."""


class TooManyAlerts(ValueError):
    """There are MAX_ALERTS already."""


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert to be made, or the replacement of one.  `threshold_amount`: in cents.  `recipients` are passed on to
    webhooks, with the beginning of a mail's subject; Tollkeeper sends no mail."""

    threshold_amount: int
    recipients: tuple[str, ...]
    subject_prefix: str | None = None
    id: str = field(default_factory=lambda: f"alert_{secrets.token_hex(12)}")


@dataclass(frozen=True, slots=True)
class SpendAlert:
    """An alert that exists."""

    id: str
    tenant_id: str
    threshold_amount: int
    recipients: tuple[str, ...]
    subject_prefix: str | None
    created_at: datetime
    updated_at: datetime


class SpendAlerts(Protocol):
    """Each change is atomic with its audit entry.  Raises what store.postgres.UNAVAILABLE lists."""

    async def create(self, tenant_id: str, new: NewAlert, by: ChangeRequest) -> SpendAlert:
        """NoSuchTenant, TooManyAlerts."""

    async def of_tenant(self, tenant_id: str) -> Sequence[SpendAlert]:
        """All alerts of the tenant, oldest first."""

    async def update(self, tenant_id: str, alert_id: str, to: NewAlert, by: ChangeRequest) -> SpendAlert:
        """NoSuchAlert."""

    async def delete(self, tenant_id: str, alert_id: str, by: ChangeRequest) -> Deleted:
        """NoSuchAlert."""
