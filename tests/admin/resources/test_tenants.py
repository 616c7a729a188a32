"""/tenants over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.admin.conftest import Admin


def test_create_list_get_change_delete(admin: Admin) -> None:
    acme = admin.tenant("acme", weight=5, tokens_per_minute=7, requests_per_minute=8, max_in_flight=9)
    other = admin.tenant("other")
    assert (acme["requests_per_minute"], acme["max_in_flight"]) == (8, 9)
    assert (other["weight"], other["tokens_per_minute"]) == (100, None)
    assert admin.http.get("/tenants").json() == {"tenants": [acme, other], "next_cursor": None}
    assert admin.http.get(f"/tenants/{acme['id']}").json() == acme
    changed = admin.http.patch(f"/tenants/{acme['id']}", json={"name": "acme-2", "tokens_per_minute": None}).json()
    assert (changed["name"], changed["tokens_per_minute"], changed["max_in_flight"]) == ("acme-2", None, 9)
    deleted = admin.http.delete(f"/tenants/{acme['id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert admin.http.get(f"/tenants/{acme['id']}").status_code == 404
    assert admin.http.delete(f"/tenants/{acme['id']}").status_code == 404
    assert admin.http.get("/tenants").json()["tenants"] == [other]


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("PATCH", "/weight", {"weight": 500}, {"weight": 500}),
        ("PUT", "/quota", {"tokens_per_minute": 20}, {"tokens_per_minute": 20, "requests_per_minute": 3}),
        ("PUT", "/quota", {"requests_per_minute": None}, {"tokens_per_minute": 10, "requests_per_minute": None}),
        ("PATCH", "/group", {"fairshare_group": "research"}, {"fairshare_group": "research"}),
    ],
)
def test_sub_routes(admin: Admin, method: str, path: str, body: dict[str, Any], expected: dict[str, Any]) -> None:
    assert admin.post("/fairshare/groups", name="research").status_code == 201
    tenant = admin.tenant(tokens_per_minute=10, requests_per_minute=3)
    key = admin.key(tenant["id"])
    answer = admin.http.request(method, f"/tenants/{tenant['id']}{path}", json=body)
    assert answer.status_code == 200
    assert answer.json().items() >= expected.items()
    record = admin.record(key["secret"])
    assert record is not None
    assert record.items() >= expected.items()
    entry = admin.audit()[0]
    assert entry["action"] == "update_tenant"
    assert entry["after"].items() >= expected.items()
    assert entry["before"].items() >= {name: tenant[name] for name in expected}.items()


def test_a_group_must_exist(admin: Admin) -> None:
    tenant = admin.tenant()
    for answer in (
        admin.post("/tenants", name="x", fairshare_group="nowhere"),
        admin.http.patch(f"/tenants/{tenant['id']}/group", json={"fairshare_group": "nowhere"}),
    ):
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "fairshare_group")


def test_of_two_creations_with_one_name_one_wins(admin: Admin) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: admin.post("/tenants", name="acme").status_code, range(8)))
    assert sorted(answers) == [201] + [409] * 7
    assert len(admin.audit()) == 1


def test_two_admins_changing_different_fields_lose_no_update(admin: Admin) -> None:
    tenant = admin.tenant()
    path = f"/tenants/{tenant['id']}"
    changes = [{"weight": 7}, {"tokens_per_minute": 8}, {"requests_per_minute": 9}, {"max_in_flight": 10}]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda change: admin.http.patch(path, json=change).status_code, changes))
    assert answers == [200] * 4
    found = admin.http.get(path).json()
    for change in changes:
        assert found.items() >= change.items()
    assert len(admin.audit()) == 5


def test_pages_follow_the_cursor(admin: Admin) -> None:
    made = [admin.tenant(f"t{number}")["id"] for number in range(5)]
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        page = admin.http.get("/tenants", params=query).json()
        seen += [tenant["id"] for tenant in page["tenants"]]
        if page["next_cursor"] is None:
            break
        query = {"limit": "2", "cursor": page["next_cursor"]}
    assert seen == made


def test_deleting_a_tenant_leaves_no_live_key(admin: Admin) -> None:
    tenant, other = admin.tenant("acme"), admin.tenant("other")
    secrets = [admin.key(tenant["id"], f"k{number}")["secret"] for number in range(3)]
    kept = admin.key(other["id"])["secret"]
    assert admin.http.delete(f"/tenants/{tenant['id']}").headers["tollkeeper-propagation"] == "done"
    for secret in secrets:
        record = admin.record(secret)
        assert record is not None
        assert record["deleted"] is True
    record = admin.record(kept)
    assert record is not None
    assert record["tenant_name"] == "other"
    assert [row["tenant_id"] for row in admin.query("SELECT tenant_id FROM api_keys")] == [other["id"]]
    assert [key["tenant_id"] for key in admin.http.get("/keys").json()["keys"]] == [other["id"]]
