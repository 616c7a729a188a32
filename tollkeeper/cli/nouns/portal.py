"""`tollkeeper organization …`, and `tollkeeper portal user …` for the people who sign in."""

import sys

import typer

from tollkeeper.cli.body import FileOption, SetOption, body_of
from tollkeeper.cli.command import command, noun
from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.field import NEW_NAME, Field, Given
from tollkeeper.cli.kinds import SWITCH
from tollkeeper.cli.resource import MAX_SCANNED, Record, Resource, scanned
from tollkeeper.cli.session import Session
from tollkeeper.cli.verbs import Noun

PLAN = Field("--plan", help="free (3 tenants), scale (100) or enterprise (any number).", default="free")
ORGANIZATIONS = Resource(
    noun="organization",
    path="/organizations",
    item=Field("ORGANIZATION", help="Its id or name.", name="id"),
    named=scanned,
    columns=("id", "name", "plan", "created_at"),
    fields=(Field("NAME", help="A unique name.", only="create"), NEW_NAME, PLAN),
)
organizations = Noun(ORGANIZATIONS)
organizations.add_list("List organizations by name.")
organizations.add_get("Show an organization.")
organizations.add_create("Create an organization.")
organizations.add_update("Change the given fields.  A smaller plan takes no tenant away.")
organizations.add_delete(
    "Delete an organization without tenants, with its accounts.", what="the organization {name!r} ({id})"
)


def by_email(session: Session, path: str, email: str) -> list[Record]:
    """All of them are read."""
    items = list(session.client.items(path, most=MAX_SCANNED))
    return [item for item in items if item["email"] == email.lower()]


ROLE = Field("--role", help="owner (also manages people), member or viewer (only reads).", default="member")
USERS = Resource(
    noun="account",
    path="/accounts",
    item=Field("ID|EMAIL", help="Its id or e-mail address.", name="id"),
    named=by_email,
    columns=("id", "email", "organization", "role", "disabled", "created_at"),
    fields=(ROLE, Field("--disabled/--enabled", SWITCH, "Whether it is locked out.", only="update")),
)
users = Noun(USERS)
users.add_list("List accounts by e-mail address.")
users.add_get("Show an account.")
OF = Field("--organization", help="Whose: an id or a name.  Made, with --plan, if there is none.", required=True)


@command(users, "create", Field("EMAIL", help="Unique."), OF, ROLE, PLAN)
def create_user(session: Session, given: Given, assignments: SetOption = None, file: FileOption = None) -> None:
    """Create an account; its first password is asked for, or read from a line of stdin.

    With --organization NAME --role owner it is the first one of a new organization."""
    password = password_of_person()
    plan = given.pop("plan", None)
    given["organization"] = _organization(session, given["organization"], plan)
    session.changed(session.client.ask("POST", USERS.path, body_of({**given, "password": password}, file, assignments)))


users.add_update("Change the given fields.  A disabled user is signed out.")


@command(users, "password", USERS.item)
def set_password(session: Session, given: Given) -> None:
    """Set another password, and end all sessions; it is asked for, or read from a line of stdin."""
    account, password = USERS.find(session, given), password_of_person()
    session.changed(session.client.ask("PATCH", f"{USERS.path}/{account['id']}", {"password": password}))


users.add_delete("Delete an account.", what="the account {email!r} ({id})")
portal = noun()
portal.add_typer(users, name="user", help="The people of organizations, who sign in with e-mail address and password.")


def password_of_person() -> str:
    """Never an argument: lists of processes and shell histories show those."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")


def _organization(session: Session, reference: str, plan: str | None) -> str:
    try:
        return ORGANIZATIONS.id_of(session, reference)
    except CommandFailed as failed:
        if failed.code is not Exit.NOT_FOUND:
            raise
    body = {"name": reference} | ({"plan": plan} if plan else {})
    made: str = session.client.ask("POST", ORGANIZATIONS.path, body).body["id"]
    session.show.note(f"made the organization {reference!r} ({made})")
    return made
