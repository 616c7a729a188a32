"""Two organizations and the operators, each with one of everything.  All that is not acme's has MARKER in it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx

from tests.admin.conftest import TOKEN, Admin
from tests.admin.usage.ledger import use

MARKER = "zebra"
TOKENS = 987_654_321  # that others used: no figure of acme's holds it
PASSWORD = "Training123!"
ROLES = ("owner", "member", "viewer")
NUMBERS = count(1)
SPENDING = {"currency": "USD", "interval": "month", "threshold_amount": 10_000}
ALERT = {**SPENDING, "notification_channel": {"type": "email", "recipients": ["ops@example.com"]}}


@dataclass(frozen=True, slots=True)
class Things:
    """The ids of one of everything, and a secret of the key."""

    tenant: str
    key: str
    secret: str
    user: str
    limit: str
    request: str
    organization: str = ""
    account: str = ""
    invitation: str = ""
    webhook: str = ""
    delivery: str = "1"
    alert: str = ""

    def in_path(self, path: str) -> str:
        """A route's path with ids in it; what belongs to the operators alone is called x."""
        found = next((getattr(self, name) for part, name in BY_PART.items() if part in path), "x")
        named = {"{key_id}": self.key, "{team_id}": self.tenant, "{user_id}": self.user, "{name}": "x", "{id}": found}
        named |= {"{delivery}": self.delivery, "{project_id}": self.tenant, "{alert_id}": self.alert}
        for name, value in named.items():
            path = path.replace(name, value)
        return path

    def are_in(self, route: str) -> bool:
        """Whether an id of these is a part of such a request."""
        named = [getattr(self, name) for part, name in BY_PART.items() if part in route]
        return all(named) and ("{" in route or "delete_key" in route)

    def hidden(self, text: str) -> str:
        """A text without these ids."""
        for value in (self.secret, self.tenant, self.key, self.user, self.limit, self.request):
            text = text.replace(value, "ID")
        for value in filter(None, (self.organization, self.account, self.invitation, self.webhook, self.alert)):
            text = text.replace(value, "ID")
        return text


BY_PART = {
    "/tenants/{id}": "tenant",
    "/keys/{id}": "key",
    "/limits/{id}": "limit",
    "/organizations/{id}": "organization",
    "/accounts/{id}": "account",
    "/invitations/{id}": "invitation",
    "/requests/{id}": "request",
    "/webhooks/{id}": "webhook",
    "/projects/{project_id}": "tenant",
    "/spend_alerts/{alert_id}": "alert",
}
NOTHING = Things(
    tenant="xs_nothing_aaaaaaaa",
    key="key_0000000000000000",
    secret="xag_" + "0" * 48,
    user="user-of-none",
    limit="lim_0000000000000000",
    request="request-of-none",
    organization="org_000000000000",
    account="acc_0000000000000000",
    invitation="inv_0000000000000000",
    webhook="wh_0000000000000000",
    alert="alert_000000000000000000000000",
)


