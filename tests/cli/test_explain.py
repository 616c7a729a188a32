"""`tollkeeper explain` and `model prices`: for people in words and a table, for scripts as the API has it."""

from ledger.row import UsageSource, dump_parts
from tests.accesslog.entries import row
from tests.admin.conftest import Admin
from tests.admin.usage.test_explain import write
from tests.cli.conftest import Command


def test_a_request_is_explained(run: Command, admin: Admin) -> None:
    run.ok("model", "create", "m", "--input-price", "2", "--output-price", "10", "--cache-write-5m-price", "3")
    run.ok("model", "update", "m", "--price-tier", "batch:input=1,output=5", "--price-tier", ":above=200k,input=4")
    used = row(
        model="m", request_id="r-1", input_tokens=1000, output_tokens=50, parts=dump_parts(400, 0, 0, 0, 0, 0, 0, 0)
    )
    write(admin, used, used._replace(id=row().id, request_id="r-2", model="unpriced"))
    shown = run.ok("explain", "r-1").out
    for words in (used.id, "admitted, 100 tokens reserved", "the model server reported it", "0.0029"):
        assert words in shown
    (line,) = [line.split() for line in shown.splitlines() if line.startswith("cache_write_5m")]
    assert line == ["cache_write_5m", "400", "3", "1000000", "0.0012"]
    (found,) = run.json("explain", used.id)
    assert (found["cost"], found["recomputed"]) == ("0.0029", True)
    assert "no prices" in run.ok("explain", "r-2").err
    missing = run("explain", "nobody")
    assert (missing.code, "a moment after" in missing.err) == (3, True)
    versions = run.json("model", "prices", "m")
    assert [len(each["prices"].get("price_tiers", [])) for each in versions] == [2, 0]
    assert "batch: input_price" in run.ok("model", "prices", "m").out
    assert run.json("model", "update", "m", "--price-tier", "none")["price_tiers"] == []
    assert run("model", "update", "m", "--price-tier", "batch").code == 2
    of = run.json("model", "update", "m", "--endpoint-of", "http://a.test,weight=3", "--endpoint-of", "http://b.test")
    assert [(each["url"], each["weight"]) for each in of["endpoints"]] == [("http://a.test", 3), ("http://b.test", 1)]
    assert run.json("model", "create", "fast", "--target", "m=90")["targets"] == [{"model": "m", "weight": 90}]
    assert run("model", "update", "m", "--endpoint-of", "http://a.test,share=3").code == 2


def test_a_limit_of_money_says_if_no_model_has_prices(run: Command, admin: Admin) -> None:
    tenant_id = admin.tenant()["id"]
    spend = ("limit", "create", "--tenant", tenant_id, "--unit", "cost", "--amount", "5", "--window", "day")
    assert "no registered model has prices" in run.ok(*spend, "--name", "first").err
    assert (
        "prices"
        not in run.ok("limit", "create", *spend[2:4], "--unit", "tokens", "--amount", "5", "--window", "day").err
    )
    limit = {"name": "p", "scope": "tenant", "unit": "cost", "amount": 5, "calendar": "day"}
    assert "tollkeeper-notice" in admin.post("/policies", name="gold", limits=[limit]).headers
    assert "it is the first model" in run.ok("model", "create", "m", "--input-price", "0.5").err
    assert "first" not in run.ok("model", "create", "n", "--disabled").err
    assert "prices" not in run.ok(*spend, "--name", "second").err
    changed = admin.http.put("/policies/gold", json={"limits": [limit]})
    assert (changed.status_code, "tollkeeper-notice" in changed.headers) == (200, False)


def test_a_refusal_is_explained(run: Command, admin: Admin) -> None:
    refused = row(
        request_id="r",
        admission="refused",
        status=429,
        denied_by="spend",
        usage_source=UsageSource.NONE,
        output_tokens=0,
    )
    write(admin, refused)
    assert "refused with 429 by the limit spend" in run.ok("explain", "r").out
