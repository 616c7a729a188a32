"""/usage over HTTP: ranges, groups, buckets, time zones, and that a rolled up past shows the same."""

import asyncio
from typing import Any

from ledger.postgres.roller import Roller
from store.postgres import open_postgres
from tests.admin.conftest import Admin
from tests.admin.usage.ledger import MARCH, REPORTS, at
from tests.conftest import PATIENT


def test_usage_is_grouped_by_what_is_asked_for(march: Admin) -> None:
    def found(**query: str) -> list[tuple[Any, ...]]:
        lines = march.http.get("/usage", params={**MARCH, **query}).json()["usage"]
        ids = ("tenant_id", "key_id", "user_id", "model")
        return [(*(line[name] for name in ids if name in line), line["input_tokens"]) for line in lines]

    assert found() == [("acme", 157), ("beta", 1000), ("gamma", 3)]
    assert found(group_by="key") == [("acme", "k1", 107), ("acme", "k2", 50), ("beta", "k3", 1000), ("gamma", "k4", 3)]
    assert found(group_by="user") == [("acme", "", 107), ("acme", "ann", 50), ("beta", "", 1000), ("gamma", "", 3)]
    assert found(group_by="model") == [("", 3), ("big", 1107), ("small", 50)]
    assert found(group_by="model", tenant_id="acme") == [("big", 107), ("small", 50)]
    assert found(group_by="tenant", key_id="k2") == [("acme", 50)]
    assert found(group_by="tenant", user_id="ann") == [("acme", 50)]
    assert found(group_by="tenant", model="small") == [("acme", 50)]


def test_the_range_holds_its_beginning_and_not_its_end(march: Admin) -> None:
    def tokens(since: str, until: str) -> int:
        found = march.http.get("/usage", params={"from": since, "to": until, "tenant_id": "acme"}).json()
        tokens: int = found["input_tokens"]
        return tokens

    assert tokens("2026-03-01T10:15:30Z", "2026-03-01T10:45:00Z") == 100
    assert tokens("2026-03-01T10:15:30.001Z", "2026-03-01T10:45:00.001Z") == 50
    assert tokens("2026-03-01T11:15:30+01:00", "2026-03-01T11:45:00 01:00") == 100  # a plus that became a space
    assert tokens("2026-03-05T00:00:00Z", "2026-03-06T00:00:00Z") == 0


def test_keys_models_and_caches_have_reports_of_their_own(march: Admin) -> None:
    keys = march.http.get("/usage/keys", params=MARCH).json()["keys"]
    assert [(key["tenant_id"], key["key_id"], key["requests"]) for key in keys][:2] == [
        ("acme", "k1", 2),
        ("acme", "k2", 1),
    ]
    models = march.http.get("/usage/models", params=MARCH).json()["models"]
    assert [(model["model"], model["refused"]) for model in models] == [("", 0), ("big", 1), ("small", 0)]
    cache = march.http.get("/usage/cache", params={**MARCH, "tenant_id": "acme"}).json()["cache"]
    assert cache[0] == {
        "model": "big",
        "requests": 2,
        "cache_hits": 2,
        "hit_ratio": 1.0,
        "input_tokens": 107,
        "cached_tokens": 47,
        "cached_share": 0.439252,
        "response_cache_hits": 0,
        "response_cache_bytes": 0,
        "response_hit_ratio": 0.0,
        "saved_input_tokens": 0,
        "saved_output_tokens": 0,
        "saved_cost": "0",
    }
    assert cache[1]["cached_share"] == 0


def series(admin: Admin, path: str = "/usage/series", **query: str) -> list[tuple[str, int]]:
    found = admin.http.get(path, params={**MARCH, **query})
    assert found.status_code == 200, found.text
    return [(point["start"], point["input_tokens"]) for point in found.json()["series"] if point["input_tokens"]]


