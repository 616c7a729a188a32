"""/limits and /tenants/{id}/budgets over HTTP, down to the record that sidecars read and the budgets in Redis."""

from typing import Any

import pytest

from admin.commands.rules import MAX_COST
from tests.admin.conftest import Admin


def limit(admin: Admin, **body: Any) -> dict[str, Any]:
    answer = admin.post("/limits", **body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def rows(admin: Admin, secret: str) -> list[list[Any]]:
    record = admin.record(secret)
    assert record is not None
    found: list[list[Any]] = record["further_limits"]
    return found


def budgets(admin: Admin, tenant_id: str, **query: str) -> dict[str, dict[str, Any]]:
    answer = admin.http.get(f"/tenants/{tenant_id}/budgets", params=query)
    assert answer.status_code == 200, answer.text
    return {each["limit"]: each for each in answer.json()["budgets"]}


def test_a_limit_has_every_field_and_a_name_that_says_what_it_is(admin: Admin) -> None:
    tenant = admin.tenant()
    made = limit(admin, scope="tenant", tenant_id=tenant["id"], unit="tokens", amount=1000, calendar="day")
    assert made.pop("id").startswith("lim_")
    assert made.pop("created_at") == made.pop("updated_at")
    assert made == {
        "name": "tenant:tokens:day:fixed_window",
        "scope": "tenant",
        "tenant_id": tenant["id"],
        "key_id": None,
        "user_id": None,
        "model": None,
        "fairshare_group": None,
        "unit": "tokens",
        "amount": 1000,
        "kind": "fixed_window",
        "window_seconds": 86_400,
        "calendar": "day",
        "time_zone": "UTC",
        "cached_weight": 1.0,
        "reasoning_weight": 1.0,
        "shadow": False,
    }


def test_each_change_reaches_the_record_and_the_audit_log(admin: Admin) -> None:
    tenant = admin.tenant()
    secret = admin.key(tenant["id"])["secret"]
    body = {"scope": "tenant", "tenant_id": tenant["id"], "unit": "cost", "amount": "12.5", "window_seconds": 3600}
    made = limit(admin, **body, name="spend")
    assert (made["amount"], made["kind"]) == ("12.5", "bucket")
    assert rows(admin, secret) == [["tenant", "cost", 12_500_000, 3600, "", made["id"], "spend"]]
    changed = admin.http.patch(f"/limits/{made['id']}", json={"amount": 20, "shadow": True, "calendar": "week"}).json()
    assert (changed["amount"], changed["window_seconds"], changed["shadow"]) == ("20", 604_800, True)
    assert rows(admin, secret)[0][2:] == [
        20_000_000,
        604_800,
        "",
        made["id"],
        "spend",
        "bucket",
        "week",
        "UTC",
        100,
        100,
        True,
    ]
    assert admin.http.patch(f"/limits/{made['id']}", json={"window_seconds": 60}).json()["calendar"] is None
    assert admin.http.delete(f"/limits/{made['id']}").status_code == 204
    assert rows(admin, secret) == []
    assert admin.http.get(f"/limits/{made['id']}").status_code == 404
    actions = [entry["action"] for entry in admin.audit()]
    assert actions[:4] == ["delete_limit", "update_limit", "update_limit", "create_limit"]


def test_a_limit_concerns_the_keys_that_it_counts(admin: Admin) -> None:
    tenant, other = admin.tenant(), admin.tenant("other")
    ann = admin.key(tenant["id"], "a", user_id="ann")
    bob = admin.key(tenant["id"], "b", user_id="bob")
    far = admin.key(other["id"], "c")
    whose = {"tenant_id": tenant["id"], "unit": "requests", "amount": 5, "window_seconds": 60}
    limit(admin, scope="user", user_id="ann", **whose)
    limit(admin, scope="key", key_id=bob["key"]["id"], **whose)
    limit(admin, scope="key", **whose, name="each key")
    limit(admin, scope="model", model="m", **whose)
    limit(admin, scope="group", fairshare_group="default", unit="tokens", amount=9, window_seconds=60)
    scopes = {
        who: [row[0] for row in rows(admin, key["secret"])] for who, key in (("ann", ann), ("bob", bob), ("far", far))
    }
    assert scopes == {
        "ann": ["user", "key", "model", "group"],
        "bob": ["key", "key", "model", "group"],
        "far": ["group"],
    }
    names = [each["name"] for each in admin.http.get(f"/tenants/{tenant['id']}/limits").json()["limits"]]
    assert len(names) == 4
    assert len(admin.http.get("/limits").json()["limits"]) == 5
    assert len(admin.http.get("/limits", params={"fairshare_group": "default"}).json()["limits"]) == 1


def test_a_deleted_tenant_or_key_takes_its_limits_along(admin: Admin) -> None:
    tenant = admin.tenant()
    key = admin.key(tenant["id"])["key"]["id"]
    whose = {"tenant_id": tenant["id"], "unit": "requests", "amount": 5, "window_seconds": 60}
    limit(admin, scope="key", key_id=key, **whose)
    limit(admin, scope="tenant", **whose)
    assert admin.http.delete(f"/keys/{key}").status_code < 300
    assert [each["scope"] for each in admin.http.get("/limits").json()["limits"]] == ["tenant"]
    assert admin.http.delete(f"/tenants/{tenant['id']}").status_code < 300
    assert admin.http.get("/limits").json()["limits"] == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"unit": "cost", "amount": MAX_COST + 1}, "amount"),
        ({"unit": "cost", "amount": "0.0000001"}, "amount"),
        ({"unit": "words"}, "unit"),
        ({"scope": "group"}, "tenant_id"),
        ({"tenant_id": None}, "tenant_id"),
        ({"scope": "model"}, "model"),
        ({"scope": "user", "key_id": "k"}, "key_id"),
        ({"window_seconds": None}, "window_seconds"),
        ({"calendar": "day"}, "window_seconds"),
        ({"window_seconds": None, "calendar": "month", "kind": "sliding_window"}, "calendar"),
        ({"time_zone": "Europe/Paris"}, "time_zone"),
        ({"window_seconds": None, "calendar": "day", "time_zone": "Moon/Base"}, "time_zone"),
        ({"unit": "requests", "cached_weight": 0.1}, "cached_weight"),
        ({"reasoning_weight": 11}, "reasoning_weight"),
        ({"colour": "red"}, "colour"),
        ({"scope": "key", "key_id": "nobody"}, "key_id"),
        ({"scope": "user", "user_id": "nobody"}, "user_id"),
        ({"tenant_id": "nowhere"}, "tenant_id"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused_by_name(admin: Admin, changes: dict[str, Any], field: str) -> None:
    tenant = admin.tenant()
    body = {"scope": "tenant", "tenant_id": tenant["id"], "unit": "tokens", "amount": 5, "window_seconds": 60}
    answer = admin.post("/limits", **{name: each for name, each in {**body, **changes}.items() if each is not None})
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert [entry["action"] for entry in admin.audit()] == ["create_tenant"]


def test_names_are_unique_within_a_tenant(admin: Admin) -> None:
    body = {"scope": "tenant", "unit": "tokens", "amount": 5, "window_seconds": 60}
    first, second = admin.tenant()["id"], admin.tenant("other")["id"]
    limit(admin, tenant_id=first, **body)
    limit(admin, tenant_id=second, **body)
    assert admin.post("/limits", tenant_id=first, **body).status_code == 409


def test_budgets_show_what_is_spent_and_can_be_adjusted_and_reset(admin: Admin) -> None:
    tenant = admin.tenant(tokens_per_minute=1000)
    key = admin.key(tenant["id"], tokens_per_minute=50)["key"]["id"]
    limit(admin, scope="tenant", tenant_id=tenant["id"], unit="cost", amount="2.5", calendar="month", name="spend")
    limit(admin, scope="key", tenant_id=tenant["id"], unit="requests", amount=7, window_seconds=60, name="each")
    limit(admin, scope="group", fairshare_group="default", unit="tokens", amount=10**6, window_seconds=60, name="all")
    shown = budgets(admin, tenant["id"])
    assert set(shown) == {"tenant:tokens:60s", "spend", f"key:{key}:tokens:60s", "all"}
    assert shown["spend"]["remaining"] == "2.5"
    assert set(budgets(admin, tenant["id"], key_id=key)) == {*shown, "each"}

    path, name = f"/tenants/{tenant['id']}/budgets", shown["spend"]["budget"]
    charged = admin.http.post(f"{path}/adjust", json={"budget": name, "amount": "-0.75"})
    assert (charged.status_code, charged.json()["used"], charged.json()["remaining"]) == (200, "0.75", "1.75")
    assert budgets(admin, tenant["id"])["spend"]["used"] == "0.75"
    assert admin.http.post(f"{path}/adjust", json={"budget": name, "amount": 9}).json()["used"] == "0"
    admin.http.post(f"{path}/adjust", json={"budget": name, "amount": -9})
    owing = budgets(admin, tenant["id"])["spend"]
    assert (owing["used"], owing["remaining"]) == ("9", "0")
    assert admin.http.post(f"{path}/reset", json={"budget": name}).json()["budgets"][0]["used"] == "0"
    assert admin.http.post(f"{path}/reset", json={}).status_code == 200
    assert admin.http.post(f"{path}/reset", json={"budget": "nothing"}).status_code == 422
    entry = next(entry for entry in admin.audit() if entry["action"] == "adjust_budget")
    assert (entry["before"], entry["after"]) == (
        {"budget": name, "used": 0},
        {"budget": name, "given_back": -9_000_000},
    )
    assert [entry["action"] for entry in admin.audit()][:5] == [*["reset_budget"] * 2, *["adjust_budget"] * 3]


def test_a_changed_limit_keeps_what_is_spent(admin: Admin) -> None:
    tenant = admin.tenant()
    made = limit(
        admin, scope="tenant", tenant_id=tenant["id"], unit="tokens", amount=1000, calendar="day", name="daily"
    )
    path = f"/tenants/{tenant['id']}/budgets"
    admin.http.post(f"{path}/adjust", json={"budget": made["id"], "amount": -400})
    for change, remaining in (
        ({"amount": 2000}, 1600),
        ({"calendar": "week"}, 1600),
        ({"kind": "sliding_window", "window_seconds": 10**6}, 1600),
        ({"amount": 300}, 0),
        ({"kind": "bucket", "amount": 500}, 100),
        ({"name": "other"}, 100),
    ):
        assert admin.http.patch(f"/limits/{made['id']}", json=change).status_code == 200
        (shown,) = budgets(admin, tenant["id"]).values()
        assert (shown["used"], shown["remaining"]) == (400, remaining), change


def test_budgets_are_paged(admin: Admin) -> None:
    tenant = admin.tenant(tokens_per_minute=5, requests_per_minute=5)
    for model in ("a", "b", "c"):
        limit(admin, scope="model", tenant_id=tenant["id"], model=model, unit="tokens", amount=1, window_seconds=60)
    found, cursor = list[str](), None
    while True:
        query = {"limit": "2"} | ({} if cursor is None else {"cursor": cursor})
        page = admin.http.get(f"/tenants/{tenant['id']}/budgets", params=query).json()
        found += [each["limit"] for each in page["budgets"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found)) == 5
