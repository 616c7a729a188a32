"""What bounds requests, as forms change it: capacity, policies and their limits, limits of groups, tiers, keys."""

from typing import Any

import pytest

from tests.admin.conftest import Admin
from tests.console.conftest import Visitor, text_of

DAILY = {"unit": "tokens", "amount": "2m", "every": "day", "kind": "fixed_window", "name": "daily <b>"}


def test_capacity_is_set_bounded_and_lifted(owner: Visitor, admin: Admin) -> None:
    assert "No sidecar reports" in text_of(owner.get("/console/capacity"))
    saved = owner.send("/console/capacity", max_in_flight="2k", max_in_flight_total="")
    assert saved.headers["location"] == "/console/capacity?done=capacity-saved"
    found = admin.http.get("/capacity").json()
    assert (found["max_in_flight"], found["max_in_flight_total"]) == (2000, None)
    page = owner.get("/console/capacity")
    assert 'value="2000"' in page.text
    for wrong in ("many", "0", "-5", "1.5"):
        answer = owner.send("/console/capacity", max_in_flight=wrong)
        assert (answer.status_code, 'aria-invalid="true"' in answer.text, wrong in answer.text) == (422, True, True)
    stale = owner.hidden("/console/capacity")
    owner.send("/console/capacity", max_in_flight="", max_in_flight_total="70")
    answer = owner.http.post("/console/capacity", data={**stale, "max_in_flight": "5"})
    assert (answer.status_code, "changed since you read it" in text_of(answer)) == (412, True)
    found = admin.http.get("/capacity").json()
    assert (found["max_in_flight"], found["max_in_flight_total"]) == (None, 70)
    assert "<html" not in owner.get("/console/capacity/live").text


def test_a_policy_is_made_and_its_limits_are_changed_one_at_a_time(owner: Visitor, admin: Admin) -> None:
    made = owner.send("/console/policies", name="gold", description="who <pays>")
    where = made.headers["location"].partition("?")[0]
    assert where == "/console/policies/gold"
    assert owner.send("/console/policies", name="gold").status_code == 409
    assert owner.send(f"{where}/limits", **DAILY).status_code == 303
    cost = {"unit": "cost", "amount": "12.5", "every": "hour", "kind": "bucket", "scope": "key", "name": "spend"}
    done = owner.send(f"{where}/limits", **cost)
    assert done.headers["location"] == f"{where}?done=limit-free"
    again = owner.send(f"{where}/limits", **cost)
    assert (again.status_code, "two limits have the same name" in text_of(again)) == (422, True)
    page = owner.get(where)
    assert "daily &lt;b&gt;" in page.text
    for part in ("at most 2,000,000 tokens each day in UTC", "at most 12.50 spent an hour", "each key"):
        assert part in text_of(page), part
    assert owner.send(f"{where}/limits/1", amount="20", shadow="true").status_code == 303
    assert owner.send(where, description="others").status_code == 303
    found = admin.http.get("/policies/gold").json()
    fields = [(each["name"], each["amount"], each["shadow"], each["calendar"]) for each in found["limits"]]
    assert fields == [("daily <b>", 2_000_000, False, "day"), ("spend", "20", True, None)]
    assert found["description"] == "others"
    assert "at most 20.00" in text_of(owner.get("/console/policies"))
    assert owner.send(f"{where}/limits/0", f"{where}/limits/0/delete").status_code == 303
    assert [each["name"] for each in admin.http.get("/policies/gold").json()["limits"]] == ["spend"]
    assert owner.get(f"{where}/limits/1").status_code == 404
    assert owner.send(where, f"{where}/delete").headers["location"] == "/console/policies?done=policy-deleted"


def test_a_limit_of_a_policy_that_was_changed_meanwhile_is_not_taken_for_another(owner: Visitor, admin: Admin) -> None:
    """They are known by their numbers."""
    rule = {"unit": "tokens", "amount": 5, "calendar": "day"}
    admin.post("/policies", name="moved", limits=[{**rule, "name": name} for name in ("a", "b")])
    page = "/console/policies/moved/limits/0"
    seen = owner.hidden(page)
    admin.http.put("/policies/moved", json={"limits": [{**rule, "name": "b"}]})
    for fields in (seen, {name: text for name, text in seen.items() if name != "_seen"}):
        assert owner.http.post(f"{page}/delete", data=fields).status_code == 412
        assert owner.http.post(page, data={**fields, "amount": "1"}).status_code == 412
    assert [each["amount"] for each in admin.http.get("/policies/moved").json()["limits"]] == [5]


def test_a_group_has_limits_of_all_its_tenants_together(owner: Visitor, admin: Admin) -> None:
    admin.post("/fairshare/groups", name="research", weight=5)
    done = owner.send("/console/groups/research/limits", **DAILY)
    assert done.headers["location"] == "/console/groups/research?done=limit-created"
    (made,) = admin.http.get("/limits", params={"fairshare_group": "research"}).json()["limits"]
    assert (made["scope"], made["amount"]) == ("group", 2_000_000)
    page = owner.get("/console/groups/research")
    assert f"/console/limits/{made['id']}" in page.text
    saved = owner.send(f"/console/limits/{made['id']}", amount="3m", shadow="false")
    assert saved.headers["location"].startswith("/console/groups/research?")
    assert "at most 3,000,000 tokens" in text_of(owner.get("/console/groups/research"))
    assert owner.get("/console/groups/nobody-s/limits").status_code == 404


