"""On what terms an answer is kept and given again: what clients and operators say, limits, charges, failures."""

import threading
from typing import Any

import httpx
import pytest

from tests.e2e.cache.conftest import ALL, HALF, MODEL, SAYS, Place, body, unique
from tests.e2e.deployment import Credential, wait_for


@pytest.fixture(scope="module")
def who(place: Place) -> Credential:
    return place.tenant()


def rows_of(place: Place, who: Credential, admission: str, count: int = 1) -> list[dict[str, Any]]:
    def found() -> list[dict[str, Any]] | None:
        rows = [row for row in place.usage(who) if row["admission"] == admission]
        return rows if len(rows) >= count else None

    return wait_for(found, f"rows of {admission}")


def test_no_store_and_no_cache_are_obeyed(place: Place, who: Credential) -> None:
    prompt, kept = unique(), place.kept
    for _ in range(2):
        answer = place.ask(who, prompt, headers={"cache-control": "no-store"})
        assert (answer.status_code, answer.headers[SAYS]) == (200, "bypass")
    assert place.kept == kept
    place.until_hit(who, prompt)
    kept = place.kept
    for said in ({"cache-control": "private, No-Cache"}, {"cache-control": "max-age=0"}, {"pragma": "no-cache"}):
        assert place.ask(who, prompt, headers=said).headers[SAYS] == "bypass"
    place.until_kept(kept)  # it is fresh again
    assert place.ask(who, prompt).headers[SAYS] == "hit"


def test_an_answer_that_is_to_be_kept_passes_as_it_is_written(place: Place, who: Credential) -> None:
    kept = place.kept
    given = body(unique(), stream=True, max_tokens=400)
    headers = {**who.headers, "x-stub-tokens": "400", "x-stub-tokens-per-second": "10"}
    with place.envoy.stream("POST", "/v1/chat/completions", json=given, headers=headers) as answer:
        assert answer.headers[SAYS] == "miss"
        chunks = answer.iter_raw()  # held: httpx ends the connection with what reads it
        next(chunks)
        (found,) = (each for each in place.admin.get("/models").json()["models"] if each["name"] == MODEL)
        path = f"/models/{found['id']}"
        wait_for(lambda: place.admin.get(path).json()["live"]["in_flight"] or None, "it is still being written")
    assert place.kept == kept


def test_errors_and_what_is_too_long_are_not_kept(place: Place, who: Credential) -> None:
    kept = place.kept
    for given in ({"headers": {"x-stub-status": "429"}}, {"headers": {"x-stub-tokens": "2000"}, "max_tokens": 2000}):
        prompt = unique()
        for _ in range(2):
            assert place.ask(who, prompt, model=ALL, **given).headers[SAYS] == "miss"
    assert place.kept == kept


def test_what_a_client_leaves_is_not_kept(place: Place, who: Credential) -> None:
    prompt, kept = unique(), place.kept
    given = body(prompt, stream=True)
    headers = {**who.headers, "x-stub-tokens-per-second": "30"}
    with place.envoy.stream("POST", "/v1/chat/completions", json=given, headers=headers) as answer:
        next(answer.iter_raw())
    whole = place.envoy.post("/v1/chat/completions", json=given, headers=headers)
    assert whole.headers[SAYS] == "miss"
    assert b"[DONE]" in whole.content
    place.until_kept(kept)
    assert place.envoy.post("/v1/chat/completions", json=given, headers=headers).content == whole.content
    assert place.kept == kept + 1


def test_a_hit_is_a_request_and_costs_no_tokens(place: Place) -> None:
    who = place.tenant(requests_per_minute=4, tokens_per_minute=1000)
    prompt = unique()
    first = place.ask(who, prompt)
    left = int(first.headers["x-ratelimit-remaining-tokens"])
    hit = place.until_hit(who, prompt)
    assert hit.headers["x-admission"] == "cached"
    statuses = [place.ask(who, prompt).status_code for _ in range(4)]
    assert statuses[-1] == 429
    (ran, *others), cached = rows_of(place, who, "fast"), rows_of(place, who, "cached")
    assert others == []
    assert ran["output_tokens"] > 0
    for row in cached:
        saved = row["saved_input_tokens"], row["saved_output_tokens"]
        assert saved == (ran["input_tokens"], ran["output_tokens"])
        assert row["saved_cost"] == ran["input_cost"] + ran["output_cost"] > 0
        assert (row["status"], row["input_tokens"], row["output_tokens"], row["reserved_tokens"]) == (200, 0, 0, 0)
        assert row["input_cost"] + row["cached_cost"] + row["output_cost"] == 0
        assert (row["model"], row["aborted"], row["denied_by"], row["bytes_out"]) == (
            MODEL,
            False,
            "",
            ran["bytes_out"],
        )
    (explained,) = place.admin.get(f"/requests/{row['id']}").json()["requests"]
    assert (explained["cache_hit"], explained["decision"]) == (
        True,
        "answered from the response cache, 0 tokens reserved",
    )
    (used,) = place.admin.get("/usage/cache", params={"tenant_id": who.tenant_id}).json()["cache"]
    assert used["response_cache_hits"] == len(cached)
    assert used["response_cache_bytes"] == len(cached) * ran["bytes_out"]
    assert used["saved_output_tokens"] == len(cached) * ran["output_tokens"]
    budgets = place.admin.get(f"/tenants/{who.tenant_id}/budgets").json()["budgets"]
    (tokens,) = (each for each in budgets if each["unit"] == "tokens")
    assert tokens["remaining"] >= left


