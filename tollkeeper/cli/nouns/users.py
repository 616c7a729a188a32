"""`tollkeeper user …`."""

from tollkeeper.cli.body import FileOption, SetOption, body_of
from tollkeeper.cli.command import DryRunOption, YesOption, command
from tollkeeper.cli.field import Field, Given
from tollkeeper.cli.kinds import AMOUNT, SWITCH
from tollkeeper.cli.nouns.tenants import IN_TENANT, TENANTS
from tollkeeper.cli.resource import Resource, besides, fill
from tollkeeper.cli.session import Session
from tollkeeper.cli.verbs import Noun, delete_item

USERS = Resource(
    noun="user",
    path="/tenants/{id}/users",
    within=(IN_TENANT,),
    item=Field("USER", help="The user's id.", name="user_id"),
    columns=("id", "email", "tokens_per_minute", "requests_per_minute", "created_at"),
    fields=(
        Field("--email", help="E-mail address."),
        Field("--tokens-per-minute", AMOUNT, "Maximum tokens per minute, over all of the user's keys."),
        Field("--requests-per-minute", AMOUNT, "Maximum requests per minute, over all of the user's keys."),
    ),
)

app = Noun(USERS)
app.add_list("List a tenant's users by id.")
app.add_get("Show a user.")


@command(app, "put", *USERS.within, USERS.item, *USERS.fields)
def put_user(session: Session, given: Given, assignments: SetOption = None, file: FileOption = None) -> None:
    """Create or replace a user; fields that are not given are emptied."""
    body = body_of(besides(USERS.route, given), file, assignments)
    session.changed(session.client.ask("PUT", fill(USERS.route, given), body))


@command(app, "delete", TENANTS.item, USERS.item, Field("--cascade", SWITCH, "Delete the user's keys too."))
def delete_user(session: Session, given: Given, yes: YesOption = False, dry_run: DryRunOption = False) -> None:
    """Delete a user who has no keys left; with --cascade, the keys too."""
    what = f"the user {given['user_id']!r} of {given['id']!r}"
    known = given | {"id": TENANTS.id_of(session, given["id"])}
    delete_item(session, USERS, known, what, yes=yes, dry_run=dry_run, query=besides(USERS.route, given))
