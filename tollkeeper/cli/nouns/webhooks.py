"""`tollkeeper webhook …`."""

import time
from typing import Annotated

import typer

from tollkeeper.cli.command import ColumnsOption, LimitOption, command
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.field import NEW_NAME, Field, Given
from tollkeeper.cli.kinds import NONE, SWITCH, TEXT, TEXTS
from tollkeeper.cli.resource import Resource, fill, searched
from tollkeeper.cli.session import Session
from tollkeeper.cli.verbs import Noun, list_items

DELIVERIES = "/webhooks/{id}/deliveries"
COLUMNS = ("id", "event", "tenant_id", "state", "attempts", "status", "error", "created_at", "next_at")
POLL_SECONDS, TEST_SECONDS = 0.3, 15.0


def _or_all(_: Session, texts: list[str]) -> list[str]:
    return [] if texts == ["all"] else texts


def _percents(_: Session, texts: list[str]) -> list[int]:
    if texts == [NONE]:
        return []
    if not all(text.removesuffix("%").isdecimal() and len(text) < 5 for text in texts):
        raise CommandFailed(Exit.USAGE, "--threshold: must be a whole number of percent, such as 80, or none")
    return [int(text.removesuffix("%")) for text in texts]


WEBHOOKS = Resource(
    noun="webhook",
    path="/webhooks",
    item=Field("ID|NAME", help="Its id or name.", name="id"),
    named=searched,
    columns=("id", "name", "url", "events", "enabled", "disabled_because", "organization"),
    fields=(
        Field("NAME", help="A unique name.", only="create"),
        NEW_NAME,
        Field("--url", TEXT, "Where events are sent."),
        Field(
            "--event",
            TEXTS,
            "An event to send, such as budget.threshold.  May be repeated; all: every event.",
            name="events",
            convert=_or_all,
        ),
        Field(
            "--threshold",
            TEXTS,
            "Percent of a budget to report.  May be repeated; none: report none.",
            name="thresholds",
            convert=_percents,
        ),
        Field("--enabled/--disabled", SWITCH, "Whether anything is sent."),
        Field("--description", TEXT, "For people."),
        Field("--organization", TEXT, "Its organization: only events of that one's tenants are sent.", only="create"),
    ),
    shown_once="secret",
)

app = Noun(WEBHOOKS)
app.add_list("List all webhooks.")
app.add_get("Show a webhook.")
app.add_create("Create a webhook, and print the secret that signs what it gets: it is never shown again.")
app.add_update("Change the given fields.")


@command(app, "rotate", WEBHOOKS.item, repeatable=True)
def rotate_webhook(
    session: Session,
    given: Given,
    overlap: Annotated[
        int | None,
        typer.Option("--overlap", min=0, help="Seconds for which older secrets sign too.", show_default="a day"),
    ] = None,
) -> None:
    """Give a webhook a new secret, and print it: it is never shown again."""
    known = WEBHOOKS.find(session, given)
    body = {} if overlap is None else {"overlap_seconds": overlap}
    session.changed(session.client.ask("POST", fill("/webhooks/{id}/rotate", known), body), WEBHOOKS.shown_once)


@command(app, "test", WEBHOOKS.item)
def test_webhook(session: Session, given: Given) -> None:
    """Send a test event, and show the outcome."""
    known = WEBHOOKS.find(session, given)
    if not known["enabled"]:
        raise CommandFailed(Exit.USAGE, f"the webhook {known['name']!r} is disabled: {known['disabled_because']}")
    made = session.client.ask("POST", fill("/webhooks/{id}/test", known)).body
    path, deadline = f"{fill(DELIVERIES, known)}/{made['id']}", time.monotonic() + TEST_SECONDS
    while (found := session.client.get(path))["state"] == "waiting" and not found["error"]:
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    session.show.one(found)
    if found["state"] != "delivered":
        raise CommandFailed(Exit.FAILED, f"not delivered: {found['error'] or 'there is no answer yet'}")


@command(app, "deliveries", WEBHOOKS.item, Field("--state", TEXT, "Only this state: waiting, delivered or failed."))
def list_deliveries(session: Session, given: Given, limit: LimitOption = None, columns: ColumnsOption = None) -> None:
    """List deliveries, done and pending, newest first."""
    known = WEBHOOKS.find(session, given)
    query = {name: value for name, value in given.items() if name == "state"}
    list_items(session, fill(DELIVERIES, known), COLUMNS, query, columns, limit)


@command(app, "redeliver", WEBHOOKS.item, Field("DELIVERY", help="The number of the delivery.", name="delivery"))
def redeliver(session: Session, given: Given) -> None:
    """Send the same event again, with the same webhook-id."""
    known = WEBHOOKS.find(session, given)
    route = f"{DELIVERIES}/{{delivery}}/redeliver"
    session.changed(session.client.ask("POST", fill(route, {**known, "delivery": given["delivery"]})))


app.add_delete("Delete a webhook with all of its deliveries.", what="the webhook {name!r} ({id})")
