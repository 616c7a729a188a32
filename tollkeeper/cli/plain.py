"""Nouns whose fields need no options of their own: a file and `--set` say everything.  One factory for all of them."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from tollkeeper.cli.body import FileOption, SetOption, body_of
from tollkeeper.cli.client import segment
from tollkeeper.cli.collection import delete, find, list_items, update
from tollkeeper.cli.command import ColumnsOption, DryRunOption, LimitOption, Session, YesOption, command, noun

Item = Annotated[str, typer.Argument(metavar="ID|NAME", help="Its id or name.")]


def plain_noun(title: str, what: str, path: str, columns: Sequence[str], *, once: str | None = None) -> typer.Typer:
    """list, get, create, update, delete of the collection at `path`.  `once`: a field of the answer to a create that is
    never shown again."""
    app = noun(title)

    @command(app, "list")
    def list_all(session: Session, limit: LimitOption = None, wanted: ColumnsOption = None) -> None:
        """List them all."""
        list_items(session, path, columns, limit=limit, wanted=wanted)

    @command(app, "get")
    def get(session: Session, item: Item) -> None:
        """Show one."""
        session.show.one(find(session, path, item, "name"))

    @command(app, "create", repeatable=True)
    def create(
        session: Session,
        name: Annotated[str, typer.Argument(help="Must be unique.")],
        assignments: SetOption = None,
        file: FileOption = None,
    ) -> None:
        """Create one."""
        made: dict[str, Any] = session.client.ask("POST", path, body_of(file, assignments, name=name)).body
        if once is None or session.show.as_json:
            session.show.one(made)
            return
        secret = made.pop(once)
        session.show.one(next(iter(made.values())))
        session.show.note(f"\nThe {once}, shown this once:")
        typer.echo(secret)

    @command(app, "update")
    def change(session: Session, item: Item, assignments: SetOption = None, file: FileOption = None) -> None:
        """Change what is given."""
        found = find(session, path, item, "name")
        body = body_of(file, assignments)
        session.show.one(update(session, f"{path}/{segment(found['id'])}", f"{path}/{{id}}", body).body)

    @command(app, "delete")
    def remove(session: Session, item: Item, yes: YesOption = False, dry_run: DryRunOption = False) -> None:
        """Delete one."""
        found = find(session, path, item, "name")
        said = f"the {what} {found['name']!r} ({found['id']})"
        delete(session, f"{path}/{segment(found['id'])}", f"{path}/{{id}}", said, yes=yes, dry_run=dry_run)

    return app


mcp_servers = plain_noun(
    "MCP servers: a registry.", "MCP server", "/mcp-servers", ("id", "name", "url", "enabled", "description")
)
admin_tokens = plain_noun(
    "Admin tokens: who may use the management API.",
    "admin token",
    "/admin-tokens",
    ("id", "name", "role", "token_prefix", "expires_at", "created_at"),
    once="token",
)
