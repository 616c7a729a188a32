"""The verbs of every resource: list, get, create, update, delete.  What only one has is in `nouns/`.

Knows fields only by what the resource and the API's own schema say.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from tollkeeper.cli.body import FileOption, SetOption, body_of
from tollkeeper.cli.client import PREFIX, Answer, Query
from tollkeeper.cli.command import ColumnsOption, DryRunOption, LimitOption, YesOption, command
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.field import Field, Given
from tollkeeper.cli.resource import Record, Resource, besides, fill
from tollkeeper.cli.session import Session, confirm

ALL = "all"
NOTHING: Query = {}


class Noun(typer.Typer):
    """The commands of a resource.  Each method adds one; --help lists them in that order."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(no_args_is_help=True, pretty_exceptions_enable=False)
        self.resource = resource

    def add_list(self, help: str) -> None:
        @command(self, "list", *self.resource.within, *self.resource.filters, help=help)
        def list_(session: Session, given: Given, limit: LimitOption = None, columns: ColumnsOption = None) -> None:
            path, query = fill(self.resource.path, given), besides(self.resource.path, given)
            list_items(session, path, self.resource.columns, query, columns, limit)

    def add_get(self, help: str) -> None:
        @command(self, "get", *self.resource.within, self.resource.item, help=help)
        def get(session: Session, given: Given) -> None:
            known = self.resource.find(session, given)
            session.show.one(known if self.resource.named else session.client.get(fill(self.resource.route, known)))

    def add_create(self, help: str, *, path: str | None = None, within: Sequence[Field] | None = None) -> None:
        """`path` and `within`: if items are made elsewhere than they are listed."""
        path, within = path or self.resource.path, within or self.resource.within

        @command(self, "create", *within, *self.resource.taken_by("create"), help=help, repeatable=True)
        def create(session: Session, given: Given, assignments: SetOption = None, file: FileOption = None) -> None:
            body = body_of(self.resource.to_api(besides(path, given)), file, assignments)
            session.changed(session.client.ask("POST", fill(path, given), body), self.resource.shown_once)

    def add_update(self, help: str) -> None:
        item = self.resource.item

        @command(self, "update", *self.resource.within, item, *self.resource.taken_by("update"), help=help)
        def update(session: Session, given: Given, assignments: SetOption = None, file: FileOption = None) -> None:
            body = body_of(self.resource.to_api(besides(self.resource.route, given)), file, assignments)
            path = fill(self.resource.route, self.resource.find(session, given))
            session.changed(update_item(session, path, self.resource.route, body))

    def add_action(
        self, name: str, help: str, *fields: Field, method: str, below: str = "", sets: Query = NOTHING
    ) -> None:
        """Another change of an item: `method` at a path `below` its own, with `sets` and what is given of `fields`."""

        @command(self, name, *self.resource.within, self.resource.item, *fields, help=help)
        def act(session: Session, given: Given) -> None:
            path = fill(self.resource.route, self.resource.find(session, given)) + below
            body = {**sets, **besides(self.resource.route, given)}
            session.changed(session.client.ask(method, path, body))

    def add_delete(self, help: str, *, what: str) -> None:
        """`what` names an item by its fields, in the question and the answer."""

        @command(self, "delete", *self.resource.within, self.resource.item, help=help)
        def delete(session: Session, given: Given, yes: YesOption = False, dry_run: DryRunOption = False) -> None:
            known = self.resource.find(session, given)
            delete_item(session, self.resource, known, what.format_map(known), yes=yes, dry_run=dry_run)


def list_items(
    session: Session, path: str, columns: Sequence[str], query: Query, wanted: str | None, limit: int | None = None
) -> None:
    """Prints a list; `wanted` are the columns that the user asked for."""
    rows = list(session.client.items(path, query, limit))
    columns = chosen(columns, wanted)
    if wanted is not None and rows:
        known = {name for row in rows for name in row}
        if unknown := [name for name in columns if name not in known]:
            wrong = f"no such column: {', '.join(unknown)}; there are {', '.join(sorted(known))}"
            raise CommandFailed(Exit.USAGE, wrong)
    session.show.rows(rows, columns)


def chosen(columns: Sequence[str], wanted: str | None) -> Sequence[str]:
    """The columns that were asked for, else `columns`.  None means all of them."""
    if wanted is None:
        return columns
    return () if wanted == ALL else [name.strip() for name in wanted.split(",")]


def update_item(session: Session, path: str, route: str, body: Given) -> Answer:
    """Changes the fields of `body`, whether the API takes changes (PATCH) or whole values (PUT), and only if nobody
    else changes the value meanwhile."""
    if not body:
        raise CommandFailed(Exit.USAGE, "nothing to change: give at least one option")
    operations = _operations(session, route)
    if "patch" in operations:
        return session.client.ask("PATCH", path, body)
    current = session.client.ask("GET", path)
    writable = _writable(session, operations["put"])
    whole = {name: value for name, value in current.body.items() if name in writable} | body
    headers = {"If-Match": current.headers["etag"]} if current.headers.get("etag") else {}
    return session.client.ask("PUT", path, whole, headers=headers)


def delete_item(
    session: Session, resource: Resource, known: Record, what: str, *, yes: bool, dry_run: bool, query: Query = NOTHING
) -> None:
    """Asks, deletes; or says what would go along."""
    path = fill(resource.route, known)
    if dry_run:
        _require_dry_run(session, resource.route)
        would = session.client.ask("DELETE", path, query={**query, "dry_run": True})
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
