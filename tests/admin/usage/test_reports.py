"""What every report does: pages, CSV, money, refusals, answers as documented."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jsonschema
import pytest

from tests.admin.conftest import Admin
from tests.admin.problems import refused
from tests.admin.usage.ledger import MARCH, REPORTS, rows, use


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


def test_rows_name_the_tenants_and_keys_that_there_are(admin: Admin) -> None:
    tenant = admin.tenant("Named")
    key = admin.key(tenant["id"])["key"]
    use(admin, "2026-03-01T00:00:00Z", tenant=tenant["id"], key=key["id"])
    use(admin, "2026-03-01T00:00:00Z", tenant=tenant["id"], key="zz-deleted")
    asked = {**MARCH, "tenant_id": tenant["id"], "group_by": "key"}
    for path, name in (("/usage", "usage"), ("/costs", "costs"), ("/usage/series", "series")):
        found = admin.http.get(path, params=asked).json()[name]
        told = {row["key_id"]: (row["tenant_name"], row["key_name"]) for row in found}
        assert told == {key["id"]: ("Named", "prod"), "zz-deleted": ("Named", None)}, path
        assert "key_name" in rows(admin.http.get(path, params={**asked, "format": "csv"}))[0]


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
            assert line == {key: "" if value is None else str(value) for key, value in expected.items()}
    assert "application/json" in march.http.get(path, params=MARCH, headers={"accept": "*/*"}).headers["content-type"]


def test_a_csv_page_says_where_it_goes_on(march: Admin) -> None:
    query = {**MARCH, "format": "csv", "limit": "2"}
    first = march.http.get("/usage", params=query)
    second = march.http.get("/usage", params={**query, "cursor": first.headers["tollkeeper-next-cursor"]})
    assert [row["tenant_id"] for row in rows(first) + rows(second)] == ["acme", "beta", "gamma"]
    assert "tollkeeper-next-cursor" not in second.headers


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        " =1",
        "＝1+1",
        "＋1",
        "－1",
        "＠A1",
        "\u2212 1",
        "\u3000=1",
        "\r=1",
        '=HYPERLINK("http://x","y")',
    ],
)
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
        *(({"tz": name}, "tz") for name in ("localtime", "posixrules", "right/Europe/Paris", "Factory", "zone.tab")),
        ({"limit": "1_0"}, "limit"),
        ({"limit": "5.0"}, "limit"),
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
