"""/console/webhooks: who is told of what, with secrets (shown once), tries, and what became of what was sent."""

from typing import Annotated, Any, cast
from urllib.parse import quote

from pydantic import BeforeValidator, Field
from starlette.responses import Response

from admin.commands import webhooks as commands
from admin.commands.directory import WEBHOOKS
from admin.console.cookies import PREFIX
from admin.console.forms import Form, submitted
from admin.console.numbers import whole_number
from admin.console.pages.keys import OVERLAPS, RotateForm
from admin.console.pages.lists import after_of, next_page
from admin.console.visit import Routes, Visit
from admin.fields import Body, HttpUrl, Name, Text
from admin.webhook_fields import EventName, Percent
from tenancy.directory.change_request import tag_of
from tenancy.directory.webhooks.webhooks import DEFAULT_THRESHOLDS, Delivery, NewWebhook, Webhook, WebhookChange

MANY = 50
HERE = f"{PREFIX}/webhooks"
EVENTS = [str(each) for each in EventName]

routes = Routes()


def _words(value: object) -> object:
    """Names with commas, spaces or line ends between them, each once."""
    return [*dict.fromkeys(value.replace(",", " ").split())] if isinstance(value, str) else value


def _percents(value: object) -> object:
    return [whole_number(each.removesuffix("%")) for each in cast(list[str], _words(value))]


class WebhookForm(Body):
    """As `POST /webhooks`.  No events: all; no thresholds: none."""

    name: Name
    url: HttpUrl
    description: Text = ""
    events: Annotated[list[EventName], BeforeValidator(_words), Field(max_length=len(EVENTS))] = Field([])
    thresholds: Annotated[list[Percent], BeforeValidator(_percents), Field(max_length=10)] = Field([])
    enabled: bool = True

    def fields(self) -> dict[str, Any]:
        lists = {"events": tuple(map(str, self.events)), "thresholds": tuple(self.thresholds)}
        return {**self.model_dump(), **lists, "url": str(self.url)}


NEW = Form({"enabled": "true", "thresholds": " ".join(map(str, DEFAULT_THRESHOLDS))})


@routes.get(HERE)
async def webhooks(visit: Visit) -> Response:
    found = await commands.page(visit.session, MANY + 1, after_of(visit))
    more = next_page(visit, found, MANY)
    return visit.page("webhooks/list.html", title="Webhooks", section="webhooks", webhooks=found[:MANY], more=more)


@routes.get(f"{HERE}/new", changes="webhook")
async def new_webhook(visit: Visit) -> Response:
    return await _form(visit, NEW, 200)


@routes.post(f"{HERE}/new")
async def create_webhook(visit: Visit) -> Response:
    async def make(form: WebhookForm) -> Response:
        done = await commands.create(visit.on_terms(), NewWebhook(**form.fields()))
        return _secret(visit, *done.value)

    return await submitted(visit, WebhookForm, lambda form, status: _form(visit, form, status), make)


@routes.get(f"{HERE}/{{id}}")
async def webhook(visit: Visit) -> Response:
    found = await WEBHOOKS.get(visit.session, visit.path("id"))
    return await _form(visit, _as_form(found), 200, found)


@routes.post(f"{HERE}/{{id}}")
async def save_webhook(visit: Visit) -> Response:
    found = await WEBHOOKS.get(visit.session, visit.path("id"))

    async def make(form: WebhookForm) -> Response:
        done = await commands.update(visit.on_terms(), found.id, cast(WebhookChange, form.fields()))
        return visit.to(_at(found), "webhook-saved", done)

    return await submitted(visit, WebhookForm, lambda form, status: _form(visit, form, status, found), make)


@routes.post(f"{HERE}/{{id}}/rotate")
async def rotate_webhook(visit: Visit) -> Response:
    async def make(form: RotateForm) -> Response:
        done = await commands.rotate(visit.on_terms(), visit.path("id"), form.overlap_seconds)
        return _secret(visit, *done.value)

    async def again(_: Form, __: int) -> Response:
        return await webhook(visit)

    return await submitted(visit, RotateForm, again, make)


@routes.post(f"{HERE}/{{id}}/test")
async def test_webhook(visit: Visit) -> Response:
    found = await WEBHOOKS.get(visit.session, visit.path("id"))
    done = await commands.test(visit.on_terms(), found.id)
    return visit.to(_at(found), "webhook-tried", done)


@routes.post(f"{HERE}/{{id}}/deliveries/{{delivery}}/redeliver")
async def send_again(visit: Visit) -> Response:
    found = await WEBHOOKS.get(visit.session, visit.path("id"))
    number = visit.path("delivery")
    delivery = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0
    done = await commands.redeliver(visit.on_terms(), found.id, delivery)
    return visit.to(_at(found), "webhook-sent-again", done)


@routes.post(f"{HERE}/{{id}}/delete")
async def delete_webhook(visit: Visit) -> Response:
    done = await WEBHOOKS.delete(visit.on_terms(), visit.path("id"))
    return visit.to(HERE, "webhook-deleted", done)


def _at(of: Webhook) -> str:
    return f"{HERE}/{quote(of.id)}"


def _secret(visit: Visit, of: Webhook, secret: str) -> Response:
    """Not a page of its own address: nobody can come back to it."""
    return visit.page("webhooks/secret.html", title="The secret", section="webhooks", webhook=of, secret=secret)


async def _form(visit: Visit, form: Form, status: int, of: Webhook | None = None) -> Response:
    sent: list[Delivery] = [*await commands.deliveries(visit.session, of.id, MANY)] if of else []
    shown: dict[str, Any] = {"webhook": of, "form": form, "sent": sent, "events": EVENTS, "overlaps": OVERLAPS}
    shown["seen"] = visit.field("_seen") or (tag_of(of) if of else "")
    title = of.name if of else "New webhook"
    return visit.page("webhooks/webhook.html", status, title=title, section="webhooks", **shown)


def _as_form(of: Webhook) -> Form:
    lists = {"events": "\n".join(of.events), "thresholds": " ".join(map(str, of.thresholds))}
    texts = {name: getattr(of, name) for name in ("name", "url", "description")}
    return Form({**texts, **lists, "enabled": "true" if of.enabled else "false"})
