"""The verbs of every resource: list, get, create, update, delete.  What only one has is in `nouns/`.

Knows fields only by what the resource and the API's own schema say.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from tollkeeper.cli.body import FileOption, SetOption, body_of
from tollkeeper.cli.client import PREFIX, Query
from tollkeeper.cli.command import ColumnsOption, DryRunOption, LimitOption, YesOption, command
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.field import Field, Given
from tollkeeper.cli.resource import Record, Resource, besides, fill
from tollkeeper.cli.session import Session, confirm

ALL = "all"


def add_list(app: typer.Typer, resource: Resource, help: str) -> None:
    @command(app, "list", *resource.within, *resource.filters, help=help)
    def list_(session: Session, given: Given, limit: LimitOption = None, columns: ColumnsOption = None) -> None:
        path, query = fill(resource.path, given), besides(resource.path, given)
        list_items(session, path, resource.columns, query=query, limit=limit, wanted=columns)


def add_get(app: typer.Typer, resource: Resource, help: str) -> None:
    @command(app, "get", *resource.within, resource.item, help=help)
    def get(session: Session, given: Given) -> None:
        known = resource.find(session, given)
        session.show.one(known if resource.named else session.client.get(fill(resource.route, known)))


def add_create(app: typer.Typer, resource: Resource, help: str, path: str = "", within: Sequence[Field] = ()) -> None:
    """`path` and `within`: if not those of the resource."""
    path = path or resource.path
    within = within or resource.within

    @command(app, "create", *within, *resource.taken_by("create"), help=help, repeatable=True)
    def create(session: Session, given: Given, assignments: SetOption = None, file: FileOption = None) -> None:
        body = body_of(resource.to_api(besides(path, given)), file, assignments)
        session.changed(session.client.ask("POST", fill(path, given), body), resource.shown_once)


def add_update(app: typer.Typer, resource: Resource, help: str) -> None:
    @command(app, "update", *resource.within, resource.item, *resource.taken_by("update"), help=help)
    def update(session: Session, given: Given, assignments: SetOption = None, file: FileOption = None) -> None:
        body = body_of(resource.to_api(besides(resource.route, given)), file, assignments)
        change(session, resource, given, body)


def add_delete(app: typer.Typer, resource: Resource, help: str, what: str) -> None:
    """`what` names an item by its fields, in questions and answers."""

    @command(app, "delete", *resource.within, resource.item, help=help)
    def delete_(session: Session, given: Given, yes: YesOption = False, dry_run: DryRunOption = False) -> None:
        known = resource.find(session, given)
        delete(session, resource, known, what.format_map(known), yes=yes, dry_run=dry_run)


def list_items(
    session: Session,
    path: str,
    columns: Sequence[str],
    *,
    query: Query | None = None,
    limit: int | None = None,
    wanted: str | None = None,
) -> None:
    """Prints a list; `wanted` are the columns that the user asked for."""
    rows = list(session.client.items(path, query, limit))
    columns = chosen(columns, wanted)
    if wanted is not None and rows:
        known = {name for row in rows for name in row}
        if unknown := [name for name in columns if name not in known]:
            raise CommandFailed(
                Exit.USAGE, f"no such column: {', '.join(unknown)}; there are {', '.join(sorted(known))}"
            )
    session.show.rows(rows, columns)


def chosen(columns: Sequence[str], wanted: str | None) -> Sequence[str]:
    """The columns that `wanted` says; none, which is every one, for `all`."""
    if wanted is None:
        return columns
    return () if wanted == ALL else [name.strip() for name in wanted.split(",")]


def change(session: Session, resource: Resource, given: Given, body: Mapping[str, Any]) -> None:
    """Changes the fields of `body`, whether the API takes changes (PATCH) or whole values (PUT), and only if nobody
    else changes the value meanwhile."""
    path = fill(resource.route, resource.find(session, given))
    if not body:
        raise CommandFailed(Exit.USAGE, "nothing to change: give at least one option")
    operations = _operations(session, resource.route)
    if "patch" in operations:
        answer = session.client.ask("PATCH", path, body)
    else:
        current = session.client.ask("GET", path)
        writable = _writable(session, operations["put"])
        whole = {name: value for name, value in current.body.items() if name in writable} | dict(body)
        headers = {"If-Match": current.headers["etag"]} if current.headers.get("etag") else {}
        answer = session.client.ask("PUT", path, whole, headers=headers)
    session.changed(answer)


def delete(
    session: Session,
    resource: Resource,
    known: Record,
    what: str,
    *,
    yes: bool,
    dry_run: bool,
    query: Query | None = None,
) -> None:
    """Asks, deletes; or says what would go along."""
    path = fill(resource.route, known)
    if dry_run:
        _require_dry_run(session, resource.route)
        would = session.client.ask("DELETE", path, query={**(query or {}), "dry_run": True})
        session.show.one(would.body or {"deleted": {}})
        return
    confirm(f"Delete {what}?", yes)
    answer = session.client.ask("DELETE", path, query=query)
    if session.show.as_json:
        session.show.json(answer.body or {"deleted": what})
    else:
        session.show.note(f"deleted {what}")
    session.note_pending(answer)


def _operations(session: Session, route: str) -> dict[str, Any]:
    """What the API can do at a route, by method."""
    found: dict[str, Any] = session.client.get("/openapi.json")["paths"].get(f"{PREFIX}{route}", {})
    return found


def _require_dry_run(session: Session, route: str) -> None:
    """An API that does not know of dry runs would delete in earnest."""
    parameters = _operations(session, route).get("delete", {}).get("parameters", [])
    if not any(each.get("name") == "dry_run" for each in parameters):
        raise CommandFailed(Exit.USAGE, "the API has no dry run for this")


def _writable(session: Session, operation: Mapping[str, Any]) -> set[str]:
    """The fields of a request's body."""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        schema = session.client.get("/openapi.json")["components"]["schemas"][name]
    return set(schema["properties"])
