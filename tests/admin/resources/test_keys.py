"""/keys and /tenants/{id}/keys over HTTP."""

from tests.admin.conftest import Admin


def test_the_secret_is_shown_once_and_its_hash_never(admin: Admin) -> None:
    tenant = admin.tenant()
    created = admin.key(tenant["id"], "prod", user_id="ann", user_email="ann@acme.test", models_allowed=["m", "m"])
    key, secret = created["key"], created["secret"]
    assert (key["name"], key["user_id"], key["models_allowed"]) == ("prod", "ann", ["m"])
    texts = [
        admin.http.get(path).text
        for path in ("/keys", f"/keys/{key['id']}", f"/tenants/{tenant['id']}/keys", "/audit", "/tenants")
    ]
    (row,) = admin.query("SELECT key_hash FROM api_keys")
    for text in texts:
        assert secret[18:] not in text
        assert row["key_hash"] not in text
    assert admin.http.get("/keys").json() == {"keys": [key], "next_cursor": None}
    assert admin.http.get(f"/tenants/{tenant['id']}/keys").json() == {"keys": [key], "next_cursor": None}
    assert admin.http.get(f"/keys/{key['id']}").json() == key


def test_a_key_is_disabled_enabled_and_deleted(admin: Admin) -> None:
    tenant = admin.tenant()
    created = admin.key(tenant["id"])
    path = f"/keys/{created['key']['id']}"
    for disabled in (True, False):
        answer = admin.http.put(f"{path}/disabled", json={"disabled": disabled})
        assert (answer.status_code, answer.json()["disabled"]) == (200, disabled)
        record = admin.record(created["secret"])
        assert record is not None
        assert record["disabled"] is disabled
    assert admin.http.delete(path).status_code == 204
    record = admin.record(created["secret"])
    assert record is not None
    assert record["deleted"] is True
    assert admin.query("SELECT id FROM api_keys") == []
    assert admin.http.delete(path).status_code == 404
    assert admin.http.put(f"{path}/disabled", json={"disabled": True}).status_code == 404
    actions = [entry["action"] for entry in admin.audit()]
    assert actions == ["delete_api_key", "enable_api_key", "disable_api_key", "create_api_key", "create_tenant"]


def test_limits_models_and_expiry_reach_the_record(admin: Admin) -> None:
    tenant = admin.tenant(tokens_per_minute=1000, max_in_flight=4)
    created = admin.key(
        tenant["id"],
        models_allowed=["a", "meta/b"],
        tokens_per_minute=10,
        requests_per_minute=5,
        expires_at="2099-01-31T01:00:00+01:00",
    )
    assert created["key"]["expires_at"] == "2099-01-31T00:00:00Z"
    record = admin.record(created["secret"])
    assert record is not None
    assert (record["models_allowed"], record["max_in_flight"]) == (["a", "meta/b"], 4)
    limits = (record["key_tokens_per_minute"], record["key_requests_per_minute"], record["tokens_per_minute"])
    assert limits == (10, 5, 1000)
    changed = admin.http.patch(
        f"/keys/{created['key']['id']}", json={"models_allowed": None, "tokens_per_minute": None, "expires_at": None}
    ).json()
    assert (changed["models_allowed"], changed["tokens_per_minute"], changed["expires_at"]) == (None, None, None)
    assert changed["requests_per_minute"] == 5
    record = admin.record(created["secret"])
    assert record is not None
    assert (record["models_allowed"], record["key_tokens_per_minute"], record["expires_at"]) == (None, None, None)


def test_a_tenant_may_have_several_keys_of_one_name_and_they_are_listed_by_tenant(admin: Admin) -> None:
    acme, other = admin.tenant("acme"), admin.tenant("other")
    ours = [admin.key(acme["id"], "prod")["key"] for _ in range(2)]
    theirs = admin.key(other["id"], "prod")["key"]
    assert admin.http.get(f"/tenants/{acme['id']}/keys").json()["keys"] == ours
    assert admin.http.get("/keys").json()["keys"] == [*ours, theirs]
    assert admin.http.get("/tenants/nobody/keys").status_code == 404
    assert admin.post("/tenants/nobody/keys", name="prod").status_code == 404
