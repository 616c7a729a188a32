"""`tollkeeper key …`."""

from typing import Annotated, Any

import typer

from tollkeeper.cli.body import AMOUNT, FileOption, SetOption, amount, body_of, text_or_none
from tollkeeper.cli.client import Answer, segment
from tollkeeper.cli.collection import ambiguous, delete, find, list_items, note_pending, update
from tollkeeper.cli.command import ColumnsOption, DryRunOption, LimitOption, Session, YesOption, command, confirm, noun
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.tenants import tenant_id_of

PATH = "/keys"
PREFIX_LENGTH = 18  # characters of a secret that are no secret
COLUMNS = ("id", "key_prefix", "name", "tenant_id", "user_id", "disabled", "expires_at", "last_used_at")

app = noun("Keys: what clients show.  A secret is shown once, when it is made.")
Key = Annotated[str, typer.Argument(metavar="KEY", help="Its id, its prefix (sk_ and 15 digits) or its name.")]
Models = Annotated[list[str] | None, typer.Option("--model", help="A model it may use.  May be repeated.")]
Tokens = Annotated[Any, typer.Option("--tokens-per-minute", parser=amount, metavar=AMOUNT)]
Requests = Annotated[Any, typer.Option("--requests-per-minute", parser=amount, metavar=AMOUNT)]
Expires = Annotated[
    Any, typer.Option("--expires-at", parser=text_or_none, metavar="TIME|none", help="As 2030-01-31T00:00:00Z.")
]


@command(app, "list")
def list_keys(
    session: Session,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's, by id or name.")] = None,
    limit: LimitOption = None,
    columns: ColumnsOption = None,
) -> None:
    """List keys, oldest first.  Never their secrets."""
    path = PATH if tenant is None else f"/tenants/{segment(tenant_id_of(session, tenant))}/keys"
    list_items(session, path, COLUMNS, limit=limit, wanted=columns)


@command(app, "get")
def get_key(session: Session, key: Key) -> None:
    """Show a key, without its secret."""
    session.show.one(_find(session, key))


@command(app, "create", repeatable=True)
def create_key(
    session: Session,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Its tenant, by id or name.")],
    name: Annotated[str, typer.Argument(help="What it is for.")],
    user: Annotated[str | None, typer.Option("--user", help="The user it belongs to.")] = None,
    email: Annotated[str | None, typer.Option("--email", help="The user's e-mail address.")] = None,
    models: Models = None,
    tokens_per_minute: Tokens = None,
    requests_per_minute: Requests = None,
    expires_at: Expires = None,
    assignments: SetOption = None,
    file: FileOption = None,
) -> None:
    """Create a key.  Its secret is printed, this once."""
    body = body_of(
        file,
        assignments,
        name=name,
        user_id=user,
        user_email=email,
        models_allowed=models or None,
        tokens_per_minute=tokens_per_minute,
        requests_per_minute=requests_per_minute,
        expires_at=expires_at,
    )
    path = f"/tenants/{segment(tenant_id_of(session, tenant))}/keys"
    _show_secret(session, session.client.ask("POST", path, body))


@command(app, "update")
def update_key(
    session: Session,
    key: Key,
    name: Annotated[str | None, typer.Option("--name", help="A new name.")] = None,
    models: Models = None,
    any_model: Annotated[bool, typer.Option("--any-model", help="Let it use every model.")] = False,
    tokens_per_minute: Tokens = None,
    requests_per_minute: Requests = None,
    expires_at: Expires = None,
    assignments: SetOption = None,
    file: FileOption = None,
) -> None:
    """Change what is given; `none` lifts a limit."""
    body = body_of(
        file,
        assignments,
        name=name,
        models_allowed=models or None,
        tokens_per_minute=tokens_per_minute,
        requests_per_minute=requests_per_minute,
        expires_at=expires_at,
    )
    if any_model:
        body["models_allowed"] = None
    answer = update(session, _path(session, key), f"{PATH}/{{id}}", body)
    session.show.one(answer.body)
    note_pending(session, answer.headers.get("tollkeeper-propagation"))


@command(app, "disable")
def disable_key(session: Session, key: Key) -> None:
    """Refuse a key with 403, until it is enabled again."""
    _set_disabled(session, key, True)


@command(app, "enable")
def enable_key(session: Session, key: Key) -> None:
    """Let a disabled key through again."""
    _set_disabled(session, key, False)


@command(app, "rotate", repeatable=True)
def rotate_key(
    session: Session,
    key: Key,
    overlap: Annotated[int | None, typer.Option("--overlap", min=0, help="Seconds the old secret still works.")] = None,
    yes: YesOption = False,
) -> None:
    """Give a key a new secret, which is printed, this once."""
    found = _find(session, key)
    if not overlap:
        confirm(session, f"The present secret of {found['name']!r} ({found['id']}) ends at once.  Go on?", yes)
    body = {} if overlap is None else {"overlap_seconds": overlap}
    _show_secret(session, session.client.ask("POST", f"{PATH}/{segment(found['id'])}/rotate", body))


@command(app, "delete")
def delete_key(session: Session, key: Key, yes: YesOption = False, dry_run: DryRunOption = False) -> None:
    """Delete a key: within a second nobody accepts it."""
    found = _find(session, key)
    what = f"the key {found['name']!r} ({found['id']}, {found['key_prefix']}…)"
    delete(session, f"{PATH}/{segment(found['id'])}", f"{PATH}/{{id}}", what, yes=yes, dry_run=dry_run)


def _find(session: Session, reference: str) -> dict[str, Any]:
    """By id, name or prefix.  Of a whole secret only its prefix is sent."""
    if not reference.startswith("sk_"):
        return find(session, PATH, reference, "name")
    prefix = reference[:PREFIX_LENGTH]
    found = list(session.client.items(PATH, {"prefix": prefix}))
    if not found:
        raise CommandFailed(Exit.NOT_FOUND, f"there is no key {prefix!r}")
    if len(found) > 1:
        raise ambiguous(f"{len(found)} keys begin so", found)
    return found[0]


def _path(session: Session, reference: str) -> str:
    return f"{PATH}/{segment(_find(session, reference)['id'])}"


def _set_disabled(session: Session, reference: str, disabled: bool) -> None:
    answer = session.client.ask("PUT", f"{_path(session, reference)}/disabled", {"disabled": disabled})
    session.show.one(answer.body)
    note_pending(session, answer.headers.get("tollkeeper-propagation"))


def _show_secret(session: Session, answer: Answer) -> None:
    """Within the value for scripts; on a line of its own, last, for people."""
    if session.show.as_json:
        session.show.json(answer.body)
        return
    session.show.one(answer.body.get("key"))
    session.show.note("\nThe secret, shown this once:")
    typer.echo(answer.body["secret"])
    note_pending(session, answer.headers.get("tollkeeper-propagation"))