def test_the_response_cache_of_a_model_is_set_and_purged(owner: Visitor, admin: Admin) -> None:
    made = admin.post("/models", name="kept").json()
    where = f"/console/models/{made['id']}"
    assert "Response cache Change Off." in text_of(owner.get(where))
    fields = {"enabled": "true", "ttl_seconds": "60", "scope": "user", "requests": "all", "max_bytes": "10k"}
    for wrong in ({"ttl_seconds": "0"}, {"scope": "everybody"}, {"max_bytes": "9m"}, {"charge_percent": "101"}):
        assert owner.send(f"{where}/cache", **{**fields, **wrong}).status_code == 422
    assert owner.send(f"{where}/cache", **fields, charge_percent="25", purge="true").status_code == 303
    cache = admin.http.get(f"/models/{made['id']}").json()["cache"]
    assert cache == {
        "enabled": True,
        "ttl_seconds": 60,
        "scope": "user",
        "requests": "all",
        "max_bytes": 10_000,
        "charge_percent": 25,
        "purges": 1,
    }
    assert "Answers are kept for 60 s, and given again to the same user." in text_of(owner.get(where))
    assert 'value="25"' in owner.get(f"{where}/cache").text


def test_the_price_tiers_of_a_model_are_added_changed_and_deleted(owner: Visitor, admin: Admin) -> None:
    made = admin.post("/models", name="tiered", input_price="1.25", output_price="10").json()
    where = f"/console/models/{made['id']}"
    assert owner.send(f"{where}/tiers", service_tier="batch", input_price="0.625").status_code == 303
    assert owner.send(f"{where}/tiers", above_input_tokens="200k", input_price="2.5").status_code == 303
    for wrong, says in (
        ({"input_price": "1"}, "a tier needs service_tier, above_input_tokens, or both"),
        ({"service_tier": "batch"}, "two tiers are for the same requests"),
        ({"service_tier": "Batch!"}, "match pattern"),
        ({"service_tier": "flex", "input_price": "a lot"}, "must be a decimal"),
    ):
        answer = owner.send(f"{where}/tiers", **wrong)
        assert (answer.status_code, says in text_of(answer)) == (422, True), text_of(answer)
    text = text_of(owner.get(where))
    assert "of the service tier batch 0.625 as above as above" in text
    assert "above 200,000 input tokens 2.50" in text
    assert 'value="0.625"' in owner.get(f"{where}/tiers/0").text
    assert owner.send(f"{where}/tiers/0", service_tier="batch", input_price="0.5", output_price="5").status_code == 303
    tiers = admin.http.get(f"/models/{made['id']}").json()["price_tiers"]
    assert [(each["service_tier"], each["input_price"], each["output_price"]) for each in tiers] == [
        *(("batch", "0.5", "5"), (None, "2.5", None))
    ]
    # A model's other fields are changed without them.
    fields = {"name": "tiered", "enabled": "true", "weight": "100", "input_price": "2"}
    assert owner.send(where, **fields).status_code == 303
    assert owner.send(f"{where}/tiers/1", f"{where}/tiers/1/delete").status_code == 303
    found = admin.http.get(f"/models/{made['id']}").json()
    assert (found["input_price"], [each["service_tier"] for each in found["price_tiers"]]) == ("2", ["batch"])
    assert owner.get(f"{where}/tiers/7").status_code == 404
    assert owner.get(f"{where}/tiers/x").status_code == 404


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({"models_allowed": "a, b"}, {"models_allowed": ["a", "b"], "tokens_per_minute": None}),
        ({"tokens_per_minute": "5k", "name": "other"}, {"models_allowed": None, "name": "other"}),
    ],
)
def test_what_a_key_may_do_is_changed(owner: Visitor, admin: Admin, fields: dict[str, Any], changed: Any) -> None:
    tenant = admin.tenant(f"key of {fields}")
    limits: dict[str, Any] = {"tokens_per_minute": 70, "models_allowed": ["m"], "expires_at": "2035-01-01T00:00:00Z"}
    key = admin.key(tenant["id"], **limits)["key"]["id"]
    page = owner.get(f"/console/keys/{key}/edit").text
    assert 'value="70"' in page
    assert 'value="m"' in page
    done = owner.send(f"/console/keys/{key}/edit", **{"name": "same", "tokens_per_minute": "", **fields})
    assert done.headers["location"] == f"/console/keys/{key}?done=key-saved"
    found = admin.http.get(f"/keys/{key}").json()
    assert {name: found[name] for name in changed} == changed
    assert found["expires_at"] == "2035-01-01T00:00:00Z"
