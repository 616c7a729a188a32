"""The OpenAPI document: 3.1, every documented route in it, and the answers are as it says."""

from typing import Any

import jsonschema
import pytest

from tests.admin.conftest import Admin

ROUTES = [
    ("get", "/tenants"),
    ("post", "/tenants"),
    ("get", "/tenants/{id}"),
    ("patch", "/tenants/{id}"),
    ("delete", "/tenants/{id}"),
    ("patch", "/tenants/{id}/weight"),
    ("put", "/tenants/{id}/quota"),
    ("patch", "/tenants/{id}/group"),
    ("post", "/tenants/{id}/keys"),
    ("get", "/tenants/{id}/keys"),
    ("get", "/keys"),
    ("delete", "/keys/{id}"),
    ("put", "/keys/{id}/disabled"),
    ("patch", "/keys/{id}"),
    ("post", "/keys/{id}/rotate"),
    ("put", "/models/{id}/cache"),
    ("get", "/fairshare/live"),
    ("delete", "/fairshare/groups/{name}"),
    ("post", "/mcp-servers"),
    ("get", "/mcp-servers"),
    ("get", "/mcp-servers/{id}"),
    ("put", "/mcp-servers/{id}"),
    ("delete", "/mcp-servers/{id}"),
    ("post", "/policies"),
    ("put", "/policies/{name}"),
    ("post", "/admin-tokens"),
    ("get", "/usage/keys"),
    ("get", "/usage/models"),
    ("get", "/usage/series"),
    ("get", "/usage/series/tenants"),
    ("get", "/usage/cache"),
    ("get", "/costs"),
    ("get", "/stats"),
    ("get", "/capacity"),
    ("put", "/capacity"),
    ("get", "/openapi.json"),
    ("post", "/models"),
    ("get", "/models"),
    ("get", "/models/{id}"),
    ("put", "/models/{id}"),
    ("delete", "/models/{id}"),
    ("post", "/fairshare/groups"),
    ("get", "/fairshare/groups"),
    ("patch", "/fairshare/groups/{name}/weight"),
    ("get", "/usage"),
    ("get", "/stats"),
    ("get", "/fairshare/live"),
    ("get", "/capacity"),
    ("put", "/capacity"),
    ("get", "/audit"),
    ("get", "/health"),
]


@pytest.fixture
def schema(admin: Admin) -> dict[str, Any]:
    found: dict[str, Any] = admin.http.get("/openapi.json").json()
    return found


def test_every_route_is_in_the_document(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    found = {(method, path) for path, operations in schema["paths"].items() for method in operations}
    assert {(method, f"/api/v1{path}") for method, path in ROUTES} <= found


def test_every_operation_documents_token_answers_and_problems(schema: dict[str, Any]) -> None:
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            if path == "/api/v1/health":
                continue
            assert operation["security"] == [{"token": []}], (method, path)
            assert {"401", "422", "500", "503"} <= set(operation["responses"]), (method, path)
    text = str(schema)
    assert "HTTPValidationError" not in text
    assert "key_hash" not in text


def test_the_document_says_which_answers_carry_a_state(schema: dict[str, Any]) -> None:
    tagged = {
        (method, path.removeprefix("/api/v1"))
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
        for answer in operation["responses"].values()
        if "ETag" in answer.get("headers", {})
    }
    assert {("get", "/tenants/{id}"), ("get", "/capacity"), ("put", "/models/{id}/cache")} <= tagged
    assert not {("get", "/tenants"), ("post", "/tenants/{id}/budgets/adjust")} & tagged


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [each for value in node.values() for each in references(value)]
        return [each for value in node for each in references(value)] if isinstance(node, list) else []

    found = references(schema)
    assert len(found) > 30
    for reference in found:
        node: Any = schema
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node


def test_answers_fit_the_document(admin: Admin, schema: dict[str, Any]) -> None:
    tenant = admin.tenant(tokens_per_minute=5)
    key = admin.key(tenant["id"], expires_at="2099-01-01T00:00:00Z")
    answers = {
        "TenantView": tenant,
        "MintedKey": key,
        "TenantPage": admin.http.get("/tenants").json(),
        "KeyPage": admin.http.get("/keys").json(),
        "AuditPage": admin.http.get("/audit").json(),
        "UsagePage": admin.http.get("/usage").json(),
        "UsageView": admin.http.get("/usage", params={"tenant_id": tenant["id"]}).json(),
        "GroupPage": admin.http.get("/fairshare/groups").json(),
        "ModelView": admin.post("/models", name="m").json(),
        "HealthView": admin.http.get("/health").json(),
        "Problem": admin.post("/tenants", name="").json(),
    }
    for name, answer in answers.items():
        described = {"$ref": f"#/components/schemas/{name}", "components": schema["components"]}
        jsonschema.Draft202012Validator(described).validate(answer)
