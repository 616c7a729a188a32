"""Whatever is sent: a clear answer in JSON that names the field, and nothing changed."""

import base64
import json
from typing import Any

import httpx

from tests.admin.conftest import Admin
from tests.admin.problems import refused

TENANT_BODIES: list[tuple[dict[str, Any], str]] = [
    ({}, "name"),
    ({"name": None}, "name"),
    ({"name": ""}, "name"),
    ({"name": "   "}, "name"),
    ({"name": 5}, "name"),
    ({"name": ["a"]}, "name"),
    ({"name": "x" * 201}, "name"),
    ({"name": "a\x00b"}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"name": "\ud800"}, "name"),
    ({"name": "x", "colour": "red"}, "colour"),
    ({"name": "x", "id": "mine"}, "id"),
    ({"name": "x", "weight": 0}, "weight"),
    ({"name": "x", "weight": -1}, "weight"),
    ({"name": "x", "weight": True}, "weight"),
    ({"name": "x", "weight": None}, "weight"),
    ({"name": "x", "weight": "5"}, "weight"),
    ({"name": "x", "weight": 1.5}, "weight"),
    ({"name": "x", "weight": 2**31}, "weight"),
    ({"name": "x", "weight": float("nan")}, "weight"),
    ({"name": "x", "weight": float("inf")}, "weight"),
    ({"name": "x", "tokens_per_minute": 0}, "tokens_per_minute"),
    ({"name": "x", "tokens_per_minute": -5}, "tokens_per_minute"),
    ({"name": "x", "tokens_per_minute": 2**63}, "tokens_per_minute"),
    ({"name": "x", "tokens_per_minute": 10**400}, "tokens_per_minute"),
    ({"name": "x", "tokens_per_minute": False}, "tokens_per_minute"),
    ({"name": "x", "requests_per_minute": 2**63}, "requests_per_minute"),
    ({"name": "x", "max_in_flight": 0}, "max_in_flight"),
    ({"name": "x", "max_in_flight": 2**31}, "max_in_flight"),
    ({"name": "x", "fairshare_group": "no such/group"}, "fairshare_group"),
    ({"name": "x", "fairshare_group": "default\n"}, "fairshare_group"),
]
KEY_BODIES: list[tuple[dict[str, Any], str]] = [
    ({}, "name"),
    ({"name": "k", "secret": "sk_mine"}, "secret"),
    ({"name": "k", "user_id": ""}, "user_id"),
    ({"name": "k", "user_id": "a/b"}, "user_id"),
    ({"name": "k", "user_id": "a\x00"}, "user_id"),
    ({"name": "k", "user_email": "ann@acme.test"}, "user_email"),
    ({"name": "k", "user_id": "ann", "user_email": "nobody"}, "user_email"),
    ({"name": "k", "models_allowed": []}, "models_allowed"),
    ({"name": "k", "models_allowed": "gpt"}, "models_allowed"),
    ({"name": "k", "models_allowed": ["a", ""]}, "models_allowed.1"),
    ({"name": "k", "models_allowed": ["a\x00"]}, "models_allowed.0"),
    ({"name": "k", "tokens_per_minute": 0}, "tokens_per_minute"),
    ({"name": "k", "expires_at": "tomorrow"}, "expires_at"),
    ({"name": "k", "expires_at": 1893456000}, "expires_at"),
    ({"name": "k", "expires_at": "1893456000"}, "expires_at"),
    ({"name": "k", "expires_at": "2030-01-01T00:00:00"}, "expires_at"),
    ({"name": "k", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
    ({"name": "k", "expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at"),
]


def test_a_bad_tenant_is_refused_by_field(admin: Admin) -> None:
    for body, field in TENANT_BODIES:
        problem = refused(admin.http.post("/tenants", content=json.dumps(body)), 422)
        assert [error["field"] for error in problem["errors"]] == [field], body
    assert admin.http.get("/tenants").json()["tenants"] == []
    assert admin.audit() == []


def test_a_bad_change_is_refused_by_field_and_changes_nothing(admin: Admin) -> None:
    tenant = admin.tenant()
    for body, field in TENANT_BODIES[1:]:
        answer = admin.http.patch(f"/tenants/{tenant['id']}", content=json.dumps({"weight": 5} | body))
        assert [error["field"] for error in refused(answer, 422)["errors"]] == [field], body
    assert admin.http.get(f"/tenants/{tenant['id']}").json() == tenant
    assert len(admin.audit()) == 1


def test_a_bad_key_is_refused_by_field(admin: Admin) -> None:
    tenant = admin.tenant()
    for body, field in KEY_BODIES:
        problem = refused(admin.http.post(f"/tenants/{tenant['id']}/keys", content=json.dumps(body)), 422)
        assert [error["field"] for error in problem["errors"]] == [field], body
    assert admin.http.get("/keys").json()["keys"] == []


NO_OBJECTS = [
    (b'{"name": "a", "name": "b"}', 400),
    (b'{"name": "a", "metadata": {"k": "1", "\\u006b": "2"}}', 400),
    (b'{"name": "a", "weight": 5.00000000000000001}', 400),
    (b"", 422),
    (b"{", 400),
    (b"weight=5", 400),
    (b'{"name": "x"', 400),
    (b"\xff\xfe", 400),
    (b"[" * 100_000, 400),
    (b'{"name": ' + b"9" * 10_000 + b"}", 400),
    (b"null", 422),
    (b"[]", 422),
    (b'"text"', 422),
]


def test_a_body_that_is_no_object_is_refused(admin: Admin) -> None:
    for content, status in NO_OBJECTS:
        refused(admin.http.post("/tenants", content=content), status)
    assert admin.http.get("/tenants").json()["tenants"] == []


def test_a_body_may_be_called_json_or_nothing(admin: Admin) -> None:
    for number, content_type in enumerate(("application/json; charset=utf-8", "APPLICATION/JSON", "")):
        answer = admin.http.post(
            "/tenants", content=json.dumps({"name": f"t{number}"}), headers={"content-type": content_type}
        )
        assert answer.status_code == 201, content_type
    for content_type in ("text/plain", "application/xml", "multipart/form-data; boundary=x"):
        refused(admin.http.post("/tenants", content="{}", headers={"content-type": content_type}), 415)


def test_a_body_beyond_the_limit_is_refused(admin: Admin) -> None:
    large = json.dumps({"name": "x" * (1 << 20)}).encode()
    refused(admin.http.post("/tenants", content=large), 413)
    refused(
        admin.http.post("/tenants", content=(large[start : start + 65536] for start in range(0, len(large), 65536))),
        413,
    )
    assert admin.http.get("/tenants").json()["tenants"] == []


NO_IDS = (
    *("nobody", "%00", "a%2Fb", "..%2F..", "a b", "'; DROP TABLE x; --", "x" * 5000, "%F0%9F%92%A9", "%ff", "a%0Ab"),
)
ROUTES_BY_ID: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "/tenants/{}", None),
    ("PATCH", "/tenants/{}", {"weight": 1}),
    ("DELETE", "/tenants/{}", None),
    ("PATCH", "/tenants/{}/weight", {"weight": 1}),
    ("PUT", "/tenants/{}/quota", {"tokens_per_minute": 1}),
    ("PATCH", "/tenants/{}/group", {"fairshare_group": "default"}),
    ("POST", "/tenants/{}/keys", {"name": "k"}),
    ("GET", "/tenants/{}/keys", None),
    ("GET", "/tenants/{}/users", None),
    ("PUT", "/tenants/{}/users/ann", {}),
    ("DELETE", "/tenants/{}/users/ann", None),
    ("GET", "/keys/{}", None),
    ("PATCH", "/keys/{}", {"name": "k"}),
    ("DELETE", "/keys/{}", None),
    ("PUT", "/keys/{}/disabled", {"disabled": True}),
    ("GET", "/models/{}", None),
    ("PUT", "/models/{}", {"name": "m"}),
    ("PUT", "/models/{}/cache", {"enabled": True}),
    ("DELETE", "/models/{}", None),
    ("POST", "/keys/{}/rotate", {}),
    ("GET", "/fairshare/groups/{}", None),
    ("DELETE", "/fairshare/groups/{}", None),
    ("GET", "/mcp-servers/{}", None),
    ("PUT", "/mcp-servers/{}", {"name": "s", "url": "https://s.test"}),
    ("DELETE", "/mcp-servers/{}", None),
    ("GET", "/policies/{}", None),
    ("PUT", "/policies/{}", {}),
    ("DELETE", "/policies/{}", None),
    ("GET", "/admin-tokens/{}", None),
    ("PATCH", "/admin-tokens/{}", {"name": "t"}),
    ("DELETE", "/admin-tokens/{}", None),
    ("PATCH", "/fairshare/groups/{}/weight", {"weight": 1}),
]


def test_an_id_that_is_none_is_not_found(admin: Admin) -> None:
    for bad in NO_IDS:
        for method, path, body in ROUTES_BY_ID:
            refused(admin.http.request(method, path.format(bad), json=body), 404)


BAD_PAGES = [
    {"limit": "0"},
    {"limit": "-1"},
    {"limit": "1001"},
    {"limit": "many"},
    {"limit": "1_0"},
    {"limit": "5.0"},
    {"limit": "9" * 5000},
    {"cursor": "x"},
    {"cursor": "\x00"},
    {"cursor": "W10"},
    {"cursor": "WyJhIiwiYiJd"},
    {"cursor": "WzFd" * 1200},
    {"cursor": "WzEwMDAwMDAwMDAwMDAwMDAwMDAwMDAwXQ"},
    {"unknown": "1"},
]


def test_a_cursor_is_good_for_its_own_list_and_its_own_caller(admin: Admin) -> None:
    for name in ("a", "b", "c"):
        admin.post("/fairshare/groups", name=name)
        admin.post("/mcp-servers", name=name, url="https://mcp.test")
        admin.key(admin.tenant(name)["id"], "prod")
    viewer = admin.post("/admin-tokens", name="v", role="viewer").json()["token"]
    cursor = admin.http.get("/mcp-servers", params={"limit": 1}).json()["next_cursor"]
    for path in ("/fairshare/groups", "/mcp-servers?name=a"):
        refused(admin.http.get(path, params={**httpx.QueryParams(path.partition("?")[2]), "cursor": cursor}), 422)
    headers = {"authorization": f"Bearer {viewer}"}
    refused(admin.http.get("/mcp-servers", params={"cursor": cursor}, headers=headers), 422)
    seal = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))[0]
    moved = base64.urlsafe_b64encode(json.dumps([seal, "b"], separators=(",", ":")).encode()).decode().rstrip("=")
    refused(admin.http.get("/mcp-servers", params={"cursor": moved}), 422)
    rest = admin.http.get("/mcp-servers", params={"cursor": cursor, "limit": 5}).json()["mcp_servers"]
    assert [each["name"] for each in rest] == ["b", "c"]


