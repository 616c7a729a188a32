"""`tollkeeper tenant …`."""

from typing import Annotated, Any

import typer

from tollkeeper.cli.body import AMOUNT, FileOption, SetOption, amount, body_of, text_or_none
from tollkeeper.cli.client import segment
from tollkeeper.cli.collection import delete, find, list_items, note_pending, update
from tollkeeper.cli.command import ColumnsOption, DryRunOption, LimitOption, Session, YesOption, command, noun

PATH = "/tenants"
COLUMNS = ("id", "name", "status", "fairshare_group", "weight", "tokens_per_minute", "max_in_flight", "policy")

app = noun("Tenants: who owns keys, budgets and a weight.")
Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="Its id or name.")]
Group = Annotated[str | None, typer.Option("--group", help="Its fairshare group.")]
Weight = Annotated[int | None, typer.Option("--weight", help="Its share among those of its group.")]
Tokens = Annotated[Any, typer.Option("--tokens-per-minute", parser=amount, metavar=AMOUNT)]
Requests = Annotated[Any, typer.Option("--requests-per-minute", parser=amount, metavar=AMOUNT)]
InFlight = Annotated[Any, typer.Option("--max-in-flight", parser=amount, metavar=AMOUNT)]
Policy = Annotated[Any, typer.Option("--policy", parser=text_or_none, metavar="NAME|none", help="A named policy.")]


@command(app, "list")
def list_tenants(session: Session, limit: LimitOption = None, columns: ColumnsOption = None) -> None:
    """List tenants, oldest first."""
    list_items(session, PATH, COLUMNS, limit=limit, wanted=columns)


@command(app, "get")
def get_tenant(session: Session, tenant: Tenant) -> None:
    """Show a tenant."""
    session.show.one(find(session, PATH, tenant, "name"))


@command(app, "create", repeatable=True)
def create_tenant(
    session: Session,
    name: Annotated[str, typer.Argument(help="Must be unique.")],
    weight: Weight = None,
    tokens_per_minute: Tokens = None,
    requests_per_minute: Requests = None,
    max_in_flight: InFlight = None,
    group: Group = None,
    policy: Policy = None,
    assignments: SetOption = None,
    file: FileOption = None,
) -> None:
    """Create a tenant."""
    body = body_of(
        file,
        assignments,
        name=name,
        weight=weight,
        tokens_per_minute=tokens_per_minute,
        requests_per_minute=requests_per_minute,
        max_in_flight=max_in_flight,
        fairshare_group=group,
        policy=policy,
    )
    session.show.one(session.client.ask("POST", PATH, body).body)


@command(app, "update")
def update_tenant(
    session: Session,
    tenant: Tenant,
    name: Annotated[str | None, typer.Option("--name", help="A new name.")] = None,
    weight: Weight = None,
    tokens_per_minute: Tokens = None,
    requests_per_minute: Requests = None,
    max_in_flight: InFlight = None,
    group: Group = None,
    policy: Policy = None,
    assignments: SetOption = None,
    file: FileOption = None,
) -> None:
    """Change what is given; `none` lifts a limit."""
    body = body_of(
        file,
        assignments,
        name=name,
        weight=weight,
        tokens_per_minute=tokens_per_minute,
        requests_per_minute=requests_per_minute,
        max_in_flight=max_in_flight,
        fairshare_group=group,
        policy=policy,
    )
    _change(session, tenant, body)


@command(app, "suspend")
def suspend_tenant(session: Session, tenant: Tenant) -> None:
    """Refuse every key of a tenant, until it is activated again."""
    _change(session, tenant, {"status": "suspended"})


@command(app, "activate")
def activate_tenant(session: Session, tenant: Tenant) -> None:
    """Let a suspended tenant's keys through again."""
    _change(session, tenant, {"status": "active"})


@command(app, "delete")
def delete_tenant(session: Session, tenant: Tenant, yes: YesOption = False, dry_run: DryRunOption = False) -> None:
    """Delete a tenant with its users, keys and limits.  Its usage stays in the ledger."""
    found = find(session, PATH, tenant, "name")
    what = f"the tenant {found['name']!r} ({found['id']}) with all of its keys"
    delete(session, f"{PATH}/{segment(found['id'])}", f"{PATH}/{{id}}", what, yes=yes, dry_run=dry_run)


def tenant_id_of(session: Session, reference: str) -> str:
    found: str = find(session, PATH, reference, "name")["id"]
    return found


def _change(session: Session, reference: str, body: dict[str, Any]) -> None:
    path = f"{PATH}/{segment(tenant_id_of(session, reference))}"
    answer = update(session, path, f"{PATH}/{{id}}", body)
    session.show.one(answer.body)
    note_pending(session, answer.headers.get("tollkeeper-propagation"))
