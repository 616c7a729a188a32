"""What holds for every resource: seen states, repeatable creates, dry runs, audit filters, documentation, CORS."""

import threading
from typing import Any

import httpx
import jsonschema
import pytest

from admin.api.docs import PATHS
from tests.admin.conftest import TOKEN, Admin, run_admin
from tests.admin.documented import Documented
from tests.admin.problems import refused
from tests.web import NO_TLS, WEB

PRICED = {"name": "m", "input_price": "0.15", "output_price": "2.50000000", "cached_price": "0.00000001"}
POLICY_LIMIT = {"name": "tpd", "unit": "tokens", "amount": 1000, "calendar": "day", "time_zone": "Europe/Paris"}
CREATES: list[tuple[str, dict[str, Any]]] = [
    ("/tenants", {"name": "acme", "metadata": {"owner": "ann"}}),
    ("/models", PRICED),
    ("/fairshare/groups", {"name": "research", "weight": 5}),
    ("/mcp-servers", {"name": "search", "url": "https://mcp.test/mcp", "headers": {"x-team": "ml"}}),
    ("/policies", {"name": "gold", "limits": [POLICY_LIMIT]}),
]


@pytest.mark.parametrize(("path", "body"), CREATES)
def test_a_create_may_be_repeated(admin: Admin, path: str, body: dict[str, Any]) -> None:
    headers = {"idempotency-key": "once"}
    first = admin.http.post(path, json=body, headers=headers)
    assert first.status_code == 201, first.text
    again = admin.http.post(path, json=body, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert (again.headers.get("idempotency-replayed"), first.headers.get("idempotency-replayed")) == ("true", None)
    problem = refused(admin.http.post(path, json={**body, "name": "other"}, headers=headers), 422)
    assert problem["errors"][0]["field"] == "idempotency-key"
    refused(admin.http.post(path, json=body, headers={"idempotency-key": "twice"}), 409)
    assert len(admin.audit()) == 1


def test_a_limit_is_repeated_as_it_was_shown(admin: Admin) -> None:
    body = {"scope": "tenant", "tenant_id": admin.tenant()["id"], "unit": "cost", "amount": "12.50", "calendar": "day"}
    answers = [admin.http.post("/limits", json=body, headers={"idempotency-key": "once"}) for _ in range(2)]
    assert answers[0].status_code == 201, answers[0].text
    assert answers[0].json() == answers[1].json()


def test_a_repeated_key_shows_no_secret_and_names_the_key(admin: Admin) -> None:
    path, headers = f"/tenants/{admin.tenant()['id']}/keys", {"idempotency-key": "once"}
    first = admin.http.post(path, json={"name": "k"}, headers=headers).json()
    again = admin.http.post(path, json={"name": "k"}, headers=headers)
    problem = refused(again, 409)
    assert first["key"]["id"] in problem["detail"]
    assert again.headers["location"] == f"/api/v1/keys/{first['key']['id']}"
    (row,) = admin.query("SELECT * FROM idempotency_keys")
    assert first["secret"][18:] not in f"{row} {again.text}"
    assert len(admin.http.get("/keys").json()["keys"]) == 1


def test_a_refused_create_may_be_tried_again_under_its_key(admin: Admin) -> None:
    headers = {"idempotency-key": "once"}
    body = {"name": "acme", "fairshare_group": "research"}
    refused(admin.http.post("/tenants", json=body, headers=headers), 422)
    admin.post("/fairshare/groups", name="research")
    assert admin.http.post("/tenants", json=body, headers=headers).status_code == 201
    for bad in ("", "a b", "x" * 256):
        refused(admin.http.post("/tenants", json=body, headers={"idempotency-key": bad}), 422)


def test_every_resource_shows_its_state_and_takes_it_back(admin: Admin) -> None:
    changes: dict[str, tuple[str, str, dict[str, Any]]] = {
        "/tenants": ("PATCH", "", {"weight": 3}),
        "/models": ("PUT", "", {"name": "m2"}),
        "/fairshare/groups": ("PATCH", "/weight", {"weight": 9}),
        "/mcp-servers": ("PUT", "", {"name": "x", "url": "https://x.test"}),
        "/policies": ("PUT", "", {"limits": []}),
    }
    for path, body in CREATES:
        made = admin.http.post(path, json=body)
        item = made.headers["location"].removeprefix("/api/v1")
        assert admin.http.get(item).headers["etag"] == made.headers["etag"]
        method, below, change = changes[path]
        for stale in ('"0123"', f"W/{made.headers['etag']}", '""'):
            refused(admin.http.request(method, item + below, json=change, headers={"if-match": stale}), 412)
        seen = {"if-match": f'"other", {made.headers["etag"]}'}
        changed = admin.http.request(method, item + below, json=change, headers=seen)
        assert changed.status_code == 200, changed.text
        refused(admin.http.request(method, item + below, json=change, headers=seen), 412)
        refused(admin.http.delete(item, headers=seen), 412)
        refused(admin.http.delete(item, headers={"if-match": "unquoted"}), 422)
        assert admin.http.delete(item, headers={"if-match": changed.headers["etag"]}).status_code == 204
        refused(admin.http.get(item), 404)


def test_of_two_admins_at_once_none_loses_an_update(admin: Admin) -> None:
    tenant = admin.tenant(metadata={})
    path = f"{admin.url}/api/v1/tenants/{tenant['id']}"

    def add(name: str) -> None:
        with httpx.Client(verify=NO_TLS, headers={"authorization": f"Bearer {TOKEN}"}, timeout=10) as http:
            for number in range(10):
                while True:
                    seen = http.get(path)
                    metadata = seen.json()["metadata"] | {f"{name}{number}": "x"}
                    answer = http.patch(path, json={"metadata": metadata}, headers={"if-match": seen.headers["etag"]})
                    if answer.status_code == 200:
                        break
                    assert answer.status_code == 412

    threads = [threading.Thread(target=add, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = admin.http.get(path).json()["metadata"]
    assert set(found) == {f"{name}{number}" for name in "ab" for number in range(10)}
    assert len([entry for entry in admin.audit() if entry["action"] == "update_tenant"]) == 20


def test_a_dry_run_deletes_nothing(admin: Admin) -> None:
    tenant = admin.tenant()
    created = admin.key(tenant["id"], user_id="ann")
    admin.post("/limits", scope="tenant", tenant_id=tenant["id"], unit="tokens", amount=5, window_seconds=60)
    entries = len(admin.audit())
    answer = admin.http.delete(f"/tenants/{tenant['id']}", params={"dry_run": "true"})
    assert (answer.status_code, answer.json()) == (
        200,
        {"dry_run": True, "deletes": {"tenants": 1, "users": 1, "api_keys": 1, "limits": 1}},
    )
    user = f"/tenants/{tenant['id']}/users/ann"
    refused(admin.http.delete(user, params={"dry_run": "true"}), 409)
    answer = admin.http.delete(user, params={"dry_run": "true", "cascade": "true"})
    assert answer.json()["deletes"] == {"users": 1, "api_keys": 1, "limits": 0}
    assert len(admin.audit()) == entries
    record = admin.record(created["secret"])
    assert record is not None
    assert "deleted" not in record
    assert admin.http.delete(f"/tenants/{tenant['id']}").status_code == 204
    record = admin.record(created["secret"])
    assert record is not None
    assert record["deleted"] is True


def test_long_lists_are_searched_by_name(admin: Admin) -> None:
    limit = {"name": "tpm", "scope": "tenant", "unit": "tokens", "amount": 5, "window_seconds": 60}
    for name in ("a", "b"):
        tenant_id = admin.tenant(name)["id"]
        for key_name in ("prod", f"only {name}"):
            admin.key(tenant_id, key_name)
        admin.post("/limits", tenant_id=tenant_id, **limit)
    counted = {
        ("tenants", "a"): 1,
        ("keys", "prod"): 2,
        ("keys", "only b"): 1,
        ("limits", "tpm"): 2,
        ("keys", "pro"): 0,
    }
    for (path, name), count in counted.items():
        found = admin.http.get(f"/{path}", params={"name": name}).json()[path]
        assert [each["name"] for each in found] == [name] * count
    first = admin.http.get("/keys", params={"name": "prod", "limit": 1}).json()
    rest = admin.http.get("/keys", params={"name": "prod", "cursor": first["next_cursor"]}).json()
    assert first["keys"] + rest["keys"] == admin.http.get("/keys", params={"name": "prod"}).json()["keys"]


def test_limits_go_with_what_they_count_and_are_counted(admin: Admin) -> None:
    tenant_id = admin.tenant()["id"]
    key_id = admin.key(tenant_id, user_id="ann")["key"]["id"]
    of = {"tenant_id": tenant_id, "unit": "tokens", "amount": 5, "window_seconds": 60}
    asked = [{"scope": "key", "key_id": key_id}, {"scope": "user", "user_id": "ann"}, {"scope": "key"}]
    of_key, of_user, _ = (admin.post("/limits", **of, **whose).json()["id"] for whose in asked)
    key, user = f"/keys/{key_id}", f"/tenants/{tenant_id}/users/ann?cascade=true"
    assert admin.http.delete(key, params={"dry_run": "true"}).json()["deletes"] == {"api_keys": 1, "limits": 1}
    would = admin.http.delete(f"{user}&dry_run=true").json()["deletes"]
    assert would == {"users": 1, "api_keys": 1, "limits": 2}
    assert len(admin.http.get("/limits").json()["limits"]) == 3
    assert admin.http.delete(user).status_code == 204
    assert len(admin.http.get("/limits").json()["limits"]) == 1
    assert admin.audit()[0]["before"]["limits"] == sorted([of_key, of_user])


def test_the_audit_log_is_filtered(admin: Admin) -> None:
    acme, other = admin.tenant("acme"), admin.tenant("other")
    admin.http.patch(f"/tenants/{acme['id']}", json={"weight": 3})

    def targets(**query: str) -> list[str]:
        answer = admin.http.get("/audit", params=query)
        assert answer.status_code == 200, answer.text
        return [entry["target_id"] for entry in answer.json()["audit"]]

    assert targets(action="create_tenant") == [other["id"], acme["id"]]
    assert targets(target_type="tenant", target_id=acme["id"]) == [acme["id"]] * 2
    assert targets(actor="nobody") == targets(to="2020-01-01T00:00:00Z") == []
    assert len(targets(**{"from": "2020-01-01T00:00:00Z", "actor": "admin"})) == 3
    refused(admin.http.get("/audit", params={"from": "yesterday"}), 422)


def test_every_body_in_the_document_has_an_example_that_fits(admin: Admin) -> None:
    schema = admin.http.get("/openapi.json").json()
    count = 0
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            for body in (operation.get("requestBody", {}), *operation["responses"].values()):
                for content in (each for each in body.get("content", {}).values() if "schema" in each):
                    described = {**content["schema"], "components": schema["components"]}
                    examples = [content[x] for x in ("example",) if x in content]
                    examples += [each["value"] for each in content.get("examples", {}).values()]
                    assert examples, (method, path)
                    for example in examples:
                        jsonschema.Draft202012Validator(described).validate(example)
                        count += 1
    assert count > 100


def test_every_example_of_a_body_is_accepted(admin: Admin) -> None:
    for each in (each for each in Documented(admin).operations() if each.body is not None):
        answer = admin.http.request(each.method, each.path, json=each.body)
        # Another example may have taken the name, or be what still refers to it.
        assert answer.status_code < 300 or answer.status_code == 409, (each, each.body, answer.text)


def test_the_documentation_pages_load_nothing_from_elsewhere(admin: Admin) -> None:
    for path in PATHS:
        answer = WEB.get(f"{admin.url}/api/v1/docs{path}")
        assert answer.status_code == 200, path
        assert "default-src 'self'" in answer.headers["content-security-policy"]
    page = WEB.get(f"{admin.url}/api/v1/docs").text
    assert "://" not in page
    assert TOKEN not in page
    refused(WEB.get(f"{admin.url}/api/v1/docs/../../etc/passwd"), 401)


def preflight(admin: Admin, origin: str) -> httpx.Response:
    headers = {"origin": origin, "access-control-request-method": "PATCH"}
    return WEB.options(f"{admin.url}/api/v1/tenants", headers=headers)


def test_no_web_page_may_use_the_api_unless_its_origin_is_configured(
    database_url_sync: str, redis_url: str, admin: Admin
) -> None:
    console = "https://console.example.com"
    assert "access-control-allow-origin" not in preflight(admin, console).headers
    assert "access-control-allow-origin" not in admin.http.get("/tenants", headers={"origin": console}).headers
    with run_admin(database_url_sync, redis_url, (console,)) as open_to_console:
        allowed = preflight(open_to_console, console)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, console)
        assert preflight(open_to_console, "https://evil.example.com").status_code == 400
        answer = open_to_console.http.get("/tenants", headers={"origin": console})
        assert answer.headers["access-control-allow-origin"] == console
        refused(WEB.get(f"{open_to_console.url}/api/v1/tenants", headers={"origin": console}), 401)
