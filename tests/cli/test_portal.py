"""Organizations and the people who sign in, from the command line."""

from tests.admin.conftest import Admin
from tests.cli.conftest import Command
from tests.web import WEB

PASSWORD = "a first password"


def test_the_first_owner_of_a_new_organization(run: Command, admin: Admin) -> None:
    made = run.json("portal", "user", "create", "Ann@acme.test", *OF, "--role", "owner", stdin=f"{PASSWORD}\n")
    assert (made["email"], made["role"]) == ("ann@acme.test", "owner")
    (organization,) = run.json("organization", "list")
    assert (organization["id"], organization["name"], organization["plan"]) == (made["organization"], "acme", "scale")
    second = run.json("portal", "user", "create", "bob@acme.test", "--organization", "acme", stdin=f"{PASSWORD}\n")
    assert (second["organization"], second["role"]) == (made["organization"], "member")
    assert run.json("portal", "user", "get", "Bob@acme.test") == second
    assert _status(admin, "ann@acme.test", PASSWORD) == 200
    run.ok("portal", "user", "password", "ann@acme.test", stdin="another password\n")
    assert _status(admin, "ann@acme.test", PASSWORD) == 401
    assert run.json("portal", "user", "update", "bob@acme.test", "--disabled", "--role", "viewer")["disabled"] is True
    assert _status(admin, "bob@acme.test", PASSWORD) == 401
    run.ok("portal", "user", "delete", "bob@acme.test", "--yes")
    assert [each["email"] for each in run.json("portal", "user", "list")] == ["ann@acme.test"]
    run.ok("organization", "update", "acme", "--plan", "free")
    run.ok("organization", "delete", "acme", "--yes")
    assert run.json("portal", "user", "list") == []


OF = ("--organization", "acme", "--plan", "scale")


def test_a_password_is_no_argument_and_must_be_long(run: Command) -> None:
    ran = run("portal", "user", "create", "ann@acme.test", *OF, stdin="short\n")
    assert (ran.code, "password" in ran.err) == (2, True)
    assert "--password" not in run.ok("portal", "user", "create", "--help").out


def _status(admin: Admin, email: str, password: str) -> int:
    return WEB.post(f"{admin.url}/auth/login", json={"email": email, "password": password}).status_code
