"""`tollkeeper budget …`: the live state of limits."""

from typing import Annotated, Any

import typer

from tollkeeper.cli.body import quantity
from tollkeeper.cli.client import segment
from tollkeeper.cli.collection import list_items
from tollkeeper.cli.command import ColumnsOption, Session, YesOption, command, confirm, noun
from tollkeeper.cli.tenants import tenant_id_of

COLUMNS = ("budget", "limit", "unit", "kind", "window_seconds", "amount", "used", "remaining", "reset_at", "shadow")

app = noun("Budgets: what is spent and left of a tenant's limits now.")
Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="Its id or name.")]
Key = Annotated[str | None, typer.Option("--key", metavar="ID", help="Also what holds for each key: of this one.")]
User = Annotated[str | None, typer.Option("--user", metavar="ID", help="Also what holds for each user: of this one.")]


@command(app, "list")
def list_budgets(
    session: Session, tenant: Tenant, key: Key = None, user: User = None, columns: ColumnsOption = None
) -> None:
    """Show what is spent and left."""
    list_items(session, _path(session, tenant), COLUMNS, query=_whose(key, user), wanted=columns)


@command(app, "reset", repeatable=True)
def reset_budgets(
    session: Session,
    tenant: Tenant,
    budget: Annotated[str | None, typer.Option("--budget", help="Only this one, as `list` names it.")] = None,
    key: Key = None,
    user: User = None,
    yes: YesOption = False,
) -> None:
    """Fill budgets up."""
    path = _path(session, tenant)
    confirm(session, f"Fill up {budget or 'all budgets'} of {tenant}?", yes)
    answer = session.client.ask("POST", f"{path}/reset", {"budget": budget}, query=_whose(key, user))
    session.show.rows(answer.body["budgets"], COLUMNS)


@command(app, "adjust", repeatable=True)
def adjust_budget(
    session: Session,
    tenant: Tenant,
    budget: Annotated[str, typer.Argument(metavar="BUDGET", help="As `list` names it.")],
    amount: Annotated[
        Any, typer.Option("--by", parser=quantity, metavar="N", help="To give back; below zero, to charge.")
    ],
    key: Key = None,
    user: User = None,
) -> None:
    """Give units of a budget back, or charge them."""
    body = {"budget": budget, "amount": amount}
    answer = session.client.ask("POST", f"{_path(session, tenant)}/adjust", body, query=_whose(key, user))
    session.show.one(answer.body)


def _path(session: Session, tenant: str) -> str:
    return f"/tenants/{segment(tenant_id_of(session, tenant))}/budgets"


def _whose(key: str | None, user: str | None) -> dict[str, object]:
    return {"key_id": key, "user_id": user}
