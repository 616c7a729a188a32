"""GET /v1/models: which requests are answered here, and with which models."""

import contextlib
import json
from collections.abc import Iterator

import pytest

from authz.models import NOT_FOUND, UNAVAILABLE, answer, asked_model, names_of_cached
from tenancy.resolving.catalog import KnownModels
from tenancy.values.response_cache import CacheTerms
from tenancy.values.upstream import Target
from tests.authz.sidecar import Sidecar, bearer

OPEN = KnownModels(1)
ONLY_BARS = KnownModels(1, {"off": False}, closed=False)
CLOSED = KnownModels(1, {"b/x": True, "a": True, "off": False}, closed=True, created={"a": 1700000000})


@pytest.fixture
def sidecar(database_url_sync: str, redis_url: str) -> Iterator[Sidecar]:
    with contextlib.closing(Sidecar(database_url_sync, redis_url)) as running:
        yield running


@pytest.mark.parametrize(
    ("method", "path", "asked"),
    [
        ("GET", "/v1/models", ""),
        ("HEAD", "/v1/models", ""),
        ("GET", "/v1/models?limit=5", ""),
        ("GET", "/v1/models/", ""),
        ("GET", "/V1/Models", ""),
        ("GET", "/openai/v1/models", ""),
        ("GET", "/v1/models/a", "a"),
        ("GET", "/v1/models/org/name:7b?x=/v1/models", "org/name:7b"),
        ("GET", "/v1/models/a%20b", "a b"),
        ("GET", "/a/b/v1/models/c/d", "c/d"),
        ("GET", "/v1/files/v1/models", None),
        ("POST", "/v1/models", None),
        ("DELETE", "/v1/models/a", None),
        ("GET", "/v1/modelsx", None),
        ("GET", "/v1/files?x=/v1/models", None),
        ("GET", "/models", None),
        ("GET", "", None),
    ],
)
def test_which_requests_ask_for_models(method: str, path: str, asked: str | None) -> None:
    assert asked_model(method, path) == asked


@pytest.mark.parametrize(
    ("known", "allowed", "names"),
    [
        (CLOSED, None, ["a", "b/x"]),
        (CLOSED, ("b/x", "off", "unregistered"), ["b/x"]),
        (CLOSED, (), []),
        (OPEN, ("z", "y"), ["y", "z"]),
        (ONLY_BARS, ("off", "y"), ["y"]),
        (OPEN, None, None),
        (ONLY_BARS, None, None),
    ],
)
def test_a_key_sees_what_it_may_ask_for(
    known: KnownModels, allowed: tuple[str, ...] | None, names: list[str] | None
) -> None:
    text = answer("", known, allowed)
    if names is None:
        assert text is None
        return
    assert isinstance(text, str)
    assert [entry["id"] for entry in json.loads(text)["data"]] == names
    for name in ("a", "b/x", "off", "y", "unregistered"):
        one = answer(name, known, allowed)
        assert isinstance(one, str) == (name in names), name
        assert name in names or one is NOT_FOUND


def test_a_model_is_shown_as_openai_does() -> None:
    text = answer("a", CLOSED, None)
    assert text == '{"id":"a","object":"model","created":1700000000,"owned_by":"llm"}'
    assert answer("", CLOSED, ("a",)) == f'{{"object":"list","data":[{text}]}}'
    assert answer("", None, None) is answer("a", None, ("a",)) is UNAVAILABLE


def test_the_service_answers_with_the_registry_as_it_is(sidecar: Sidecar) -> None:
    key, restricted = sidecar.issue(), sidecar.issue()
    only_one = "UPDATE api_keys SET models_allowed = ARRAY['one'] WHERE id = $1"
    sidecar.loop.run(sidecar.people.execute(only_one, restricted.id))
    assert sidecar.check(bearer(key), "/v1/models", "GET").status == 503  # nothing is known yet
    sidecar.loop.run(sidecar.models.refresh())
    passed = sidecar.check(bearer(key), "/v1/models", "GET")
    assert (passed.status, passed.metadata["key_id"]) == (200, key.id)
    sidecar.loop.run(sidecar.people.execute("INSERT INTO models (name) VALUES ('one'), ('two')"))
    sidecar.loop.run(sidecar.models.refresh())
    for whose, names in ((key, ["one", "two"]), (restricted, ["one"])):
        listed = sidecar.check(bearer(whose), "/v1/models", "GET")
        assert (listed.status, listed.metadata) == (200, {})
        assert listed.headers == {"content-type": "application/json"}
        found = json.loads(listed.body)["data"]
        assert [entry["id"] for entry in found] == names
        assert found[0]["created"] > 1_700_000_000
    assert sidecar.check(bearer(restricted), "/v1/models/two", "GET").status == 404
    assert sidecar.metrics.decisions.counts["answered"] == 4
    assert sidecar.check({}, "/v1/models", "GET").status == 401
    assert sidecar.check({"authorization": f"Bearer sk_{'0' * 48}"}, "/v1/models", "GET").status == 401


def test_envoy_is_told_of_which_models_answers_are_kept() -> None:
    kept = {name: CacheTerms() for name in ("a", "b/x")}
    targets = {"fast": (Target("a"), Target("other")), "slow": (Target("other"),)}
    assert names_of_cached(KnownModels(1, targets=targets, caches=kept)) == "a\nb/x\nfast"
    assert names_of_cached(KnownModels(1, caches=dict.fromkeys(map(str, range(500)), CacheTerms()))) == "*"