def test_a_share_of_the_tokens_is_charged_if_the_operator_says_so(place: Place) -> None:
    who, prompt = place.tenant(), unique()
    place.until_hit(who, prompt, model=HALF)
    (ran, *_), (row, *_) = rows_of(place, who, "fast"), rows_of(place, who, "cached")
    assert (row["input_tokens"], row["output_tokens"]) == (-(-ran["input_tokens"] // 2), -(-ran["output_tokens"] // 2))
    assert row["usage_source"] == "reported"
    assert row["output_cost"] * 2 == ran["output_cost"]
    assert row["saved_output_tokens"] + row["output_tokens"] == ran["output_tokens"]


def test_a_hit_waits_for_no_room(place: Place) -> None:
    """Neither for a slot of its tenant nor in the fair queue."""
    who, prompt = place.tenant(max_in_flight=1), unique()
    place.until_hit(who, prompt)
    started, gone = threading.Event(), threading.Event()

    def occupy() -> None:
        given = body(unique(), stream=True, max_tokens=200)
        headers = {**who.headers, "x-stub-tokens-per-second": "5", "x-stub-tokens": "200"}
        with place.envoy.stream("POST", "/v1/chat/completions", json=given, headers=headers) as answer:
            if answer.status_code == 200:
                started.set()
                gone.wait(30)

    def starts() -> bool | None:
        thread = threading.Thread(target=occupy, daemon=True)
        thread.start()
        return started.wait(2) or None

    wait_for(starts, "a request that holds the slot")
    try:
        assert place.ask(who, unique()).status_code == 429
        assert place.ask(who, prompt).headers[SAYS] == "hit"
    finally:
        gone.set()


def test_an_alias_has_the_cache_of_its_model(place: Place, who: Credential) -> None:
    place.register("kept-alias", None, targets=[{"model": MODEL}], input_price=None, output_price=None)
    prompt = unique()

    def hit() -> httpx.Response | None:
        answer = place.ask(who, prompt, model="kept-alias")
        return answer if answer.headers.get(SAYS) == "hit" else None

    wait_for(hit, "an answer for an alias")


def test_what_is_kept_ends_with_its_time_a_purge_and_the_cache(place: Place, who: Credential) -> None:
    model_id, prompt = place.register("mock-model-ends", {"ttl_seconds": 1}), unique()
    given = {"model": "mock-model-ends"}
    place.until_hit(who, prompt, **given)
    misses = lambda: place.ask(who, prompt, **given).headers.get(SAYS) == "miss" or None  # noqa: E731 - said twice
    wait_for(misses, "the end of its time")
    place.cache(model_id, enabled=True)
    place.until_hit(who, prompt, **given)
    purged = place.cache(model_id, enabled=True, purge=True).json()["cache"]
    assert (purged["purges"], "purge" in purged) == (1, False)
    wait_for(misses, "a purge")
    place.until_hit(who, prompt, **given)
    place.cache(model_id, enabled=False)
    wait_for(lambda: SAYS not in place.ask(who, prompt, **given).headers or None, "the end of the cache")


BAD = [
    {"ttl_seconds": 0},
    {"ttl_seconds": -1},
    {"ttl_seconds": "300"},
    {"scope": "everybody"},
    {"requests": "some"},
    {"max_bytes": 0},
    {"max_bytes": 2**21 + 1},
    {"charge_percent": 101},
    {"charge_percent": 0.5},
    {"size": 1},
]


@pytest.mark.parametrize("fields", BAD, ids=str)
def test_bad_terms_are_refused_and_change_nothing(place: Place, fields: dict[str, Any]) -> None:
    (found,) = (each for each in place.admin.get("/models").json()["models"] if each["name"] == MODEL)
    answer = place.admin.put(f"/models/{found['id']}/cache", json={"enabled": True, **fields})
    assert answer.status_code == 422
    assert next(iter(fields)) in answer.text
    assert place.admin.get(f"/models/{found['id']}").json()["cache"] == found["cache"]
