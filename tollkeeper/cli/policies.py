"""`tollkeeper policy …`."""

from typing import Annotated

import typer

from tollkeeper.cli.body import FileOption, SetOption, body_of
from tollkeeper.cli.client import segment
from tollkeeper.cli.collection import delete, find, list_items, note_pending, update
from tollkeeper.cli.command import ColumnsOption, DryRunOption, LimitOption, Session, YesOption, command, noun

PATH = "/policies"
COLUMNS = ("name", "description", "tenants", "created_at", "updated_at")

app = noun("Named policies: sets of limits that tenants refer to.")
Policy = Annotated[str, typer.Argument(metavar="POLICY", help="Its name.")]
Description = Annotated[str | None, typer.Option("--description", help="For people.")]


@command(app, "list")
def list_policies(session: Session, limit: LimitOption = None, columns: ColumnsOption = None) -> None:
    """List policies by name."""
    list_items(session, PATH, COLUMNS, limit=limit, wanted=columns)


@command(app, "get")
def get_policy(session: Session, policy: Policy) -> None:
    """Show a policy with its limits."""
    session.show.one(find(session, PATH, policy, "name"))


@command(app, "create", repeatable=True)
def create_policy(
    session: Session,
    name: Annotated[str, typer.Argument(help="Must be unique.")],
    description: Description = None,
    assignments: SetOption = None,
    file: FileOption = None,
) -> None:
    """Create a policy; its limits are a list in --file, or --set limits='[…]'."""
    body = body_of(file, assignments, name=name, description=description)
    session.show.one(session.client.ask("POST", PATH, body).body)


@command(app, "update")
def update_policy(
    session: Session,
    policy: Policy,
    description: Description = None,
    assignments: SetOption = None,
    file: FileOption = None,
) -> None:
    """Change what is given, for every tenant that refers to it."""
    body = body_of(file, assignments, description=description)
    answer = update(session, f"{PATH}/{segment(policy)}", f"{PATH}/{{name}}", body)
    session.show.one(answer.body)
    note_pending(session, answer.headers.get("tollkeeper-propagation"))


@command(app, "delete")
def delete_policy(session: Session, policy: Policy, yes: YesOption = False, dry_run: DryRunOption = False) -> None:
    """Delete a policy that no tenant refers to."""
    delete(session, f"{PATH}/{segment(policy)}", f"{PATH}/{{name}}", f"the policy {policy!r}", yes=yes, dry_run=dry_run)
