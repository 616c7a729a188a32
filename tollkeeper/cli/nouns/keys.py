"""`tollkeeper key …`."""

from typing import Annotated

import typer

from tenancy.values.secret import PORTAL_PREFIX, SECRET_PREFIX, prefix_of
from tollkeeper.cli.command import ColumnsOption, LimitOption, YesOption, command
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.field import NEW_NAME, Field, Given
from tollkeeper.cli.kinds import AMOUNT, NULL, SWITCH, TEXTS, or_none
from tollkeeper.cli.nouns.tenants import IN_TENANT, TENANTS
from tollkeeper.cli.resource import Record, Resource, ambiguous, fill, searched
from tollkeeper.cli.session import Session, confirm
from tollkeeper.cli.verbs import Noun, list_items


def _id_of_prefix(session: Session, reference: str) -> str:
    """The id for a prefix.  Of a whole secret only its prefix is sent."""
    if not reference.startswith((SECRET_PREFIX, PORTAL_PREFIX)):
        return reference
    prefix = prefix_of(reference)
    found = list(session.client.items("/keys", {"prefix": prefix}))
    if not found:
        raise CommandFailed(Exit.NOT_FOUND, f"there is no key {prefix!r}")
    if len(found) > 1:
        raise ambiguous(f"{len(found)} keys begin so", found)
    return str(found[0]["id"])


def _called(session: Session, path: str, reference: str) -> list[Record]:
    """Keys of a name; of TENANT/NAME those of the tenant, unless a key is called so."""
    found = searched(session, path, reference)
    tenant, slash, name = reference.partition("/")
    if found or not slash:
        return found
    tenant_id = TENANTS.id_of(session, tenant)
    return [key for key in searched(session, path, name) if key["tenant_id"] == tenant_id]


ANY_MODEL = Field(
    "--any-model", SWITCH, "Let it use every model.", name="models_allowed", only="update", convert=lambda *_: NULL
)
KEYS = Resource(
    noun="key",
    path="/keys",
    item=Field(
        "KEY",
        help="The key's id, prefix (its first 18 characters), name or TENANT/NAME.",
        name="id",
        convert=_id_of_prefix,
    ),
    named=_called,
    or_else="an id or TENANT/NAME",
    columns=("id", "key_prefix", "name", "tenant_id", "user_id", "disabled", "expires_at", "last_used_at"),
    fields=(
        Field("NAME", help="What the key is for.", only="create"),
        NEW_NAME,
        Field("--user", help="The user it belongs to.", name="user_id", only="create"),
        Field("--email", help="The user's e-mail address.", name="user_email", only="create"),
        Field("--model", TEXTS, "A model it may use.  May be repeated.", name="models_allowed"),
        ANY_MODEL,
        Field("--tokens-per-minute", AMOUNT, "Maximum tokens per minute."),
        Field("--requests-per-minute", AMOUNT, "Maximum requests per minute."),
        Field("--max-in-flight", AMOUNT, "Maximum requests at once."),
        Field("--expires-at", or_none("TIME"), "When it expires, such as 2030-01-31T00:00:00Z."),
    ),
    shown_once="secret",
)

app = Noun(KEYS)


@command(app, "list", Field("--tenant", help="Only keys of this tenant, by id or name.", convert=TENANTS.id_of))
def list_keys(session: Session, given: Given, limit: LimitOption = None, columns: ColumnsOption = None) -> None:
    """List keys, oldest first, without their secrets."""
    path = fill("/tenants/{tenant}/keys", given) if given else KEYS.path
    list_items(session, path, KEYS.columns, {}, columns, limit)


app.add_get("Show a key, without its secret.")
app.add_create(
    "Create a key, and print its secret: it is never shown again.", path="/tenants/{id}/keys", within=(IN_TENANT,)
)
app.add_update("Change the given fields; `none` lifts a limit.")
app.add_action(
    "disable",
    "Refuse a key with 403, until it is enabled again.",
    method="PUT",
    below="/disabled",
    sets={"disabled": True},
)
app.add_action("enable", "Let a disabled key through again.", method="PUT", below="/disabled", sets={"disabled": False})


@command(app, "rotate", KEYS.item, repeatable=True)
def rotate_key(
    session: Session,
    given: Given,
    overlap: Annotated[
        int | None, typer.Option("--overlap", min=0, help="Seconds for which the old secret still works.")
    ] = None,
    yes: YesOption = False,
) -> None:
    """Give a key a new secret, and print it: it is never shown again."""
    key = KEYS.find(session, given)
    if not overlap:
        confirm(f"The present secret of {key['name']!r} ({key['id']}) ends at once.  Go on?", yes)
    body = {} if overlap is None else {"overlap_seconds": overlap}
    session.changed(session.client.ask("POST", fill("/keys/{id}/rotate", key), body), KEYS.shown_once)


app.add_delete("Delete a key; within a second no sidecar accepts it.", what="the key {name!r} ({id}, {key_prefix}…)")