@dataclass(slots=True)
class World:
    """`of` and `tokens` by organization and role; "" is the operators."""

    admin: Admin
    http: httpx.Client
    organizations: dict[str, str] = field(default_factory=dict)
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    def organization(self, name: str) -> str:
        made: str = self.admin.post("/organizations", name=name, plan="enterprise").raise_for_status().json()["id"]
        self.organizations[name] = made
        for role in ROLES:
            email = f"{role}@{name}.test"
            self.account(name, role, email)
            answer = self.http.post("/auth/login", json={"email": email, "password": PASSWORD})
            self.tokens[name, role] = answer.raise_for_status().json()["token"]
        return made

    def account(self, organization: str, role: str, email: str) -> str:
        body = {"email": email, "password": PASSWORD, "organization": self.organizations[organization], "role": role}
        made: str = self.admin.post("/accounts", **body).raise_for_status().json()["id"]
        return made

    def things(self, organization: str, word: str) -> Things:
        """New ones, with `word` in all that can be chosen."""
        token = self.tokens[organization, "owner"] if organization else TOKEN
        as_owner = {"authorization": f"Bearer {token}"}
        tenant = self.http.post("/tenants", json={"display_name": f"{word} team"}, headers=as_owner).json()["id"]
        key = self.http.post(f"/tenants/{tenant}/keys", json={"display_name": f"{word}-key"}, headers=as_owner).json()
        user, request = f"{word}-user", f"{word}-request-{next(NUMBERS)}"
        self.admin.http.put(f"/tenants/{tenant}/users/{user}", json={}).raise_for_status()
        limit = {"name": f"{word}-limit", "scope": "tenant", "tenant_id": tenant, "unit": "tokens", "amount": 10**9}
        made = self.admin.post("/limits", **limit, window_seconds=3600).raise_for_status().json()["id"]
        hook = {"name": f"{word}-hook-{next(NUMBERS)}", "url": f"https://{word}.test/", "enabled": False}
        hook |= {"organization": self.organizations.get(organization)}
        hook = self.admin.post("/webhooks", **hook).raise_for_status().json()["webhook"]["id"]
        delivery = self.admin.post(f"/webhooks/{hook}/test").raise_for_status().json()["id"]
        things = Things(tenant, key["id"], key["key"], user, made, request)
        project, headers = f"/v1/organization/projects/{tenant}", {"authorization": f"Bearer {TOKEN}"}
        self.http.post(f"{project}/spend_limit", json=SPENDING, headers=headers).raise_for_status()
        alert = self.http.post(f"{project}/spend_alerts", json=ALERT, headers=headers).raise_for_status().json()["id"]
        return replace(things, webhook=hook, delivery=str(delivery), alert=alert)

    def populated(self) -> tuple[Things, Things, Things]:
        """acme's, another organization's, and the operators'; each has used something."""
        self.organization("acme")
        self.organization(MARKER)
        theirs = self.with_people(MARKER, self.things(MARKER, MARKER), MARKER)
        operators = self.things("", MARKER)
        mine = self.with_people("acme", self.things("acme", "acme"), "acme")
        for things, word, tokens in ((theirs, MARKER, TOKENS), (operators, MARKER, TOKENS), (mine, "acme", 5)):
            self.used(things, word, tokens)
        return mine, theirs, operators

    def with_people(self, organization: str, things: Things, word: str) -> Things:
        """With an account and an invitation too."""
        number = next(NUMBERS)
        account = self.account(organization, "member", f"{word}-{number}@{organization}.test")
        asked = {"email": f"{word}-invited-{number}@{organization}.test"}
        headers = {"authorization": f"Bearer {self.tokens[organization, 'owner']}"}
        invited = self.http.post("/organization/invitations", json=asked, headers=headers).raise_for_status().json()
        ids = {"organization": self.organizations[organization], "account": account, "invitation": invited["id"]}
        return replace(things, **ids)

    def used(self, things: Things, word: str, tokens: int) -> None:
        """A row of the ledger, and a denial with the same label."""
        time = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
        use(self.admin, time, things.tenant, key=things.key, user=things.user, model=f"{word}-model", input=tokens)
        label = "UPDATE usage SET request_id = $1 WHERE tenant_id = $2"
        self.admin.query(label, things.request, things.tenant)
        denied = """INSERT INTO denials (ts, request_id, reason, status, key_prefix, tenant_id, key_id, method, path)
                    VALUES (now(), $1, 'expired', 401, $2, $3, $4, 'POST', '/')"""
        self.admin.query(denied, things.request, word, things.tenant, things.key)

    def ask(
        self, route: str, things: Things, token: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> httpx.Response:
        method, path = route.split()
        return self.http.request(method, things.in_path(path), json=body, params=query, headers=credential(path, token))

    def state(self) -> str:
        """All rows that are not acme's."""
        tables = ("tenants", "api_keys", "users", "limits", "accounts", "invitations", "organizations", "webhooks")
        found = [row for table in tables for row in self.admin.query(f"SELECT * FROM {table} ORDER BY 1, 2")]  # noqa: S608
        return "\n".join(text for row in found if MARKER in (text := str(row)))


def credential(path: str, token: str) -> dict[str, str]:
    """As the control plane of the path takes it."""
    if path.startswith("/admin"):
        return {"x-master-key": token}
    if path.startswith("/v1/organization"):
        return {"authorization": f"Bearer {token}"}
    scheme = "ADMIN" if path.startswith(("/teams", "/users", "/models", "/v1/", "/delete_key")) else "Bearer"
    return {"authorization": f"{scheme} {token}"}


def unique() -> str:
    return uuid.uuid4().hex[:12]
