"""Who may do what: the matrix of roles and routes, and the life of an admin token."""

import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from admin.access import principals as principals_module
from admin.access.permission import Action, Principal, Resource, ResourceKind, Role
from admin.access.principals import KNOWN_SECONDS, Principals
from admin.access.tokens import AdminTokens, Known, NewAdminToken, digest_of
from admin.api.surface import asks
from admin.postgres.tokens import PostgresAdminTokens
from store import postgres
from store.postgres import open_postgres
from tenancy.directory.change_request import ChangeRequest
from tests.admin.conftest import Admin
from tests.admin.problems import refused
from tests.conftest import PATIENT
from tests.web import WEB

BY = ChangeRequest("admin")
MATRIX = [
    # method, path, owner, operator, viewer
    ("GET", "/api/v1/tenants", True, True, True),
    ("HEAD", "/api/v1/tenants", True, True, True),
    ("GET", "/api/v1/audit", True, True, True),
    ("POST", "/api/v1/tenants", True, True, False),
    ("PATCH", "/api/v1/tenants/x", True, True, False),
    ("PUT", "/api/v1/capacity", True, True, False),
    ("DELETE", "/api/v1/keys/x", True, True, False),
    ("POST", "/api/v1/keys/x/rotate", True, True, False),
    ("GET", "/api/v1/admin-tokens", True, False, False),
    ("POST", "/api/v1/admin-tokens", True, False, False),
    ("DELETE", "/api/v1/admin-tokens/x", True, False, False),
    ("GET", "/api/v1/admin-tokens-of-mine", True, True, True),
]


@pytest.mark.parametrize(("method", "path", "owner", "operator", "viewer"), MATRIX)
def test_what_a_role_may(method: str, path: str, owner: bool, operator: bool, viewer: bool) -> None:
    allowed = tuple(Principal("x", role).may(*asks(method, path)) for role in Role)
    assert allowed == (owner, operator, viewer)


def test_every_route_of_the_document_is_as_the_matrix_says(admin: Admin) -> None:
    tokens = {role: mint(admin, role)["token"] for role in ("owner", "operator", "viewer")}
    schema = admin.http.get("/openapi.json").json()
    count = 0
    for path, operations in schema["paths"].items():
        if path == "/api/v1/health":
            continue
        for method in operations:
            for role, token in tokens.items():
                url = admin.url + path.replace("{", "").replace("}", "")
                headers = {"authorization": f"Bearer {token}"}
                status = WEB.request(method, url, headers=headers, params={"cursor": "!"}).status_code
                may = Principal("x", Role(role)).may(*asks(method.upper(), path))
                assert (status != 403) == may, (method, path, role, status)
                count += 1
    assert count > 150


def mint(admin: Admin, role: str, **body: Any) -> dict[str, Any]:
    answer = admin.post("/admin-tokens", **{"name": f"the {role}", "role": role, **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_admin_token_lives_and_its_changes_hold_at_once(admin: Admin) -> None:
    made = mint(admin, "operator")
    token, path = made["token"], f"/admin-tokens/{made['admin_token']['id']}"
    own = {"authorization": f"Bearer {token}"}
    assert admin.http.post("/tenants", json={"name": "acme"}, headers=own).status_code == 201
    assert admin.audit()[0]["actor"] == "the operator"
    assert admin.http.patch(path, json={"role": "viewer"}).json()["role"] == "viewer"
    problem = refused(admin.http.post("/tenants", json={"name": "other"}, headers=own), 403)
    assert "role" in problem["detail"]
    assert admin.http.get("/tenants", headers=own).status_code == 200
    assert admin.http.delete(path).status_code == 204
    refused(admin.http.get("/tenants", headers=own), 401)
    stored = str(admin.query("SELECT * FROM audit_log")) + admin.http.get("/admin-tokens").text
    assert token[12:] not in stored
    actions = [entry["action"] for entry in admin.audit()]
    assert actions == ["delete_admin_token", "update_admin_token", "create_tenant", "create_admin_token"]


def test_an_admin_token_is_kept_hashed_and_has_a_name_of_its_own(admin: Admin) -> None:
    token = mint(admin, "viewer")["token"]
    (row,) = admin.query("SELECT * FROM admin_tokens")
    assert token not in str(row)
    refused(admin.post("/admin-tokens", name="the viewer", role="viewer"), 409)
    refused(admin.post("/admin-tokens", name="admin", role="viewer"), 409)
    refused(admin.post("/admin-tokens", name="x", role="king"), 422)
    refused(admin.http.get("/admin-tokens/nobody"), 404)


@pytest.fixture
async def tokens(database_url: str) -> AsyncIterator[PostgresAdminTokens]:
    async with open_postgres(database_url, timeout=PATIENT) as pool:
        yield PostgresAdminTokens(pool)


async def test_what_another_process_revokes_is_refused_within_seconds(tokens: PostgresAdminTokens) -> None:
    now = 0.0
    principals = Principals("configured", tokens, lambda: now)
    new = NewAdminToken("ci", Role.OPERATOR)
    made = await tokens.create(new, BY)
    assert await principals.find(new.token) == Principal("ci", Role.OPERATOR)
    await tokens.delete(made.id, BY)
    assert await principals.find(new.token) is not None
    now = KNOWN_SECONDS
    assert await principals.find(new.token) is None


async def test_an_expired_token_is_nobody(tokens: PostgresAdminTokens) -> None:
    new = NewAdminToken("ci", Role.OWNER, datetime.now(UTC) - timedelta(seconds=1))
    await tokens.create(new, BY)
    assert await Principals("configured", tokens).find(new.token) is None


async def test_the_configured_token_needs_no_database(database_url: str) -> None:
    async with open_postgres(database_url) as closed:
        pass
    principals = Principals("configured", PostgresAdminTokens(closed))
    assert await principals.find("configured") == Principal("admin", Role.OWNER)
    with pytest.raises(postgres.UNAVAILABLE):
        await principals.find("another")


@pytest.mark.parametrize(
    ("organization", "of", "may"),
    [(None, None, True), (None, "acme", True), ("acme", "acme", True), ("acme", "other", False), ("acme", None, False)],
)
def test_who_belongs_to_an_organization_may_do_nothing_outside_of_it(
    organization: str | None, of: str | None, may: bool
) -> None:
    for action in Action:
        assert Principal("x", Role.OWNER, organization).may(action, Resource(ResourceKind.TENANT, of)) is may


class Given:
    """Admin tokens that are there from the start."""

    def __init__(self, *known: Known) -> None:
        self._known = known

    async def known(self) -> tuple[Known, ...]:
        return self._known


async def test_no_token_is_found_out_by_how_long_it_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is presented, its digest is compared with every known one, each time in constant time."""
    past = datetime(2020, 1, 1, tzinfo=UTC)
    known = [Known(digest_of(name), name, Role.VIEWER, None) for name in ("first", "second", "last")]
    known.append(Known(digest_of("expired"), "expired", Role.VIEWER, past))
    compared: list[tuple[bytes, bytes]] = []

    def noted(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    counting = SimpleNamespace(compare_digest=noted, digest=hmac.digest)
    monkeypatch.setattr(principals_module, "hmac", counting)  # counts, and then compares with the real one
    finder = Principals("configured", cast(AdminTokens, Given(*known)))
    everything = [digest_of("configured"), *(each.digest for each in known)]
    for token, name in (("first", "first"), ("last", "last"), ("expired", None), ("fir", None), ("", None)):
        compared.clear()
        found = await finder.find(token)
        assert (found and found.name) == name
        assert compared == [(each, digest_of(token)) for each in everything], token
