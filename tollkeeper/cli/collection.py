"""What can be done with any collection of the API: list, find by id or name, change, delete.

Knows fields only by what the API's own schema says, so a field that is added later needs no change here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tollkeeper.cli.client import Answer, Query, segment
from tollkeeper.cli.command import Session, confirm
from tollkeeper.cli.exits import CommandFailed, Exit

ALL = "all"
SEARCHED = ("/tenants", "/keys", "/limits")  # the API finds these by name
MAX_LOOKED_AT = 10_000
TELLING = ("id", "tenant_id", "fairshare_group", "key_prefix", "created_at")  # of several with one name


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
    if wanted is not None:
        columns = () if wanted == ALL else [name.strip() for name in wanted.split(",")]
        known = {name for row in rows for name in row}
        if rows and (unknown := [name for name in columns if name not in known]):
            raise CommandFailed(
                Exit.USAGE, f"no such column: {', '.join(unknown)}; there are {', '.join(sorted(known))}"
            )
    session.show.rows(rows, columns)


def find(session: Session, path: str, reference: str, *names: str) -> dict[str, Any]:
    """The item with this id, else the one with this value in one of the fields `names`."""
    what = path.rsplit("/", 1)[-1].rstrip("s").replace("-", " ")
    if reference:
        try:
            found: dict[str, Any] = session.client.get(f"{path}/{segment(reference)}")
        except CommandFailed as failed:
            if failed.code is not Exit.NOT_FOUND and not _no_such_route(failed):
                raise
        else:
            return found
    matches = _called(session, path, reference, names)
    if len(matches) > 1:
        raise ambiguous(f"{len(matches)} {what}s are called {reference!r}", matches)
    if not matches:
        raise CommandFailed(Exit.NOT_FOUND, f"there is no {what} {reference!r}")
    return matches[0]


def ambiguous(said: str, matches: Sequence[Mapping[str, Any]]) -> CommandFailed:
    """Tells by what they differ."""
    lines = ["  ".join(f"{name} {each[name]}" for name in TELLING if each.get(name)) for each in matches]
    return CommandFailed(Exit.CONFLICT, f"{said}: use an id", [line.removeprefix("id ") for line in lines])


def _called(session: Session, path: str, reference: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Long collections are searched by the API, short ones here."""
    if not reference.strip():
        return []
    if path in SEARCHED:
        return list(session.client.items(path, {"name": reference}))
    looked_at = list(session.client.items(path, most=MAX_LOOKED_AT))
    matches = [each for each in looked_at if any(each.get(name) == reference for name in names)]
    if not matches and len(looked_at) == MAX_LOOKED_AT:
        raise CommandFailed(Exit.NOT_FOUND, f"{reference!r} is not among the first {MAX_LOOKED_AT}: use an id")
    return matches


def update(session: Session, path: str, item_path: str, body: Mapping[str, Any]) -> Answer:
    """Changes the fields of `body`, whether the API takes changes (PATCH) or whole values (PUT), and only if nobody
    else changes the value meanwhile.  `item_path` is the route, `path` the request's own."""
    if not body:
        raise CommandFailed(Exit.USAGE, "nothing to change: give at least one option")
    operations = session.client.get("/openapi.json")["paths"].get(f"/api/v1{item_path}", {})
    if "patch" in operations:
        return session.client.ask("PATCH", path, dict(body))
    current = session.client.ask("GET", path)
    writable = _writable(session, operations["put"])
    whole = {name: value for name, value in current.body.items() if name in writable} | dict(body)
    headers = {"If-Match": current.headers["etag"]} if current.headers.get("etag") else {}
    return session.client.ask("PUT", path, whole, headers=headers)


def delete(
    session: Session,
    path: str,
    item_path: str,
    what: str,
    *,
    yes: bool,
    dry_run: bool,
    query: Query | None = None,
) -> None:
    """Asks, deletes; or says what would go along.  `item_path` is the route, `path` the request's own."""
    if dry_run:
        _require_dry_run(session, item_path)
        session.show.one(
            session.client.ask("DELETE", path, query={**(query or {}), "dry_run": True}).body or {"deleted": {}}
        )
        return
    confirm(session, f"Delete {what}?", yes)
    answer = session.client.ask("DELETE", path, query=query)
    if session.show.as_json:
        session.show.json(answer.body or {"deleted": what})
    else:
        session.show.note(f"deleted {what}")
    note_pending(session, answer.headers.get("tollkeeper-propagation"))


def _require_dry_run(session: Session, item_path: str) -> None:
    """An API that does not know of dry runs would delete in earnest."""
    operation = session.client.get("/openapi.json")["paths"].get(f"/api/v1{item_path}", {}).get("delete", {})
    if not any(each.get("name") == "dry_run" for each in operation.get("parameters", [])):
        raise CommandFailed(Exit.USAGE, "the API has no dry run for this")


def note_pending(session: Session, propagation: str | None) -> None:
    if propagation == "pending":
        session.show.note("Redis cannot be reached: sidecars hear of it as soon as it is back")


def _no_such_route(failed: CommandFailed) -> bool:
    """A collection whose items cannot be got one by one."""
    return failed.document is not None and failed.document.get("status") == 405


def _writable(session: Session, operation: Mapping[str, Any]) -> set[str]:
    """The fields of a request's body."""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        schema = session.client.get("/openapi.json")["components"]["schemas"][name]
    return set(schema["properties"])
