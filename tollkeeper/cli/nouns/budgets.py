"""`tollkeeper budget …`: the live state of limits."""

from tollkeeper.cli.client import PAGE, Query
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
    Field("--key", ID, "Include the budgets of this key.", name="key_id"),
    Field("--user", ID, "Include the budgets of this user.", name="user_id"),
)
ONLY = Field("--budget", help="Only this budget, as `list` names it.")
OF_ONE = Field("--tenant", help="Only this tenant, by id or name.", name="tenant_id", convert=TENANTS.id_of)
DRIFT = ("tenant_id", "budget", "limit", "unit", "amount", "counted", "spent", "missing", "beyond")
BUDGET = Field("BUDGET", help="The budget, as `list` names it.")
BY = Field("--by", QUANTITY, "Units to give back; below zero, to charge.", name="amount", required=True)

app = noun()


@command(app, "list", TENANTS.item, *WHOSE)
def list_budgets(session: Session, given: Given, columns: ColumnsOption = None) -> None:
    """Show how much is spent and left."""
    list_items(session, _path(session, given), COLUMNS, _whose(given), columns)


@command(app, "reset", TENANTS.item, ONLY, *WHOSE, repeatable=True)
def reset_budgets(session: Session, given: Given, yes: YesOption = False) -> None:
    """Refill budgets."""
    path, budget = _path(session, given), given.get("budget")
    confirm(f"Fill up {budget or 'all budgets'} of {given['id']}?", yes)
    answer = session.client.ask("POST", f"{path}/reset", {"budget": budget}, query=_whose(given))
    session.show.rows(answer.body["budgets"], COLUMNS)


@command(app, "adjust", TENANTS.item, BUDGET, BY, *WHOSE, repeatable=True)
def adjust_budget(session: Session, given: Given) -> None:
    """Give units back to a budget, or charge it."""
    body = {name: given[name] for name in ("budget", "amount")}
    session.show.one(session.client.ask("POST", f"{_path(session, given)}/adjust", body, query=_whose(given)).body)


@command(app, "audit", OF_ONE)
def audit_budgets(session: Session, given: Given) -> None:
    """Compare budgets that have windows with the ledger, and show those that are off."""
    found = session.client.ask("GET", "/budgets/audit", query={**given, "limit": PAGE}).body
    session.show.rows(found["budgets"], DRIFT, "every budget counts what the ledger has")


@command(app, "mend", OF_ONE, repeatable=True)
def mend_budgets(session: Session, given: Given, yes: YesOption = False) -> None:
    """Charge what the ledger has and budgets do not count.  Gives nothing back."""
    confirm(f"Charge what is missing in budgets of {given.get('tenant_id', 'all tenants')}?", yes)
    answer = session.client.ask("POST", "/budgets/mend", given)
    session.show.rows(answer.body["budgets"], DRIFT, "nothing was missing")


def _path(session: Session, given: Given) -> str:
    return fill(PATH, TENANTS.find(session, given))


def _whose(given: Given) -> Query:
    return {field.name: given.get(field.name) for field in WHOSE}
