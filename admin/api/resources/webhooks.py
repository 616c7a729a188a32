"""/webhooks: endpoints that are told of events, with secrets (shown once), tests and deliveries."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from admin.api.call import Changing, Creating, Reading, Rotating
from admin.api.derived import patch_of, shape, view_of
from admin.api.paging import MAX_ID, NamedPage, Page, page_of
from admin.api.resources.routes import Routes
from admin.commands import webhooks
from admin.commands.directory import WEBHOOKS
from admin.fields import AnyId, Body, Flag, HttpUrl, Name, Text
from admin.webhook_fields import EventName, Overlap, Percent
from tenancy.directory.webhooks.webhooks import DEFAULT_THRESHOLDS, Delivery, NewWebhook, State, Webhook

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

WebhookId = Annotated[str, Path(alias="id", description="The webhook's id")]
DeliveryId = Annotated[int, Path(ge=1, lt=MAX_ID, description="The delivery's id")]


class WebhookBody(Body):
    """The fields of a new webhook."""

    name: Name = Field(examples=["alerts"])
    url: HttpUrl = Field(
        description="URL that events are sent to with POST; not this machine, nor where clouds keep its credentials",
        examples=["https://hooks.example.com/tollkeeper"],
    )
    description: Text = ""
    events: Annotated[list[EventName], Field(max_length=len(EventName))] = Field(
        [], description="Events that are sent; empty: all", examples=[["budget.threshold", "key.expiring"]]
    )
    thresholds: Annotated[list[Percent], Field(max_length=10)] = Field(
        [*DEFAULT_THRESHOLDS], description="Percentages of a budget at which `budget.threshold` is sent"
    )
    enabled: Flag = True


class NewWebhookBody(WebhookBody):
    """The fields of a new webhook, and the organization that it belongs to."""

    organization: AnyId | None = Field(
        None,
        description="Organization whose tenants' events are sent, and whose owners manage the webhook; null: it is the"
        " operators', and the events of all tenants are sent",
        examples=[None],
    )


class RotateWebhookBody(Body):
    """For how long older secrets sign beside the new one."""

    overlap_seconds: Overlap = Field(86_400, description="Seconds; 0: older secrets stop at once")


class DeliveryQuery(Page):
    """Which page of the deliveries is listed."""

    state: State | None = Field(None, description="Only deliveries in this state")


WebhookPatch = patch_of(
    WebhookBody,
    "WebhookPatch",
    "The fields to change.  What is absent stays.  Enabling a webhook clears the reason why it was disabled.",
)
WebhookView = view_of(Webhook, "WebhookView", "A webhook, without its secret.")
MintedWebhook = shape(
    "MintedWebhook",
    "A webhook and its new secret, which is shown here and never again.",
    webhook=WebhookView,
    secret=(str, Field(examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])),
)
DeliveryView = view_of(
    Delivery, "DeliveryView", "An event on its way to a webhook, or at its end.  `response` is how the answer began."
)
WebhookPage = page_of("WebhookPage", "A page of webhooks, oldest first.", webhooks=WebhookView)
DeliveryPage = page_of("DeliveryPage", "A page of deliveries, newest first.", deliveries=DeliveryView)
DEFAULT_OVERLAP = RotateWebhookBody()  # type: ignore[call-arg]

routes = Routes(router, WEBHOOKS, "webhook", WebhookView)


@router.post("", status_code=201, response_model=MintedWebhook)
async def create_webhook(body: NewWebhookBody, call: Creating) -> dict[str, object]:
    """Creates a webhook, and shows the secret that signs its deliveries.  The secret is not stored."""
    done = await webhooks.create(call.session, NewWebhook(**_fields(body.model_dump())))
    webhook, secret = done.value
    call.told(done)
    call.headers["location"] = f"/api/v1/webhooks/{webhook.id}"
    return {"webhook": call.shown(webhook), "secret": secret}


@router.get("", response_model=WebhookPage)
async def list_webhooks(page: Annotated[NamedPage, Query()], call: Reading) -> dict[str, object]:
    """Lists webhooks, oldest first."""
    found = await webhooks.page(call.session, page.limit + 1, page.after_time(), page.name or "")
    return page.answer("webhooks", found, "created_at", "id")


async def _update(session: Any, webhook_id: str, change: dict[str, Any]) -> Any:
    return await webhooks.update(session, webhook_id, _fields(change))  # type: ignore[arg-type]


routes.show("Shows a webhook, without its secret.")
routes.update("PATCH", WebhookPatch, "Changes the fields given.", by=_update)
routes.delete("Deletes a webhook with all of its deliveries.")


@router.post("/{id}/rotate", status_code=201, response_model=MintedWebhook)
async def rotate_webhook(
    webhook_id: WebhookId, call: Rotating, body: RotateWebhookBody = DEFAULT_OVERLAP
) -> dict[str, object]:
    """Gives a webhook a new secret.  Until the overlap is over, older ones sign too."""
    done = await webhooks.rotate(call.session, webhook_id, body.overlap_seconds)
    webhook, secret = done.value
    call.told(done)
    return {"webhook": call.shown(webhook), "secret": secret}


@router.post("/{id}/test", status_code=202, response_model=DeliveryView)
async def test_webhook(webhook_id: WebhookId, call: Changing) -> object:
    """Sends a `webhook.test` event to the webhook.  The delivery shows the outcome as soon as there is one."""
    done = await webhooks.test(call.session, webhook_id)
    call.told(done)
    return done.value


@router.get("/{id}/deliveries", response_model=DeliveryPage)
async def list_deliveries(
    webhook_id: WebhookId, page: Annotated[DeliveryQuery, Query()], call: Reading
) -> dict[str, object]:
    """Lists the deliveries of the last 35 days, sent and pending, newest first."""
    found = await webhooks.deliveries(call.session, webhook_id, page.limit + 1, page.before_id(), page.state)
    return page.answer("deliveries", found, "id")


@router.get("/{id}/deliveries/{delivery}", response_model=DeliveryView)
async def get_delivery(webhook_id: WebhookId, delivery: DeliveryId, call: Reading) -> object:
    """Shows a delivery."""
    return await webhooks.delivery(call.session, webhook_id, delivery)


@router.post("/{id}/deliveries/{delivery}/redeliver", status_code=202, response_model=DeliveryView)
async def redeliver(webhook_id: WebhookId, delivery: DeliveryId, call: Changing) -> object:
    """Sends the same event again, with the same `webhook-id`: receivers recognize a repeated event by it."""
    done = await webhooks.redeliver(call.session, webhook_id, delivery)
    call.told(done)
    return done.value


def _fields(values: dict[str, Any]) -> dict[str, Any]:
    """Lists as values have them, without what is there twice."""
    return {
        name: tuple(dict.fromkeys(map(_plain, each))) if isinstance(each, list) else each
        for name, each in values.items()
    }


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value
