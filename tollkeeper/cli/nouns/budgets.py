"""`tollkeeper budget …`: the live state of limits."""

from tollkeeper.cli.client import Query
from tollkeeper.cli.command import ColumnsOption, YesOption, command, noun
from tollkeeper.cli.field import Field, Given
from tollkeeper.cli.kinds import ID, QUANTITY
from tollkeeper.cli.nouns.tenants import TENANTS
from tollkeeper.cli.resource import fill
from tollkeeper.cli.session import Session, confirm
from tollkeeper.cli.verbs import list_items

PATH = "/tenants/{id}/budgets"
COLUMNS = ("budget", "limit", "unit", "kind", "window_seconds", "amount", "used", "remaining", "reset_at", "shadow")
WHOSE = (
    Field("--key", ID, "Also what holds for each key: of this one.", name="key_id"),
    Field("--user", ID, "Also what holds for each user: of this one.", name="user_id"),
)
ONLY = Field("--budget", help="Only this one, as `list` names it.")
BUDGET = Field("BUDGET", help="As `list` names it.")
BY = Field("--by", QUANTITY, "To give back; below zero, to charge.", name="amount", required=True)

app = noun("Budgets: what is spent and left of a tenant's limits now.")


@command(app, "list", TENANTS.item, *WHOSE)
def list_budgets(session: Session, given: Given, columns: ColumnsOption = None) -> None:
    """Show what is spent and left."""
    list_items(session, _path(session, given), COLUMNS, query=_whose(given), wanted=columns)


@command(app, "reset", TENANTS.item, ONLY, *WHOSE, repeatable=True)
def reset_budgets(session: Session, given: Given, yes: YesOption = False) -> None:
    """Fill budgets up."""
    path, budget = _path(session, given), given.get("budget")
    confirm(f"Fill up {budget or 'all budgets'} of {given['id']}?", yes)
    answer = session.client.ask("POST", f"{path}/reset", {"budget": budget}, query=_whose(given))
    session.show.rows(answer.body["budgets"], COLUMNS)


@command(app, "adjust", TENANTS.item, BUDGET, BY, *WHOSE, repeatable=True)
def adjust_budget(session: Session, given: Given) -> None:
    """Give units of a budget back, or charge them."""
    body = {name: given[name] for name in ("budget", "amount")}
    session.show.one(session.client.ask("POST", f"{_path(session, given)}/adjust", body, query=_whose(given)).body)


def _path(session: Session, given: Given) -> str:
    return fill(PATH, TENANTS.find(session, given))


def _whose(given: Given) -> Query:
    return {field.name: given.get(field.name) for field in WHOSE}
