"""Webhooks: who is told of which events, and the outcome of each delivery.  Values and the port; no SQL, no HTTP.

No secret is stored: a webhook's follows from its salt and a configured secret (admin/access/webhook_secrets.py).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypedDict

from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.tenants import Position

MAX_WEBHOOKS = 50  # of an organization, or of the operators
DEFAULT_THRESHOLDS = (50, 80, 100)


class NoSuchWebhook(LookupError):
    """No webhook has this id."""


class NoSuchDelivery(LookupError):
    """The webhook has no such delivery, or not any more."""


class WebhookNameTaken(ValueError):
    """Another webhook of the organization, or of the operators, has this name."""


class TooManyWebhooks(ValueError):
    """There are MAX_WEBHOOKS already."""


class EventKind(StrEnum):
    """The kinds of events."""

    BUDGET_THRESHOLD = "budget.threshold"
    REQUESTS_REFUSED = "requests.refused"
    SPEND_ALERT = "spend.alert"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_DISABLED = "key.disabled"
    KEY_ENABLED = "key.enabled"
    KEY_REVOKED = "key.revoked"
    KEY_EXPIRING = "key.expiring"
    TENANT_CREATED = "tenant.created"
    TENANT_SUSPENDED = "tenant.suspended"
    TENANT_RESUMED = "tenant.resumed"
    TENANT_DELETED = "tenant.deleted"
    WEBHOOK_TEST = "webhook.test"  # only to the webhook that is tested, whatever it subscribes to


class State(StrEnum):
    """The state of an event's delivery to one webhook."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Webhook:
    """`events` empty: all.  `thresholds`: of budgets, in percent.  `organization` None: the operators', who are told of
    every tenant; an organization is told of its own.  `disabled_because` "": it was not, or by hand.  `dropped`: events
    that found its queue full.  `old_secrets_until`: until when those that a rotation replaced sign too."""

    id: str
    name: str
    url: str
    description: str
    organization: str | None
    events: tuple[str, ...]
    thresholds: tuple[int, ...]
    enabled: bool
    disabled_because: str
    dropped: int
    last_success_at: datetime | None
    old_secrets_until: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Salt:
    """What a secret follows from, together with the configured secret that `root` names."""

    salt: str
    root: str


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook to be made."""

    name: str
    url: str
    description: str = ""
    events: tuple[str, ...] = ()
    thresholds: tuple[int, ...] = DEFAULT_THRESHOLDS
    enabled: bool = True
    organization: str | None = None
    id: str = field(default_factory=lambda: f"wh_{secrets.token_hex(8)}")


class WebhookChange(TypedDict, total=False):
    """The fields to change; what is absent stays."""

    name: str
    url: str
    description: str
    events: tuple[str, ...]
    thresholds: tuple[int, ...]
    enabled: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """The delivery of an event to one webhook, pending or done.  `response`: the beginning of the receiver's answer."""

    id: int
    event_id: str
    event: str
    tenant_id: str
    state: str
    attempts: int
    status: int | None
    error: str
    response: str
    created_at: datetime
    next_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Event:
    """An event to be sent.  `once`: an identifier that repeats when the same thing is noticed again, so that it is sent
    once; None: it cannot be noticed twice."""

    kind: EventKind
    tenant_id: str
    data: dict[str, Any]
    once: str | None = None
    id: str = field(default_factory=lambda: f"evt_{secrets.token_hex(12)}")


class Webhooks(Protocol):
    """Each change is atomic with its audit entry.  Raises what store.postgres.UNAVAILABLE lists."""

    async def create(self, new: NewWebhook, salt: Salt, by: ChangeRequest) -> Webhook:
        """WebhookNameTaken, TooManyWebhooks; UnknownOrganization."""

    async def get(self, webhook_id: str) -> Webhook | None:
        """None if there is none."""

    async def page(
        self, limit: int, after: Position | None = None, name: str = "", organization: str | None = None
    ) -> tuple[Webhook, ...]:
        """At most `limit` of them, oldest first, after the position; of that name or organization, if given."""

    async def update(self, webhook_id: str, change: WebhookChange, by: ChangeRequest) -> Webhook:
        """NoSuchWebhook, WebhookNameTaken, StateChanged.  What changes nothing leaves no trace."""

    async def rotate(self, webhook_id: str, salt: Salt, overlap_seconds: int, by: ChangeRequest) -> Webhook:
        """Older secrets sign beside the new one until the overlap is over.  NoSuchWebhook, StateChanged."""

    async def delete(self, webhook_id: str, by: ChangeRequest) -> Deleted:
        """With all of its deliveries.  NoSuchWebhook, StateChanged."""

    async def test(self, webhook_id: str, by: ChangeRequest) -> Delivery:
        """Sends it a `webhook.test`.  NoSuchWebhook."""

    async def deliveries(
        self, webhook_id: str, limit: int, before: int | None = None, state: str | None = None
    ) -> Sequence[Delivery]:
        """At most `limit` of them, newest first, before the given one.  NoSuchWebhook."""

    async def delivery(self, webhook_id: str, delivery_id: int) -> Delivery:
        """NoSuchDelivery."""

    async def redeliver(self, webhook_id: str, delivery_id: int, by: ChangeRequest) -> Delivery:
        """Sends the same event again, under the same id.  NoSuchWebhook, NoSuchDelivery."""
