"""`tollkeeper runtime …`: what is going on now, and how much may."""

from typing import Annotated, Any

import typer

from tollkeeper.cli.body import AMOUNT, NULL, amount
from tollkeeper.cli.collection import note_pending
from tollkeeper.cli.command import Session, command, noun

app = noun("What the sidecars do now, and how much they may.")


@command(app, "stats")
def show_stats(session: Session) -> None:
    """Show what is in flight, in all sidecars and in each."""
    session.show.one(session.client.get("/stats"))


@command(app, "live")
def show_live(session: Session) -> None:
    """Show who runs how much, beside what the weights entitle to."""
    session.show.one(session.client.get("/fairshare/live"))


@command(app, "capacity")
def capacity(
    session: Session,
    max_in_flight: Annotated[
        Any, typer.Option("--per-sidecar", parser=amount, metavar=AMOUNT, help="Set the bound on each sidecar.")
    ] = None,
    max_in_flight_total: Annotated[
        Any, typer.Option("--total", parser=amount, metavar=AMOUNT, help="Set the bound on all sidecars together.")
    ] = None,
) -> None:
    """Show how many requests may be in flight, or set it; in force within a second."""
    given = {"max_in_flight": max_in_flight, "max_in_flight_total": max_in_flight_total}
    body = {name: None if value is NULL else value for name, value in given.items() if value is not None}
    if not body:
        session.show.one(session.client.get("/capacity"))
        return
    answer = session.client.ask("PUT", "/capacity", body)
    session.show.one(answer.body)
    note_pending(session, answer.headers.get("tollkeeper-propagation"))
