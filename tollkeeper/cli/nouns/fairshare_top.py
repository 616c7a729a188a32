"""`tollkeeper fairshare top`: who has what part of the capacity now, on one screen that follows."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from tollkeeper.cli.command import command
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.printer import Row, shown, table_of
from tollkeeper.cli.session import Session

PATH = "/fairshare/live"
COLUMNS = ("group / tenant", "weight", "entitled", "got", "in flight", "queued", "oldest wait")
LINES_AROUND = 4  # of a screen: the head, the table's own, what is left out, and the cursor
OnceOption = Annotated[bool, typer.Option("--once", help="Print it once, as happens anyway without a terminal.")]
EveryOption = Annotated[float, typer.Option(min=0.5, max=60, help="Seconds between two looks.")]


def add_top(app: typer.Typer) -> None:
    """Adds the command to its noun."""

    @command(app, "top")
    def top(session: Session, once: OnceOption = False, every: EveryOption = 1.0) -> None:
        """Show live what part of the capacity each group and tenant is entitled to, and what it has.

        `got` is its part of what was served in the last minute, or of what is in flight where sidecars do not say that.
        Ctrl-C ends it."""
        if once or session.show.as_json or not sys.stdout.isatty():
            live = session.client.get(PATH)
            if session.show.as_json:
                session.show.json(live)
            else:
                typer.echo(head_of(live) + "\n")
                session.show.rows([*rows_of(live)], COLUMNS, "nothing runs and nothing waits")
            return
        try:
            _follow(session, every)
        except KeyboardInterrupt:
            return


def _follow(session: Session, every: float) -> None:
    """An API that is away for a while is waited for."""
    live, trouble = session.client.get(PATH), ""
    with Live(console=Console(highlight=False, markup=False), screen=True, auto_refresh=False) as screen:
        while True:
            screen.update(_frame(live, trouble, screen.console.height), refresh=True)
            time.sleep(every)
            try:
                live, trouble = session.client.get(PATH), ""
            except CommandFailed as failed:
                if failed.code is not Exit.UNAVAILABLE:
                    raise
                trouble = str(failed)


def _frame(live: Mapping[str, Any], trouble: str, height: int) -> Group:
    rows = [*rows_of(live)]
    fitting = rows[: max(1, height - LINES_AROUND)]
    left_out = len(rows) - len(fitting)
    parts: list[Any] = [Text(trouble or head_of(live), style="red" if trouble else "bold", overflow="ellipsis")]
    parts.append(table_of(fitting, COLUMNS) if rows else Text("nothing runs and nothing waits"))
    if left_out:
        parts.append(Text(f"… and {left_out} more"))
    return Group(*parts)


def head_of(live: Mapping[str, Any]) -> str:
    """What all of them have together, and how old the oldest report is."""
    sidecars = live.get("sidecars") or []
    found = f"{live['in_flight']} in flight, {live['queued']} queued, {len(sidecars)} sidecar"
    found += "" if len(sidecars) == 1 else "s"
    return f"{found}, reported {max(each['age_seconds'] for each in sidecars):.1f} s ago" if sidecars else found


def rows_of(live: Mapping[str, Any]) -> Iterator[Row]:
    """Groups that run or wait, those with most first, each with its tenants."""
    tenants: dict[str, list[Mapping[str, Any]]] = {}
    for tenant in live["tenants"]:
        tenants.setdefault(tenant["fairshare_group"], []).append(tenant)
    for group in sorted(live["groups"], key=_load, reverse=True):
        members = tenants.get(group["name"], [])
        if _load(group) or members:
            yield _row(shown(group["name"]), group)
            for tenant in sorted(members, key=_load, reverse=True):
                yield _row("  " + shown(tenant["name"] or tenant["tenant_id"]), tenant)


def _load(each: Mapping[str, Any]) -> int:
    return int(each["in_flight"]) + int(each["queued"])


def _row(name: str, each: Mapping[str, Any]) -> Row:
    got, oldest = each.get("got_share"), each.get("oldest_wait_seconds")
    values: Sequence[Any] = (
        name,
        each["weight"],
        f"{each['entitled_share']:.1%}",
        f"{each['share'] if got is None else got:.1%}",
        each["in_flight"],
        each["queued"],
        f"{oldest:.1f} s" if each["queued"] and oldest is not None else "-",
    )
    return dict(zip(COLUMNS, values, strict=True))