AMOUNTS = ["1e3", "1_000", " 5", "+5", "5.", "٣", "１２", "9223372036854775808", "18446744073709551615"]


def test_an_amount_is_what_it_says_or_refused(admin: Admin) -> None:
    of = {"scope": "tenant", "tenant_id": admin.tenant()["id"], "unit": "tokens", "window_seconds": 60}
    for amount in AMOUNTS:
        refused(admin.post("/limits", **of, amount=amount), 422)
    for name in ("localtime", "posixrules", "posix/Europe/Paris", "Factory", "+VERSION", "tzdata.zi"):
        daily = {**of, "window_seconds": None, "calendar": "day", "time_zone": name, "amount": 5}
        assert refused(admin.post("/limits", **daily), 422)["errors"][0]["field"] == "time_zone", name
    assert admin.http.get("/limits").json()["limits"] == []


def test_a_bad_page_is_refused(admin: Admin) -> None:
    for query in BAD_PAGES:
        for path in ("/tenants", "/keys", "/audit"):
            problem = refused(admin.http.get(path, params=query), 422)
            assert [error["field"] for error in problem["errors"]] == list(query)


def test_unicode_names_survive(admin: Admin) -> None:
    for name in ("Zażółć gęślą", "数据", "💩", "a'b\"c\\d", "<script>", "Robert'); DROP TABLE tenants;--", "ʼn\u202e"):
        tenant = admin.tenant(name)
        assert tenant["name"] == name
        secret = admin.key(tenant["id"], name)["secret"]
        record = admin.record(secret)
        assert record is not None
        assert (record["tenant_name"], record["key_name"]) == (name, name)
    assert admin.tenant("  trimmed ")["name"] == "trimmed"


def test_unknown_paths_and_methods_are_problems_too(admin: Admin) -> None:
    for path in ("", "/", "/nothing", "/tenants/", "/tenants/x/y/z", "/../../etc/passwd", "/openapi.yaml"):
        refused(admin.http.get(path), 404)
    for method, path in (("DELETE", "/tenants"), ("PUT", "/tenants"), ("POST", "/keys"), ("OPTIONS", "/tenants")):
        answer = admin.http.request(method, path)
        refused(answer, 405)
        assert answer.headers["allow"] == ("GET" if path == "/keys" else "GET, POST")
    head = admin.http.head("/tenants")
    assert (head.status_code, head.headers["content-type"]) == (405, "application/problem+json")


def test_an_answer_does_not_grow_with_unknown_fields(admin: Admin) -> None:
    many = admin.http.post("/tenants", json={"name": "x", **{f"f{number}": 1 for number in range(5000)}})
    problem = refused(many, 422)
    assert "f0: unknown field" in problem["detail"]
    assert "and 4980 more" in problem["detail"]
    assert len(many.content) < 8192
    long = admin.http.post("/tenants", json={"name": "x", "f" * 100_000: 1})
    refused(long, 422)
    assert len(long.content) < 2048
