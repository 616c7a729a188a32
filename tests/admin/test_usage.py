"""/usage and /costs over HTTP: ranges, groups, buckets, time zones, pages, CSV, money."""

import asyncio
import csv
import io
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import jsonschema
import pytest

from accesslog.rollup_postgres import Roller
from store.postgres import open_postgres
from tests.admin.conftest import Admin, run_admin
from tests.admin.test_input import refused
from tests.conftest import create_database, drop_database
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.valkey import Valkey

REPORTS = ["/usage", "/usage/keys", "/usage/models", "/usage/series", "/usage/series/tenants", "/usage/cache", "/costs"]
INSERT = """
INSERT INTO usage (id, ts, tenant_id, key_id, user_id, model, admission, usage_source, status, input_tokens,
                   cached_tokens, output_tokens, input_cost, cached_cost, output_cost)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'reported', 200, $8, $9, $10, $11::text::numeric, $12::text::numeric,
        $13::text::numeric)
"""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def use(admin: Admin, time: str, tenant: str = "acme", **more: Any) -> None:
    """A request in the ledger."""
    row = {
        "key": "k1",
        "user": "",
        "model": "big",
        "admission": "fast",
        "input": 10,
        "cached": 0,
        "output": 5,
        "input_cost": "0",
        "cached_cost": "0",
        "output_cost": "0",
        **more,
    }
    month = at(time).strftime("%Y-%m-01Z")
    admin.query(
        f"CREATE TABLE IF NOT EXISTS usage_{at(time):%Y_%m} PARTITION OF usage"
        f" FOR VALUES FROM ('{month}') TO (timestamptz '{month}' + interval '1 month')"
    )
    admin.query(INSERT, uuid.uuid4(), at(time), tenant, *row.values())


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


@pytest.fixture(scope="module")
def admin(postgres: Postgres, valkey: Valkey) -> Iterator[Admin]:
    """One API for all: each test empties the ledger."""
    url = asyncio.run(create_database(postgres))
    with run_admin(url, valkey.url) as running:
        yield running
    asyncio.run(drop_database(postgres, url))


@pytest.fixture(autouse=True)
def _empty(admin: Admin) -> None:
    for _ in range(5):
        try:
            admin.query("TRUNCATE usage, usage_rollups, usage_marks")
            return
        except asyncpg.DeadlockDetectedError:  # with the roller, which takes the tables in another order
            continue


@pytest.fixture
def march(admin: Admin) -> Admin:
    """Three tenants in March 2026."""
    use(admin, "2026-03-01T10:15:30Z", key="k1", model="big", input=100, cached=40, output=10)
    use(admin, "2026-03-01T10:45:00Z", key="k2", model="small", input=50, output=5, user="ann")
    use(admin, "2026-03-01T22:30:00Z", key="k1", model="big", input=7, output=1, cached=7)
    use(admin, "2026-03-02T00:10:00Z", tenant="beta", key="k3", input=1000, output=100)
    use(admin, "2026-03-02T00:20:00Z", tenant="beta", key="k3", admission="refused", input=0, output=0)
    use(admin, "2026-03-31T23:59:59.999Z", tenant="gamma", key="k4", model="", input=3, output=4)
    return admin


MARCH = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}


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


@pytest.mark.parametrize(
    "path",
    ["/usage/keys", "/usage?group_by=model", "/usage/series?bucket=day", "/usage/series/tenants?bucket=day", "/costs"],
)
def test_pages_put_together_are_the_whole_also_while_rows_are_written(march: Admin, path: str) -> None:
    url = httpx.URL(path).copy_merge_params({**MARCH, "limit": "1500"})
    whole = march.http.get(url).json()
    (name,) = [key for key, value in whole.items() if isinstance(value, list)]
    assert whole["next_cursor"] is None
    url = httpx.URL(path).copy_merge_params({"from": MARCH["from"], "to": MARCH["to"], "limit": "2"})
    found: list[Any] = []
    page = march.http.get(url).json()
    for _ in range(1000):
        found += page[name]
        use(march, "2026-04-02T00:00:00Z", tenant="later")
        if page["next_cursor"] is None:
            break
        # The range is the first page's, whatever is asked for next.
        later = httpx.URL(path).copy_merge_params({"limit": "2", "cursor": page["next_cursor"]})
        page = march.http.get(later).json()
        assert (page["from"], page["to"]) == (whole["from"], whole["to"])
        if len(found) > 80:
            break
    assert found == whole[name][: len(found)]
    assert len(found) in (len(whole[name]), 82)


