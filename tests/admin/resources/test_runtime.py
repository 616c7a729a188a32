"""/stats, /capacity and /fairshare/live over HTTP, on reports that really lie in Redis."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import jsonschema

from ratelimit.fleet.report import Report, TenantLoad, Told
from ratelimit.fleet.reports_redis import RedisReports
from store.redis import open_redis_async
from tests.admin.conftest import Admin, Subscriber, wait_until
from tests.ratelimit.reported import report


def leave(redis_url: str, *reports: Report, ttl_seconds: float = 60.0) -> list[Told]:
    async def run() -> list[Told]:
        client = open_redis_async(redis_url, timeout=1)
        told = [await RedisReports(client, ttl_seconds).leave(each, short=False) for each in reports]
        await client.aclose()
        return told

    return asyncio.run(run())


def get(admin: Admin, path: str) -> dict[str, Any]:
    answer = admin.http.get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_without_sidecars_everything_is_zero(admin: Admin) -> None:
    expected: dict[str, object] = {"in_flight": 0, "queued": 0, "max_in_flight": None, "sidecars": []}
    assert get(admin, "/stats").items() >= expected.items()
    live = get(admin, "/fairshare/live")
    assert (live["tenants"], live["sidecars"]) == ([], [])
    assert [(group["name"], group["in_flight"]) for group in live["groups"]] == [("default", 0)]


def test_stats_add_up_the_reports_and_tell_their_age(admin: Admin, redis_url: str) -> None:
    load = TenantLoad("t", "default", 100, 2, 1)
    leave(redis_url, report("a", load), report("b", load, load))
    found = get(admin, "/stats")
    assert (found["in_flight"], found["queued"], found["refused"], found["refused_capacity"]) == (6, 3, 6, 2)
    assert found["oldest_wait_seconds"] >= 0
    assert [each["sidecar"] for each in found["sidecars"]] == ["a", "b"]
    assert all(0 <= each["age_seconds"] < 30 for each in found["sidecars"])


def test_a_sidecar_that_falls_silent_disappears(admin: Admin, redis_url: str) -> None:
    leave(redis_url, report("a"), ttl_seconds=0.2)
    wait_until(lambda: get(admin, "/stats")["sidecars"] == [])


def test_an_unreadable_report_hides_no_other(admin: Admin, redis_url: str) -> None:
    leave(redis_url, report("a"), report("b"))
    admin.redis.set("tollkeeper:sidecar:{sidecars}:a", '{"of": "another version"}')
    assert [each["sidecar"] for each in get(admin, "/stats")["sidecars"]] == ["b"]


def test_capacity_is_changed_field_by_field_audited_and_pushed(admin: Admin, subscriber: Subscriber) -> None:
    first = get(admin, "/capacity")
    assert (first["max_in_flight"], first["max_in_flight_total"], first["version"]) == (None, None, 1)
    answer = admin.http.put("/capacity", json={"max_in_flight": 64})
    assert (answer.status_code, answer.headers["tollkeeper-propagation"]) == (200, "done")
    assert subscriber.message() == "capacity"
    both = admin.http.put("/capacity", json={"max_in_flight_total": 100}).json()
    assert (both["max_in_flight"], both["max_in_flight_total"], both["version"]) == (64, 100, 3)
    assert admin.http.put("/capacity", json={"max_in_flight_total": 100}).json() == both
    assert admin.http.put("/capacity", json={"max_in_flight": None}).json()["max_in_flight"] is None
    assert [entry["action"] for entry in admin.audit()] == ["update_capacity"] * 3
    newest = admin.audit()[0]
    assert (newest["before"]["max_in_flight"], newest["after"]["max_in_flight"]) == (64, None)


def test_two_who_saw_the_same_capacity_do_not_both_change_it(admin: Admin) -> None:
    seen = {"if-match": admin.http.get("/capacity").headers["etag"]}
    assert admin.http.put("/capacity", json={"max_in_flight": 5}, headers=seen).status_code == 200
    assert admin.http.put("/capacity", json={"max_in_flight": 6}, headers=seen).status_code == 412
    assert get(admin, "/capacity")["max_in_flight"] == 5


def test_a_bad_capacity_is_refused_by_name(admin: Admin) -> None:
    for field, value in (("max_in_flight", 0), ("pods", 3), ("max_in_flight_total", "9")):
        answer = admin.http.put("/capacity", json={field: value})
        assert answer.status_code == 422, field
        assert answer.json()["errors"][0]["field"] == field


def test_a_sidecar_learns_the_capacity_with_its_report(admin: Admin, redis_url: str) -> None:
    (told,) = leave(redis_url, report("a"))
    assert (told.capacity, told.share) == (None, None)
    admin.http.put("/capacity", json={"max_in_flight": 7, "max_in_flight_total": 10}).raise_for_status()
    (told,) = leave(redis_url, report("a"))
    assert told.capacity is not None
    assert (told.capacity.max_in_flight, told.capacity.max_in_flight_total) == (7, 10)
    assert get(admin, "/stats")["max_in_flight"] == 7
    leave(redis_url, report("b"))
    assert get(admin, "/stats")["max_in_flight"] == 10


def test_live_shares_beside_entitled_shares(admin: Admin, redis_url: str) -> None:
    admin.post("/fairshare/groups", name="research", weight=300).raise_for_status()
    admin.post("/fairshare/groups", name="idle", weight=900).raise_for_status()
    ann = admin.tenant("ann", weight=100)["id"]
    bob = admin.tenant("bob", weight=300)["id"]
    eve = admin.tenant("eve", fairshare_group="research", max_in_flight=9)["id"]
    leave(
        redis_url,
        report("a", TenantLoad(ann, "default", 1, 6), TenantLoad(eve, "research", 1, 1)),
        report("b", TenantLoad(bob, "default", 1, 2), TenantLoad(eve, "research", 1, 1)),
    )
    live = get(admin, "/fairshare/live")
    groups = {each["name"]: (each["in_flight"], each["share"], each["entitled_share"]) for each in live["groups"]}
    assert groups == {"default": (8, 0.8, 0.25), "idle": (0, 0.0, 0.0), "research": (2, 0.2, 0.75)}
    tenants = [(each["name"], each["in_flight"], each["share"], each["entitled_share"]) for each in live["tenants"]]
    assert sorted(tenants) == [("ann", 6, 0.6, 0.0625), ("bob", 2, 0.2, 0.1875), ("eve", 2, 0.2, 0.75)]
    assert live["tenants"][0]["name"] == "ann"
    assert {each["name"]: each["max_in_flight"] for each in live["tenants"]} == {"ann": None, "bob": None, "eve": 9}
    assert [each["sidecar"] for each in live["sidecars"]] == ["a", "b"]


def test_live_shows_how_full_budgets_are(admin: Admin, redis_url: str) -> None:
    tenant_id = admin.tenant(tokens_per_minute=1000, requests_per_minute=10)["id"]
    charge = {"budget": "tenant:requests:60s", "amount": -4}
    admin.http.post(f"/tenants/{tenant_id}/budgets/adjust", json=charge).raise_for_status()
    leave(redis_url, report("a", TenantLoad(tenant_id, "default", 100, 1), TenantLoad("gone", "default", 1, 1)))
    tenants = {each["tenant_id"]: each["budgets"] for each in get(admin, "/fairshare/live")["tenants"]}
    assert {each["limit"]: each["amount"] for each in tenants[tenant_id]} == {
        "tenant:tokens:60s": 1000,
        "tenant:requests:60s": 10,
    }
    fill = {each["limit"]: each["fill"] for each in tenants[tenant_id]}
    assert fill["tenant:tokens:60s"] == 1.0
    assert 0.6 <= fill["tenant:requests:60s"] <= 0.9  # it refills
    assert tenants["gone"] is None


def test_what_still_runs_of_a_deleted_tenant_is_shown(admin: Admin, redis_url: str) -> None:
    leave(redis_url, report("a", TenantLoad("gone", "gone-too", 5, 1)))
    (tenant,) = get(admin, "/fairshare/live")["tenants"]
    assert (tenant["tenant_id"], tenant["name"], tenant["weight"], tenant["entitled_share"]) == ("gone", None, 5, 0.0)


def test_answers_fit_the_document(admin: Admin, redis_url: str) -> None:
    leave(redis_url, report("a", TenantLoad(admin.tenant()["id"], "default", 100, 2)))
    schema = admin.http.get("/openapi.json").json()
    answers: dict[str, Callable[[], httpx.Response]] = {
        "StatsView": lambda: admin.http.get("/stats"),
        "CapacityView": lambda: admin.http.get("/capacity"),
        "CapacitySetting": lambda: admin.http.put("/capacity", json={"max_in_flight": 2}),
        "LiveView": lambda: admin.http.get("/fairshare/live"),
    }
    for name, ask in answers.items():
        described = {"$ref": f"#/components/schemas/{name}", "components": schema["components"]}
        jsonschema.Draft202012Validator(described).validate(ask().json())
