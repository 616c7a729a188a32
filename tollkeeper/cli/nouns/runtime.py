"""`tollkeeper runtime …`: what is going on now, and how much may go on."""

from tollkeeper.cli.command import command, noun
from tollkeeper.cli.field import Field, Given
from tollkeeper.cli.kinds import AMOUNT
from tollkeeper.cli.session import Session

BOUNDS = (
    Field("--per-sidecar", AMOUNT, "Maximum through each sidecar.", name="max_in_flight"),
    Field("--total", AMOUNT, "Maximum through all sidecars together.", name="max_in_flight_total"),
)

app = noun()


@command(app, "stats")
def show_stats(session: Session) -> None:
    """Show what is in flight, in all sidecars and in each."""
    session.show.one(session.client.get("/stats"))


@command(app, "live")
def show_live(session: Session) -> None:
    """Show how much each tenant runs, beside the share that its weight gives it."""
    session.show.one(session.client.get("/fairshare/live"))


@command(app, "capacity", *BOUNDS)
def capacity(session: Session, given: Given) -> None:
    """Show how many requests may be in flight, or set it; in force within a second."""
    session.changed(session.client.ask("PUT", "/capacity", given) if given else session.client.ask("GET", "/capacity"))
