"""Who may do what: the matrix of roles and routes, and the life of an admin token."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from admin.auth import KNOWN_SECONDS, Principal, Principals
from admin.tokens import AdminTokens, NewAdminToken, Role
from tenancy.directory.change_request import ChangeRequest
from tests.admin.conftest import Admin
from tests.admin.memory_tokens import MemoryAdminTokens
from tests.admin.test_input import refused
from tests.tenancy.memory.audit import MemoryAuditLog

BY = ChangeRequest("admin")
OWNERS_ONLY = "/api/v1/admin-tokens"
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
    allowed = tuple(Principal("x", role).may(method, path, OWNERS_ONLY) for role in Role)
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
                status = httpx.request(method, url, headers=headers, params={"cursor": "!"}).status_code
                may = Principal("x", Role(role)).may(method.upper(), path, OWNERS_ONLY)
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


async def principal(principals: Principals, token: str) -> Principal | None:
    return await principals.find(f"Bearer {token}")


async def test_what_another_process_revokes_is_refused_within_seconds() -> None:
    now = 0.0
    tokens: AdminTokens = MemoryAdminTokens(MemoryAuditLog())
    principals = Principals("configured", tokens, lambda: now)
    new = NewAdminToken("ci", Role.OPERATOR)
    made = await tokens.create(new, BY)
    assert await principal(principals, new.token) == Principal("ci", Role.OPERATOR)
    await tokens.delete(made.id, BY)
    assert await principal(principals, new.token) is not None
    now = KNOWN_SECONDS
    assert await principal(principals, new.token) is None


async def test_an_expired_token_is_nobody() -> None:
    tokens: AdminTokens = MemoryAdminTokens(MemoryAuditLog())
    new = NewAdminToken("ci", Role.OWNER, datetime.now(UTC) - timedelta(seconds=1))
    await tokens.create(new, BY)
    assert await principal(Principals("configured", tokens), new.token) is None


async def test_the_configured_token_needs_no_database() -> None:
    class Away(MemoryAdminTokens):
        async def known(self) -> Any:
            raise TimeoutError

    principals = Principals("configured", Away(MemoryAuditLog()))
    assert await principal(principals, "configured") == Principal("admin", Role.OWNER)
    with pytest.raises(TimeoutError):
        await principal(principals, "another")
