"""ChatAPI: tenants with their first key, the master key, and the default rate that a restart changes."""

from typing import Any

import httpx

from admin.commands.ports import Configured
from tests.admin.conftest import TOKEN, Admin, run_admin, wait_until
from tests.web import WEB

MASTER = {"x-master-key": TOKEN}


def create(admin: Admin, name: str = "MyCompany", headers: dict[str, str] | None = None) -> httpx.Response:
    return WEB.post(f"{admin.url}/admin/tenants", json={"name": name}, headers=headers or MASTER)


def test_the_key_is_known_at_once_and_in_no_log(admin: Admin) -> None:
    answer = create(admin).json()
    record = admin.record(answer["api_key"])
    assert record is not None
    assert record["tenant_id"] == answer["tenant_id"]
    assert answer["api_key"] not in admin.http.get("/audit").text


def test_who_is_not_authorized_is_told_so(admin: Admin) -> None:
    secret = create(admin).json()["api_key"]
    for headers in ({"x-master-key": secret}, {"x-master-key": "wrong"}, {"x-master-key": ""}, {"authorization": "x"}):
        answer = create(admin, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "Unauthorized"), headers
        assert answer.headers["www-authenticate"].startswith("X-Master-Key")
    viewer = admin.post("/admin-tokens", name="v", role="viewer").json()["token"]
    assert create(admin, headers={"x-master-key": viewer}).status_code == 403
    tenants = admin.http.get("/tenants").json()["tenants"]
    assert [each["display_name"] for each in tenants if each["display_name"]] == ["MyCompany"]


def test_what_is_wrong_is_said(admin: Admin) -> None:
    for body in ({}, {"name": ""}, {"name": "x", "weight": 5}, {"name": "x", "requests_per_minute": 10**9}):
        assert WEB.post(f"{admin.url}/admin/tenants", json=body, headers=MASTER).status_code == 422, body
    assert WEB.get(f"{admin.url}/admin/tenants", headers=MASTER).status_code == 405


def test_a_tenant_is_governed_by_the_other_surfaces(admin: Admin) -> None:
    made = create(admin).json()
    admin.http.put(f"/tenants/{made['tenant_id']}/quota", json={"tokens_per_minute": 7}).raise_for_status()
    record = admin.record(made["api_key"])
    assert record is not None
    assert record["tokens_per_minute"] == 7
    bearer = {"authorization": f"Bearer {TOKEN}"}
    assert WEB.get(f"{admin.url}/tenants/{made['tenant_id']}", headers=bearer).json()["display_name"] == "MyCompany"


def test_the_default_rate_changes_with_a_restart_but_for_those_with_one_of_their_own(
    database_url_sync: str, redis_url: str
) -> None:
    def rates(admin: Admin) -> dict[str, Any]:
        tenants = admin.http.get("/tenants").json()["tenants"]
        return {each["display_name"]: each["requests_per_minute"] for each in tenants if each["display_name"]}

    with run_admin(database_url_sync, redis_url, configured=Configured(100)) as admin:
        made = {name: create(admin, name).json() for name in ("follows", "own", "none", "same")}
        for name, rate in (("own", 5), ("none", None), ("same", 100)):
            admin.http.patch(f"/tenants/{made[name]['tenant_id']}", json={"requests_per_minute": rate})
        assert rates(admin) == {"follows": 100, "own": 5, "none": None, "same": 100}
    with run_admin(database_url_sync, redis_url, configured=Configured(200)) as admin:
        wait_until(lambda: rates(admin) == {"follows": 200, "own": 5, "none": None, "same": 200})
        # Pushed to Redis once it is committed.
        wait_until(lambda: (admin.record(made["follows"]["api_key"]) or {}).get("requests_per_minute") == 200)
        assert {entry["actor"] for entry in admin.audit() if entry["action"] == "update_tenant"} == {
            "admin",
            "configuration",
        }
    with run_admin(database_url_sync, redis_url) as admin:
        assert rates(admin) == {"follows": 200, "own": 5, "none": None, "same": 200}
        create(admin, "unlimited")
        assert rates(admin)["unlimited"] is None
