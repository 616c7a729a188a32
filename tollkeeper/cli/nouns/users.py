"""`tollkeeper user …`."""

from tollkeeper.cli.body import FileOption, SetOption, body_of
from tollkeeper.cli.command import DryRunOption, YesOption, command, noun
from tollkeeper.cli.field import Field, Given
from tollkeeper.cli.kinds import AMOUNT, SWITCH
from tollkeeper.cli.nouns.tenants import IN_TENANT, TENANTS
from tollkeeper.cli.resource import Resource, besides, fill
from tollkeeper.cli.session import Session
from tollkeeper.cli.verbs import add_get, add_list, delete

USERS = Resource(
    noun="user",
    path="/tenants/{id}/users",
    within=(IN_TENANT,),
    item=Field("USER", help="The user's id.", name="user_id"),
    columns=("id", "email", "tokens_per_minute", "requests_per_minute", "created_at"),
    fields=(
        Field("--email"),
        Field("--tokens-per-minute", AMOUNT, "For all of the user's keys."),
        Field("--requests-per-minute", AMOUNT, "For all of the user's keys."),
    ),
)
CASCADE = Field("--cascade", SWITCH, "With the user's keys.")

app = noun("Users: the people within a tenant, and their limits.")
add_list(app, USERS, "List a tenant's users by id.")
add_get(app, USERS, "Show a user.")


@command(app, "put", *USERS.within, USERS.item, *USERS.fields)
def put_user(session: Session, given: Given, assignments: SetOption = None, file: FileOption = None) -> None:
    """Make or replace a user: what is not given is empty."""
    body = body_of(besides(USERS.route, given), file, assignments)
    session.changed(session.client.ask("PUT", fill(USERS.route, given), body))


@command(app, "delete", TENANTS.item, USERS.item, CASCADE)
def delete_user(session: Session, given: Given, yes: YesOption = False, dry_run: DryRunOption = False) -> None:
    """Delete a user who has no keys any more, or with them."""
    what = f"the user {given['user_id']!r} of {given['id']!r}"
    known = {**given, "id": TENANTS.id_of(session, given["id"])}
    delete(session, USERS, known, what, yes=yes, dry_run=dry_run, query=besides(USERS.route, given))
