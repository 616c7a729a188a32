"""A principal that may not do something does not see the button and cannot do it."""

import re
from typing import Any

from admin.console.surface import PAGES
from tests.admin.conftest import Admin
from tests.console.conftest import Visitor

CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("/tenants/new", {"display_name": "by a viewer"}),
    ("/tenants/{tenant}/edit", {"display_name": "by a viewer"}),
    ("/tenants/{tenant}/delete", {}),
    ("/tenants/{tenant}/keys/new", {"name": "by a viewer"}),
    ("/keys/{key}/rotate", {}),
    ("/keys/{key}/disabled", {"disabled": "true"}),
    ("/keys/{key}/revoke", {}),
    ("/tenants/{tenant}/budgets/tenant:tokens:60s/reset", {}),
    ("/tenants/{tenant}/budgets/tenant:tokens:60s/adjust", {"amount": "-5"}),
    ("/tenants/{tenant}/limits/new", {"unit": "tokens", "amount": "5", "every": "day"}),
    ("/limits/{limit}", {"amount": "1"}),
    ("/limits/{limit}/delete", {}),
    ("/models/new", {"name": "by a viewer"}),
    ("/models/{model}", {"name": "by a viewer"}),
    ("/models/{model}/delete", {}),
    ("/mcp-servers/new", {"name": "by-a-viewer", "url": "http://10.0.0.1/mcp"}),
    ("/mcp-servers/{server}", {"name": "by-a-viewer", "url": "http://10.0.0.1/mcp"}),
    ("/mcp-servers/{server}/delete", {}),
    ("/webhooks/new", {"name": "by-a-viewer", "url": "https://hooks.test/"}),
    ("/webhooks/{webhook}", {"name": "by-a-viewer", "url": "https://hooks.test/"}),
    ("/webhooks/{webhook}/rotate", {}),
    ("/webhooks/{webhook}/test", {}),
    ("/webhooks/{webhook}/deliveries/{delivery}/redeliver", {}),
    ("/webhooks/{webhook}/delete", {}),
    ("/groups", {"name": "by-a-viewer", "weight": "5"}),
    ("/groups/{group}", {"weight": "5"}),
    ("/groups/{group}/delete", {}),
    ("/groups/{group}/limits", {"unit": "tokens", "amount": "5", "every": "day"}),
    ("/keys/{key}/edit", {"name": "by a viewer"}),
    ("/models/{model}/cache", {"enabled": "true"}),
    ("/models/{model}/tiers", {"service_tier": "batch"}),
    ("/models/{model}/tiers/{number}", {"service_tier": "flex"}),
    ("/models/{model}/tiers/{number}/delete", {}),
    ("/capacity", {"max_in_flight": "1"}),
    ("/policies", {"name": "by-a-viewer"}),
    ("/policies/{policy}", {"description": "by a viewer"}),
    ("/policies/{policy}/delete", {}),
    ("/policies/{policy}/limits", {"name": "x", "unit": "tokens", "amount": "5", "every": "day"}),
    ("/policies/{policy}/limits/{number}", {"amount": "1"}),
    ("/policies/{policy}/limits/{number}/delete", {}),
    ("/organizations", {"name": "by a viewer"}),
    ("/organizations/{organization}", {"name": "by a viewer"}),
    ("/organizations/{organization}/delete", {}),
    ("/organizations/{organization}/invitations", {"email": "x@y.test"}),
    ("/organizations/{organization}/invitations/{invitation}/withdraw", {}),
    ("/organizations/{organization}/accounts/{account}", {"role": "owner"}),
    ("/organizations/{organization}/accounts/{account}/delete", {}),
]
SHOWN = (
    *(
        "",
        "/tenants",
        "/tenants/{tenant}",
        "/tenants/{tenant}/statement",
        "/keys/{key}",
        "/tenants/{tenant}/budgets/tenant:tokens:60s",
        "/limits/{limit}",
    ),
    *(
        "/usage",
        "/requests",
        "/models",
        "/models/{model}",
        "/mcp-servers",
        "/mcp-servers/{server}",
        "/webhooks",
        "/webhooks/{webhook}",
        "/groups",
        "/groups/{group}",
        "/audit",
    ),
    *(
        "/models/{model}/tiers/{number}",
        "/models/{model}/cache",
        "/capacity",
        "/policies",
        "/policies/{policy}",
        "/policies/{policy}/limits/{number}",
    ),
    *("/organizations", "/organizations/{organization}"),
)


def test_a_viewer_sees_everything_and_changes_nothing(visitor: Visitor, admin: Admin) -> None:
    tenant = admin.tenant("seen by all", tokens_per_minute=1000)
    key = admin.key(tenant["id"])["key"]["id"]
    token = admin.post("/admin-tokens", name="vera", role="viewer").json()["token"]
    assert visitor.sign_in(token).status_code == 303
    limit = {"scope": "tenant", "tenant_id": tenant["id"], "unit": "tokens", "amount": 1000, "calendar": "month"}
    ids = {"tenant": tenant["id"], "key": key, "limit": admin.post("/limits", **limit).json()["id"]}
    ids["model"] = admin.post("/models", name="m", price_tiers=[{"service_tier": "flex"}]).json()["id"]
    ids["server"] = admin.post("/mcp-servers", name="s", url="http://10.0.0.1/mcp").json()["id"]
    ids["webhook"] = admin.post("/webhooks", name="w", url="https://hooks.test/").json()["webhook"]["id"]
    ids["delivery"] = str(admin.post(f"/webhooks/{ids['webhook']}/test").json()["id"])
    rule = {"name": "r", "unit": "tokens", "amount": 5, "calendar": "day"}
    ids["policy"] = admin.post("/policies", name="p", limits=[rule]).json()["name"]
    organization = ids["organization"] = admin.post("/organizations", name="seen by all").json()["id"]
    body = {"email": "seen@by.test", "password": "a first password", "organization": organization}
    ids |= {
        "account": admin.post("/accounts", **body).json()["id"],
        "invitation": "inv_0123456789abcdef",
        "number": "0",
    }
    ids["group"] = admin.post("/fairshare/groups", name="g", weight=5).json()["name"]
    before = admin.audit()[0]["id"]
    for path in SHOWN:
        page = "/console" + path.format(**ids)
        answer = visitor.get(page)
        assert answer.status_code == 200
        forms = re.findall(r'<form[^>]*method="post"[^>]*>', answer.text)
        assert forms == ['<form class="who" method="post" action="/console/sign-out">'], page
        assert not re.search(r">(New|Change|Delete|Revoke|Adjust|Rotate|Invite|Save)\b", answer.text), page
    token_of_forms = visitor.hidden("/console")["_form"]
    for path, fields in CHANGES:
        to = "/console" + path.format(**ids)
        answer = visitor.http.post(to, data={**fields, "_form": token_of_forms})
        assert answer.status_code == 403, path
    assert admin.audit()[0]["id"] == before
    assert visitor.send("/console", "/console/sign-out").status_code == 303


def test_every_form_of_the_console_is_among_those_that_a_viewer_is_refused() -> None:
    posts = {route.path for module in PAGES for route in module.routes.all if "POST" in (route.methods or ())}
    filled = {re.sub(r"\{(\w+)\}", "{}", path) for path in posts}
    tried = {"/console" + re.sub(r"\{(\w+)\}|tenant:tokens:60s", "{}", path) for path, _ in CHANGES}
    assert filled == tried
