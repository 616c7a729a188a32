"""Webhooks: making, changing and testing them, and the outcome of deliveries."""

from collections.abc import Sequence

from admin.access.permission import ResourceKind
from admin.access.webhook_secrets import WebhookSecrets
from admin.commands.directory import WEBHOOKS
from admin.commands.refusals import Reason, Refusal, Refused, invalid
from admin.commands.session import Session, command, query
from tenancy.directory.tenants import Position
from tenancy.directory.webhooks.webhooks import Delivery, NewWebhook, NoSuchWebhook, Webhook, WebhookChange
from tenancy.values.receiver import wrong_with_url

NO_SECRET = Refusal(
    Reason.REFUSED_THERE,
    "webhooks cannot be signed here: the operators of the service have to set TOLLKEEPER_WEBHOOK_SECRET",
)


@query(ResourceKind.WEBHOOK)
async def page(session: Session, limit: int, after: Position | None = None, name: str = "") -> tuple[Webhook, ...]:
    """At most `limit` webhooks, oldest first, after the position."""
    return await session.ports.webhooks.page(limit, after, name)


@command(ResourceKind.WEBHOOK)
async def create(session: Session, new: NewWebhook) -> tuple[Webhook, str]:
    """The webhook and its secret, to be shown once."""
    secrets = _secrets(session)
    organization = session.principal.organization or new.organization
    _check(session, new.url, organization)
    salt = secrets.new_salt()
    return await session.ports.webhooks.create(new, salt, session.by), secrets.shown(salt)


@command(ResourceKind.WEBHOOK)
async def update(session: Session, webhook_id: str, change: WebhookChange) -> Webhook:
    if "url" in change:
        before = await session.ports.webhooks.get(WEBHOOKS.id(webhook_id))
        if before is None:
            raise NoSuchWebhook(webhook_id)
        _check(session, change["url"], before.organization)
    return await session.ports.webhooks.update(WEBHOOKS.id(webhook_id), change, session.by)


@command(ResourceKind.WEBHOOK)
async def rotate(session: Session, webhook_id: str, overlap_seconds: int) -> tuple[Webhook, str]:
    """The webhook and its new secret, to be shown once.  Older ones sign beside it until the overlap is over."""
    secrets = _secrets(session)
    salt = secrets.new_salt()
    found = await session.ports.webhooks.rotate(WEBHOOKS.id(webhook_id), salt, overlap_seconds, session.by)
    return found, secrets.shown(salt)


@command(ResourceKind.WEBHOOK)
async def test(session: Session, webhook_id: str) -> Delivery:
    """Sends a test event, within a second unless the webhook is disabled."""
    return await session.ports.webhooks.test(WEBHOOKS.id(webhook_id), session.by)


@query(ResourceKind.WEBHOOK)
async def deliveries(
    session: Session, webhook_id: str, limit: int, before: int | None = None, state: str | None = None
) -> Sequence[Delivery]:
    """At most `limit` of them, newest first."""
    return await session.ports.webhooks.deliveries(WEBHOOKS.id(webhook_id), limit, before, state)


@query(ResourceKind.WEBHOOK)
async def delivery(session: Session, webhook_id: str, delivery_id: int) -> Delivery:
    return await session.ports.webhooks.delivery(WEBHOOKS.id(webhook_id), delivery_id)


@command(ResourceKind.WEBHOOK)
async def redeliver(session: Session, webhook_id: str, delivery_id: int) -> Delivery:
    """Sends the same event again, under the same id."""
    return await session.ports.webhooks.redeliver(WEBHOOKS.id(webhook_id), delivery_id, session.by)


def _secrets(session: Session) -> WebhookSecrets:
    secrets = WebhookSecrets(session.ports.configured.webhook_secrets)
    if not secrets.possible:
        raise Refused(NO_SECRET)
    return secrets


def _check(session: Session, url: str, organization: str | None) -> None:
    if wrong := wrong_with_url(url, session.ports.configured.reach(organization)):
        raise invalid(("url", wrong))