def test_costs_are_exact_and_add_up(admin: Admin) -> None:
    for number in range(7):
        use(
            admin,
            f"2026-03-0{number + 1}T00:00:00Z",
            tenant=f"t{number % 2}",
            model="big",
            input_cost="0.1000000001",
            cached_cost="0.02",
            output_cost="1",
        )
    found = admin.http.get("/costs", params=MARCH).json()
    assert [(line["tenant_id"], line["cost"]) for line in found["costs"]] == [
        ("t0", "4.4800000004"),
        ("t1", "3.3600000003"),
    ]
    assert found["costs"][0]["input_cost"] == "0.4000000004"
    assert found["total"]["cost"] == "7.8400000007"
    both = admin.http.get(
        "/costs", params=[*MARCH.items(), ("group_by", "model"), ("group_by", "tenant"), ("limit", 1)]
    )
    assert both.json()["costs"] == [{"model": "big", "tenant_id": "t0"} | found["costs"][0]]
    assert both.json()["total"] == found["total"]
    empty = admin.http.get("/costs", params={"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"}).json()
    assert (empty["costs"], empty["total"]["cost"]) == ([], "0")


@pytest.mark.parametrize("path", REPORTS)
def test_every_report_comes_as_csv(march: Admin, path: str) -> None:
    lists = march.http.get(path, params=MARCH).json()
    (name,) = [key for key, value in lists.items() if isinstance(value, list)]
    for answer in (
        march.http.get(path, params={**MARCH, "format": "csv"}),
        march.http.get(path, params=MARCH, headers={"accept": "text/csv"}),
    ):
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}.csv"'
        found = rows(answer)
        assert len(found) == len(lists[name])
        for line, expected in zip(found, lists[name], strict=True):
            assert line == {key: str(value) for key, value in expected.items()}
    assert "application/json" in march.http.get(path, params=MARCH, headers={"accept": "*/*"}).headers["content-type"]


def test_a_csv_page_says_where_it_goes_on(march: Admin) -> None:
    query = {**MARCH, "format": "csv", "limit": "2"}
    first = march.http.get("/usage", params=query)
    second = march.http.get("/usage", params={**query, "cursor": first.headers["tollkeeper-next-cursor"]})
    assert [row["tenant_id"] for row in rows(first) + rows(second)] == ["acme", "beta", "gamma"]
    assert "tollkeeper-next-cursor" not in second.headers


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", '=HYPERLINK("http://x","y")'])
def test_a_cell_is_never_a_formula(admin: Admin, name: str) -> None:
    use(admin, "2026-03-01T00:00:00Z", model=name)
    (row,) = rows(admin.http.get("/usage/models", params={**MARCH, "format": "csv"}))
    assert row["model"] == f"'{name}"


