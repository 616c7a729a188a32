"""`tollkeeper key …`."""

from dataclasses import replace
from typing import Annotated

import typer

from tollkeeper.cli.command import ColumnsOption, LimitOption, YesOption, command, noun
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.field import Field, Given
from tollkeeper.cli.kinds import AMOUNT, NULL, SWITCH, TEXTS, or_none
from tollkeeper.cli.nouns.tenants import IN_TENANT, OF_TENANT
from tollkeeper.cli.resource import Resource, ambiguous, fill, searched
from tollkeeper.cli.session import Session, confirm
from tollkeeper.cli.verbs import add_create, add_delete, add_get, add_update, list_items

PREFIX_LENGTH = 18  # characters of a secret that are no secret


def _id_of_prefix(session: Session, reference: str) -> str:
    """A prefix becomes the key's id.  Of a whole secret only its prefix is sent."""
    if not reference.startswith("sk_"):
        return reference
    prefix = reference[:PREFIX_LENGTH]
    found = list(session.client.items("/keys", {"prefix": prefix}))
    if not found:
        raise CommandFailed(Exit.NOT_FOUND, f"there is no key {prefix!r}")
    if len(found) > 1:
        raise ambiguous(f"{len(found)} keys begin so", found)
    return str(found[0]["id"])


KEYS = Resource(
    noun="key",
    path="/keys",
    item=Field("KEY", help="Its id, its prefix (sk_ and 15 digits) or its name.", name="id", convert=_id_of_prefix),
    named=searched,
    columns=("id", "key_prefix", "name", "tenant_id", "user_id", "disabled", "expires_at", "last_used_at"),
    shown_once="secret",
    fields=(
        Field("NAME", help="What it is for.", only="create"),
        Field("--name", help="A new name.", only="update"),
        Field("--user", help="The user it belongs to.", name="user_id", only="create"),
        Field("--email", help="The user's e-mail address.", name="user_email", only="create"),
        Field("--model", TEXTS, "A model it may use.  May be repeated.", name="models_allowed"),
        Field(
            "--any-model",
            SWITCH,
            "Let it use every model.",
            name="models_allowed",
            only="update",
            convert=lambda *_: NULL,
        ),
        Field("--tokens-per-minute", AMOUNT),
        Field("--requests-per-minute", AMOUNT),
        Field("--expires-at", or_none("TIME"), "As 2030-01-31T00:00:00Z."),
    ),
)

app = noun("Keys: what clients show.  A secret is shown once, when it is made.")


@command(app, "list", replace(OF_TENANT, help="Only this tenant's, by id or name."))
def list_keys(session: Session, given: Given, limit: LimitOption = None, columns: ColumnsOption = None) -> None:
    """List keys, oldest first.  Never their secrets."""
    path = fill("/tenants/{tenant_id}/keys", given) if given else KEYS.path
    list_items(session, path, KEYS.columns, limit=limit, wanted=columns)


add_get(app, KEYS, "Show a key, without its secret.")
add_create(
    app,
    KEYS,
    "Create a key.  Its secret is printed, this once.",
    path="/tenants/{id}/keys",
    within=(replace(IN_TENANT, help="Its tenant, by id or name."),),
)
add_update(app, KEYS, "Change what is given; `none` lifts a limit.")


@command(app, "disable", KEYS.item)
def disable_key(session: Session, given: Given) -> None:
    """Refuse a key with 403, until it is enabled again."""
    _set_disabled(session, given, True)


@command(app, "enable", KEYS.item)
def enable_key(session: Session, given: Given) -> None:
    """Let a disabled key through again."""
    _set_disabled(session, given, False)


@command(app, "rotate", KEYS.item, repeatable=True)
def rotate_key(
    session: Session,
    given: Given,
    overlap: Annotated[int | None, typer.Option("--overlap", min=0, help="Seconds the old secret still works.")] = None,
    yes: YesOption = False,
) -> None:
    """Give a key a new secret, which is printed, this once."""
    key = KEYS.find(session, given)
    if not overlap:
        confirm(f"The present secret of {key['name']!r} ({key['id']}) ends at once.  Go on?", yes)
    body = {} if overlap is None else {"overlap_seconds": overlap}
    session.changed(session.client.ask("POST", fill("/keys/{id}/rotate", key), body), KEYS.shown_once)


add_delete(app, KEYS, "Delete a key: within a second nobody accepts it.", "the key {name!r} ({id}, {key_prefix}…)")


def _set_disabled(session: Session, given: Given, disabled: bool) -> None:
    path = fill("/keys/{id}/disabled", KEYS.find(session, given))
    session.changed(session.client.ask("PUT", path, {"disabled": disabled}))
