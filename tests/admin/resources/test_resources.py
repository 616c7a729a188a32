"""/models, /fairshare/groups, /usage, /audit and /health over HTTP."""

import json
from datetime import UTC, datetime
from typing import Any

from tests.admin.conftest import Admin
from tests.web import WEB


def catalog(admin: Admin) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(admin.redis.get("tollkeeper:models"))  # type: ignore[arg-type]
    return found


def test_models_reach_redis(admin: Admin) -> None:
    first = admin.post("/models", name="meta-llama/Llama-3-8B").json()
    admin.post("/models", name="a-model", enabled=False)
    assert [model["name"] for model in admin.http.get("/models").json()["models"]] == [
        "a-model",
        "meta-llama/Llama-3-8B",
    ]
    assert admin.post("/models", name="a-model").status_code == 409
    models = catalog(admin)["models"]
    assert models == [
        {"name": "a-model", "enabled": False, "created": models[0]["created"]},
        {"name": "meta-llama/Llama-3-8B", "enabled": True, "created": models[1]["created"]},
    ]
    assert datetime.fromtimestamp(models[1]["created"], UTC) == datetime.fromisoformat(first["created_at"])
    path = f"/models/{first['id']}"
    live = {"in_flight": 0, "tokens_per_second": 0.0, "endpoints": []}
    assert admin.http.get(path).json() == {**first, "live": live}
    changed = admin.http.put(path, json={"name": "llama", "enabled": False}).json()
    assert (changed["id"], changed["name"], changed["enabled"]) == (first["id"], "llama", False)
    assert admin.http.put(path, json={"name": "a-model"}).status_code == 409
    assert admin.http.delete(path).status_code == 204
    assert admin.http.get(path).status_code == admin.http.delete(path).status_code == 404
    assert catalog(admin)["models"] == models[:1]
    assert [entry["action"] for entry in admin.audit()] == [
        "delete_model",
        "update_model",
        "create_model",
        "create_model",
    ]


def test_groups(admin: Admin) -> None:
    assert admin.post("/fairshare/groups", name="research", weight=300).status_code == 201
    assert admin.post("/fairshare/groups", name="research").status_code == 409
    changed = admin.http.patch("/fairshare/groups/research/weight", json={"weight": 50})
    assert (changed.status_code, changed.json()["weight"]) == (200, 50)
    assert admin.http.patch("/fairshare/groups/nowhere/weight", json={"weight": 50}).status_code == 404
    groups = admin.http.get("/fairshare/groups").json()["groups"]
    assert [(group["name"], group["weight"]) for group in groups] == [("default", 100), ("research", 50)]
    assert [entry["action"] for entry in admin.audit()] == ["update_group", "create_group"]


def test_users_and_their_limits_reach_the_record(admin: Admin) -> None:
    tenant = admin.tenant()
    path = f"/tenants/{tenant['id']}/users"
    secret = admin.key(tenant["id"], user_id="ann")["secret"]
    user = admin.http.put(f"{path}/ann", json={"email": "ann@acme.test", "tokens_per_minute": 7}).json()
    assert (user["id"], user["tokens_per_minute"]) == ("ann", 7)
    record = admin.record(secret)
    assert record is not None
    assert (record["user_id"], record["user_tokens_per_minute"]) == ("ann", 7)
    assert admin.http.get(path).json() == {"users": [user], "next_cursor": None}
    assert admin.http.delete(f"{path}/ann").status_code == 409
    assert admin.http.delete(f"{path}/bob").status_code == 404
    assert admin.http.put(f"{path}/a b", json={}).status_code == 422
    assert admin.http.put("/tenants/nobody/users/ann", json={}).status_code == 404
    assert admin.http.get("/tenants/nobody/users").status_code == 404


ROW = """
INSERT INTO usage (id, ts, tenant_id, admission, usage_source, input_tokens, output_tokens, cached_tokens,
                   reasoning_tokens, reserved_tokens)
VALUES (gen_random_uuid(), now(), $1, $2, $3, $4, 20, 3, 4, 50)
"""


def test_usage_is_summed_by_tenant(admin: Admin) -> None:
    tenant, quiet = admin.tenant("acme"), admin.tenant("quiet")
    admin.query("CREATE TABLE usage_all PARTITION OF usage DEFAULT")
    for owner, tokens in ((tenant["id"], 10), (tenant["id"], 5), ("gone", 1)):
        admin.query(ROW, owner, "fast", "reported", tokens)
    admin.query(ROW.replace("$4, 20, 3, 4, 50", "$4, 0, 0, 0, 0"), tenant["id"], "refused", "none", 0)
    expected = {
        "tenant_id": tenant["id"],
        "requests": 2,
        "refused": 1,
        "input_tokens": 15,
        "output_tokens": 40,
        "cached_tokens": 6,
        "reasoning_tokens": 8,
        "reserved_tokens": 100,
    }
    assert admin.http.get("/usage", params={"tenant_id": tenant["id"]}).json().items() >= expected.items()
    rows = {row["tenant_id"]: row for row in admin.http.get("/usage").json()["usage"]}
    assert rows[tenant["id"]].items() >= expected.items()
    assert rows["gone"]["input_tokens"] == 1
    assert admin.http.get("/usage", params={"tenant_id": quiet["id"]}).json()["requests"] == 0
    assert admin.http.get("/usage", params={"tenant_id": "gone"}).json()["requests"] == 1
    assert admin.http.get("/usage", params={"tenant_id": "nobody"}).status_code == 404
    assert admin.http.get("/usage", params={"tenant": "typo"}).status_code == 422


def test_the_audit_log_is_paged_newest_first(admin: Admin) -> None:
    for number in range(5):
        admin.tenant(f"t{number}")
    first = admin.http.get("/audit", params={"limit": 3}).json()
    second = admin.http.get("/audit", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [entry["after"]["name"] for entry in first["audit"] + second["audit"]] == ["t4", "t3", "t2", "t1", "t0"]
    assert second["next_cursor"] is None


def test_an_audit_entry_says_who_where_and_which_request(admin: Admin) -> None:
    answer = admin.http.post("/tenants", json={"name": "acme"}, headers={"x-request-id": "trace-1"})
    assert answer.headers["x-request-id"] == "trace-1"
    (entry,) = admin.audit()
    assert (entry["actor"], entry["source"], entry["request_id"]) == ("admin", "127.0.0.1", "trace-1")
    assert (entry["target_type"], entry["target_id"]) == ("tenant", answer.json()["id"])


def test_health_needs_no_token(admin: Admin) -> None:
    assert WEB.get(f"{admin.url}/api/v1/health").json() == {"status": "ok"}