def test_days_begin_at_midnight_of_the_time_zone(march: Admin) -> None:
    assert series(march, bucket="day") == [
        ("2026-03-01T00:00:00Z", 157),
        ("2026-03-02T00:00:00Z", 1000),
        ("2026-03-31T00:00:00Z", 3),
    ]
    assert series(march, bucket="day", tz="Europe/Berlin") == [
        ("2026-02-28T23:00:00Z", 157),
        ("2026-03-01T23:00:00Z", 1000),
        ("2026-03-31T22:00:00Z", 3),
    ]
    assert series(march, bucket="day", tz="Asia/Kolkata") == [
        ("2026-02-28T18:30:00Z", 150),
        ("2026-03-01T18:30:00Z", 1007),
        ("2026-03-31T18:30:00Z", 3),
    ]
    assert series(march, bucket="week") == [
        ("2026-02-23T00:00:00Z", 157),
        ("2026-03-02T00:00:00Z", 1000),
        ("2026-03-30T00:00:00Z", 3),
    ]
    assert series(march, bucket="month", tz="America/New_York") == [("2026-03-01T05:00:00Z", 1160)]


def test_a_day_of_a_clock_change_has_23_hours(march: Admin) -> None:
    query = {"from": "2026-03-28T00:00:00+01:00", "to": "2026-03-31T00:00:00+02:00", "bucket": "day"}
    points = march.http.get("/usage/series", params={**query, "tz": "Europe/Berlin"}).json()["series"]
    assert [point["start"] for point in points] == [
        "2026-03-27T23:00:00Z",
        "2026-03-28T23:00:00Z",
        "2026-03-29T22:00:00Z",
    ]


def test_buckets_are_as_wide_as_asked(march: Admin) -> None:
    assert series(march, bucket="hour")[:2] == [("2026-03-01T10:00:00Z", 150), ("2026-03-01T22:00:00Z", 7)]
    assert series(march, bucket="hour", tz="Asia/Kolkata")[0] == ("2026-03-01T09:30:00Z", 100)
    assert series(march, bucket="900", **{"from": "2026-03-01T10:00:00Z"}) == [
        ("2026-03-01T10:15:00Z", 100),
        ("2026-03-01T10:45:00Z", 50),
    ]
    within = {"from": "2026-03-01T10:15:10Z", "to": "2026-03-01T10:46:10Z"}
    assert series(march, bucket="minute", **within) == [("2026-03-01T10:15:00Z", 100), ("2026-03-01T10:45:00Z", 50)]
    points = march.http.get("/usage/series", params={**within, "bucket": "minute"}).json()["series"]
    assert len(points) == 32  # also those where nothing was used


def test_a_page_of_narrow_buckets_long_ago_looks_at_six_hours(march: Admin) -> None:
    query = {**MARCH, "bucket": "300"}
    first = march.http.get("/usage/series", params=query).json()
    second = march.http.get("/usage/series", params={"bucket": "300", "cursor": first["next_cursor"]}).json()
    starts = [point["start"] for point in first["series"] + second["series"]]
    assert (len(first["series"]), len(starts), starts[-1]) == (72, 144, "2026-03-01T11:55:00Z")
    assert sum(point["requests"] for point in second["series"]) == 2


def test_a_series_by_tenant_has_a_point_where_something_was_used(march: Admin) -> None:
    points = march.http.get("/usage/series/tenants", params={**MARCH, "bucket": "day"}).json()["series"]
    assert [(point["start"][:10], point["tenant_id"]) for point in points] == [
        ("2026-03-01", "acme"),
        ("2026-03-02", "beta"),
        ("2026-03-31", "gamma"),
    ]
    by_model = march.http.get("/usage/series", params={**MARCH, "bucket": "day", "group_by": "model"}).json()["series"]
    assert [point["model"] for point in by_model] == ["big", "small", "big", ""]


def test_a_rolled_up_past_shows_the_same(march: Admin) -> None:
    async def roll() -> None:
        async with open_postgres(march.database_url, timeout=PATIENT) as pool:
            await Roller(pool).roll(at("2026-05-01T00:00:00Z"))
            assert await pool.fetchval("SELECT count(*) FROM usage_marks") == 0

    before = {path: march.http.get(path, params=MARCH).json() for path in REPORTS}
    asyncio.run(roll())
    assert march.query("SELECT count(*) FROM usage_rollups_day WHERE grain = 0") == [{"count": 5}]
    assert {path: march.http.get(path, params=MARCH).json() for path in REPORTS} == before
