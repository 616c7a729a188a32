"""The operations of the OpenAPI document as requests: its own examples as bodies, existing things for its ids."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from admin.api.examples import BY_NAME
from tests.admin.conftest import Admin

# What the examples refer to by name.
MADE: list[tuple[str, dict[str, Any]]] = [
    ("/policies", {"name": "gold"}),
    ("/fairshare/groups", {"name": "research"}),
    ("/mcp-servers", {"name": "s", "url": "https://s.test"}),
    ("/models", {"name": "m"}),
    ("/admin-tokens", {"name": "t", "role": "viewer"}),
    ("/organizations", {"name": "o"}),
    ("/webhooks", {"name": "w", "url": "https://w.test/"}),
]
PERSON = {"email": "somebody@example.com", "password": "a first password", "role": "member"}


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str  # below /api/v1
    body: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Documented:
    """Makes what the operations are about; the ids of the examples are then those."""

    def __init__(self, admin: Admin) -> None:
        tenant = admin.tenant("somebody")["id"]
        admin.http.put(f"/tenants/{tenant}/users/ann", json={}).raise_for_status()
        key = admin.key(tenant, "k")["key"]["id"]
        limit = {"name": "tpm", "scope": "tenant", "tenant_id": tenant, "unit": "tokens", "amount": 5}
        made = {path: admin.post(path, **body).json() for path, body in MADE}
        webhook = made["/webhooks"]["webhook"]["id"]
        self._delivery = str(admin.post(f"/webhooks/{webhook}/test").json()["id"])
        self._ids = {
            "/webhooks/": webhook,
            "/tenants/": tenant,
            "/keys/": key,
            "/limits/": admin.post("/limits", **limit, window_seconds=60).json()["id"],
            "/mcp-servers/": made["/mcp-servers"]["id"],
            "/models/": made["/models"]["id"],
            "/organizations/": made["/organizations"]["id"],
            "/accounts/": admin.post("/accounts", **PERSON, organization=made["/organizations"]["id"]).json()["id"],
            "/admin-tokens/": made["/admin-tokens"]["admin_token"]["id"],
        }
        self._names = {"/policies/": "gold", "/fairshare/groups/": "research", "/requests/": "req-1"}
        self._said = {BY_NAME["tenant_id"]: tenant, BY_NAME["key_id"]: key}
        self._said |= {"org_0f1e2d3c4b5a": made["/organizations"]["id"]}
        self._schema = admin.http.get("/openapi.json").json()

    def operations(self) -> Iterator[Operation]:
        """Those that need a token, deletions last."""
        found = [
            Operation(method.upper(), self._path(path.removeprefix("/api/v1")), self._body(operation))
            for path, operations in self._schema["paths"].items()
            for method, operation in operations.items()
            if "security" in operation and not path.endswith("/openapi.json")
        ]
        yield from sorted(found, key=lambda each: (each.method == "DELETE", "/tenants/" in each.path))

    def _path(self, path: str) -> str:
        known = {**self._ids, **self._names}
        value = next((value for prefix, value in known.items() if path.startswith(prefix)), "")
        path = path.replace("{delivery}", self._delivery)
        return path.replace("{id}", value).replace("{name}", value).replace("{user_id}", "ann")

    def _body(self, operation: dict[str, Any]) -> Any:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        text = json.dumps(content.get("example"))
        for said, real in self._said.items():
            text = text.replace(said, real)
        return json.loads(text)
