"""`tollkeeper user …`."""

from typing import Annotated, Any

import typer

from tollkeeper.cli.body import AMOUNT, FileOption, SetOption, amount, body_of
from tollkeeper.cli.client import segment
from tollkeeper.cli.collection import delete, list_items, note_pending
from tollkeeper.cli.command import ColumnsOption, DryRunOption, LimitOption, Session, YesOption, command, noun
from tollkeeper.cli.tenants import tenant_id_of

COLUMNS = ("id", "email", "tokens_per_minute", "requests_per_minute", "created_at")
ROUTE = "/tenants/{id}/users/{user_id}"

app = noun("Users: the people within a tenant, and their limits.")
Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="Its id or name.")]
User = Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]


@command(app, "list")
def list_users(session: Session, tenant: Tenant, limit: LimitOption = None, columns: ColumnsOption = None) -> None:
    """List a tenant's users by id."""
    list_items(session, _path(session, tenant), COLUMNS, limit=limit, wanted=columns)


@command(app, "get")
def get_user(session: Session, tenant: Tenant, user: User) -> None:
    """Show a user."""
    session.show.one(session.client.get(f"{_path(session, tenant)}/{segment(user)}"))


@command(app, "put")
def put_user(
    session: Session,
    tenant: Tenant,
    user: User,
    email: Annotated[str | None, typer.Option("--email")] = None,
    tokens_per_minute: Annotated[
        Any, typer.Option("--tokens-per-minute", parser=amount, metavar=AMOUNT, help="For all of the user's keys.")
    ] = None,
    requests_per_minute: Annotated[
        Any, typer.Option("--requests-per-minute", parser=amount, metavar=AMOUNT, help="For all of the user's keys.")
    ] = None,
    assignments: SetOption = None,
    file: FileOption = None,
) -> None:
    """Make or replace a user: what is not given is empty."""
    fields = {"email": email, "tokens_per_minute": tokens_per_minute, "requests_per_minute": requests_per_minute}
    path = f"{_path(session, tenant)}/{segment(user)}"
    answer = session.client.ask("PUT", path, body_of(file, assignments, **fields))
    session.show.one(answer.body)
    note_pending(session, answer.headers.get("tollkeeper-propagation"))


@command(app, "delete")
def delete_user(
    session: Session,
    tenant: Tenant,
    user: User,
    cascade: Annotated[bool, typer.Option("--cascade", help="With the user's keys.")] = False,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Delete a user who has no keys any more, or with them."""
    path, said = f"{_path(session, tenant)}/{segment(user)}", f"the user {user!r} of {tenant!r}"
    delete(session, path, ROUTE, said, yes=yes, dry_run=dry_run, query={"cascade": True} if cascade else None)


def _path(session: Session, tenant: str) -> str:
    return f"/tenants/{segment(tenant_id_of(session, tenant))}/users"