@pytest.mark.parametrize("path", REPORTS)
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-03-01T00:00:00"}, "from"),
        ({"to": "2026-13-01T00:00:00Z"}, "to"),
        ({"to": "9999-12-31T23:59:59Z"}, "to"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "from"),
        ({"from": "2999-01-01T00:00:00Z"}, "from"),
        ({"from": "2100-01-01T00:00:00Z"}, "from"),  # after now, which is the end unless given
        ({"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "from"),
        ({"from": "2026-03-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "from"),
        ({"limit": "0"}, "limit"),
        ({"limit": "100000"}, "limit"),
        ({"cursor": "garbage"}, "cursor"),
        ({"cursor": "WyJhIl0"}, "cursor"),
        ({"cursor": "WyJhIiwiYiIsImMiLCJkIl0"}, "cursor"),
        ({"format": "xml"}, "format"),
        ({"model": ""}, "model"),
        ({"tenant_id": "a\0b"}, "tenant_id"),
        ({"group_by": "weather"}, "group_by"),
        ({"since": "2026-03-01T00:00:00Z"}, "since"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(admin: Admin, path: str, query: dict[str, str], field: str) -> None:
    problem = refused(admin.http.get(path, params=query), 422)
    assert [error["field"].partition(".")[0] for error in problem["errors"]] == [field], problem


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"bucket": "fortnight"}, "bucket"),
        ({"bucket": "59"}, "bucket"),
        ({"bucket": "9" * 16}, "bucket"),
        ({"bucket": "-60"}, "bucket"),
        ({"bucket": "minute", "from": "2020-01-01T00:00:00Z"}, "bucket"),
        ({"tz": "Mars/Olympus"}, "tz"),
        ({"tz": "../etc/passwd"}, "tz"),
        ({"tz": ""}, "tz"),
        ({"limit": "1501"}, "limit"),
    ],
)
def test_series_that_cannot_be_asked_are_refused_by_name(admin: Admin, query: dict[str, str], field: str) -> None:
    for path in ("/usage/series", "/usage/series/tenants"):
        problem = refused(admin.http.get(path, params=query), 422)
        assert [error["field"] for error in problem["errors"]] == [field], problem


@pytest.mark.parametrize("path", REPORTS)
def test_nothing_used_is_an_empty_report_and_nobody_is_not_found(admin: Admin, path: str) -> None:
    tenant = admin.tenant(f"quiet {path}")
    found = admin.http.get(path, params={**MARCH, "tenant_id": tenant["id"]})
    assert found.status_code == 200, found.text
    refused(admin.http.get(path, params={**MARCH, "tenant_id": "nobody"}), 404)
    use(admin, "2026-05-01T00:00:00Z", tenant="gone")
    assert admin.http.get(path, params={**MARCH, "tenant_id": "gone"}).status_code == 200


def test_defaults_end_with_this_minute(admin: Admin) -> None:
    now = datetime.now(UTC)
    for days in (0, 2, 40):
        use(admin, (now - timedelta(days=days)).isoformat())
    counts = {
        path: sum(
            each["requests"] for each in next(v for v in admin.http.get(path).json().values() if isinstance(v, list))
        )
        for path in REPORTS
    }
    assert counts == dict.fromkeys(REPORTS, 2) | {"/usage": 3, "/usage/series": 1, "/usage/series/tenants": 1}
    assert admin.http.get("/usage").json()["from"] is None
    assert len(admin.http.get("/usage/series").json()["series"]) in (24, 25)


def test_answers_fit_the_document(march: Admin) -> None:
    document = march.http.get("/openapi.json").json()
    for path in REPORTS:
        operation = document["paths"][f"/api/v1{path}"]["get"]
        answers = operation["responses"]["200"]["content"]
        assert "text/csv" in answers
        for answer in (march.http.get(path, params=MARCH), march.http.get(path, params={**MARCH, "tenant_id": "acme"})):
            schema = {**answers["application/json"]["schema"], "components": document["components"]}
            jsonschema.Draft202012Validator(schema).validate(answer.json())
        assert "404" in operation["responses"]


def test_a_rolled_up_past_shows_the_same(march: Admin) -> None:
    async def roll() -> None:
        async with open_postgres(march.database_url) as pool:
            await Roller(pool).roll(at("2026-05-01T00:00:00Z"))
            assert await pool.fetchval("SELECT count(*) FROM usage_marks") == 0

    before = {path: march.http.get(path, params=MARCH).json() for path in REPORTS}
    asyncio.run(roll())
    assert march.query("SELECT count(*) FROM usage_rollups_day WHERE grain = 0") == [{"count": 5}]
    assert {path: march.http.get(path, params=MARCH).json() for path in REPORTS} == before
