from collections.abc import Sequence
from dataclasses import replace

import pytest

from ratelimit.tenants.account import Account
from ratelimit.tenants.body import INVALID, Body
from ratelimit.tenants.estimates.estimate import NOTHING, Estimate
from ratelimit.tenants.routes.kind import Kind
from ratelimit.tenants.screening import (
    CATALOG_AWAY,
    INVALID_BODY,
    MODEL_MISSING,
    MODEL_REQUIRED,
    Asked,
    Priced,
    Rejected,
    Terms,
    screen,
)
from tenancy.resolving.catalog import KnownModels, ModelState
from tenancy.values.limit import Limit, Scope, Unit
from tenancy.values.policy import Policy
from tenancy.values.prices import Prices
from tenancy.values.response_cache import CacheTerms
from tenancy.values.upstream import Target, Upstream
from tests.ratelimit.rls import sample
from tests.ratelimit.stores import tokens

CHAT = "/v1/chat/completions"
TERMS = Terms()
FORTY = tuple(sample(40))


class Registry:
    """A catalog that does not change."""

    def __init__(self, *names: str, away: bool = False) -> None:
        self._models, self._away = KnownModels(1, dict.fromkeys(names, True) | ({"off": False} if names else {})), away

    def known(self) -> object | None:
        return None if self._away else self._models

    def check(self, model: str) -> ModelState:
        return ModelState.UNAVAILABLE if self._away else self._models.state(model)

    def prices(self, model: str) -> Prices | None:
        return self._models.prices.get(model)

    def upstream(self, model: str) -> Upstream | None:
        return self._models.upstreams.get(model)

    def targets(self, alias: str) -> Sequence[Target]:
        return self._models.targets.get(alias, ())

    def group_weight(self, group: str) -> int:
        return self._models.weights[group]

    def cache(self, model: str) -> CacheTerms | None:
        return None


def asked(
    method: str, path: str, model: str = "", *, terms: Terms = TERMS, body: Body | None = None, size: int = 0
) -> Asked:
    """`size`: of the text in the body, in bytes, which has a token every four."""
    given = body if body is not None else Body(model=model, text=tuple(sample(size)) if size else ())
    return Asked.of(terms, method, path, given)


def priced(
    request: Asked, *, allowed: tuple[str, ...] | None = None, away: bool = False, empty: bool = False
) -> Priced | Rejected:
    of = Account.of(Policy("acme", "key-1", models_allowed=allowed, limits=(tokens(10_000),)))
    return screen(request, of, Registry(away=away) if empty else Registry("m", "other", away=away), 1024)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (asked("POST", CHAT, body=Body("m", bound=32, text=FORTY)), Priced(Estimate(42, 10, 32), "m", True)),
        (asked("POST", CHAT, "m", size=40), Priced(Estimate(1034, 10, 0, 1024), "m", True)),
        (asked("POST", CHAT, "m"), Priced(Estimate(1024, 0, 0, 1024), "m", True)),
        (asked("POST", "/V1//chat/%63ompletions?", "m", size=40), Priced(Estimate(1034, 10, 0, 1024), "m", True)),
        (asked("POST", "/generate", "m", size=40), Priced(Estimate(1034, 10, 0, 1024), "m", True)),
        (asked("POST", "/generate_stream", body=Body("m", bound=400)), Priced(Estimate(400, 0, 400), "m", True)),
        (asked("POST", "/invocations", "m"), Priced(Estimate(1024, 0, 0, 1024), "m", True)),
        (asked("POST", "/v1/embeddings", "m", size=40), Priced(Estimate(10, 10), "m", True, Kind.EMBEDS)),
        (asked("POST", "/v1/embeddings", "m", size=400_000), Priced(Estimate(10_000, 100_000), "m", True, Kind.EMBEDS)),
        (asked("POST", "/v1/embeddings", body=Body("m", bound=9, text=FORTY)),
         Priced(Estimate(10, 10), "m", True, Kind.EMBEDS)),
        (asked("POST", "/v1/audio/speech", "m", size=40),
         Priced(Estimate(70, 10, 0, 60, spoken=True), "m", True, Kind.SPEAKS)),
        (asked("POST", "/v1/audio/transcriptions", body=Body("m", audio_ms=10_000)),
         Priced(Estimate(200, 160, 0, 40, sound=True, uncorrected=0), "m", True, Kind.TRANSCRIBES)),
        (asked("POST", "/v1/images/generations", body=Body("m", outputs=2, quality="low")),
         Priced(Estimate(544, 0, 0, 544, 2), "m", True, Kind.DRAWS)),
        (asked("POST", "/openai/deployments/m/chat/completions", size=40),
         Priced(Estimate(1034, 10, 0, 1024), "m", True)),
        (asked("POST", "/v1/files", size=400_000), Priced(NOTHING, "", False, Kind.READS)),
        (asked("POST", "/v1/files", body=INVALID), Priced(NOTHING, "", False, Kind.READS)),
        (asked("POST", "/v1/messages/count_tokens", "m", size=40), Priced(NOTHING, "m", False, Kind.COUNTS)),
        (asked("POST", "/v1/responses/input_tokens", "m", size=40), Priced(NOTHING, "m", False, Kind.COUNTS)),
        (asked("POST", "/tokenize", size=40), Priced(NOTHING, "", False, Kind.COUNTS)),
        (asked("GET", "/v1/models"), Priced(NOTHING, "", False, Kind.READS)),
        (asked("HEAD", "/v1/models"), Priced(NOTHING, "", False, Kind.READS)),
        (asked("OPTIONS", CHAT), Priced(NOTHING, "", False, Kind.READS)),
        (asked("GET", "/v1/responses/7"), Priced(NOTHING, "", False, Kind.STORED)),
        (asked("DELETE", "/v1/responses/7"), Priced(NOTHING, "", False, Kind.STORED)),
        (asked("POST", "/v1/responses/7/cancel"), Priced(NOTHING, "", False, Kind.STORED)),
        (asked("POST", "/v1/batches"), Priced(NOTHING, "", False, Kind.BATCHES)),
    ],
)  # fmt: skip
def test_what_a_request_is_expected_to_cost(request_: Asked, expected: Priced) -> None:
    assert priced(request_) == expected


@pytest.mark.parametrize(
    "path",
    [
        CHAT,
        "/v1/completions",
        "/v1/embeddings",
        "/v1/responses",
        "/v1/messages",
        "/generate",
        "/completion",
        "/api/chat",
    ],
)
def test_an_unreadable_body_is_refused_where_models_run(path: str) -> None:
    assert priced(asked("POST", path, body=INVALID)) == INVALID_BODY


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/rooms/1/messages", 404, "unknown_url"),
        ("GET", CHAT + "/v1/models", 404, "unknown_url"),
        ("BREW", CHAT, 404, "unknown_url"),
        ("PUT", CHAT, 404, "unknown_url"),
        ("GET", "/metrics", 403, "route_refused"),
        ("GET", "/slots", 403, "route_refused"),
        ("POST", "/flush_cache", 403, "route_refused"),
        ("POST", "/sleep", 403, "route_refused"),
    ],
)
def test_what_no_table_opens_is_refused(method: str, path: str, status: int, code: str) -> None:
    rejected = priced(asked(method, path, "m"))
    assert isinstance(rejected, Rejected)
    assert (rejected.status, rejected.code) == (status, code)
    assert status == 403 or "TOLLKEEPER_ROUTES" in rejected.message


def test_an_inference_request_names_a_model_once_any_is_registered() -> None:
    assert priced(asked("POST", CHAT)) == MODEL_MISSING
    assert isinstance(priced(asked("POST", CHAT), empty=True), Priced)
    assert priced(asked("POST", CHAT), away=True) == CATALOG_AWAY
    default = priced(asked("POST", CHAT, terms=Terms(default_model="m")))
    assert isinstance(default, Priced)
    assert default.model == "m"


@pytest.mark.parametrize(
    ("model", "allowed", "status", "code"),
    [
        ("nope", None, 404, "model_not_found"),
        ("off", None, 404, "model_not_found"),
        ("other", ("m",), 403, "model_not_allowed"),
        ("nope", ("m",), 403, "model_not_allowed"),
        ("nope", ("nope",), 404, "model_not_found"),
        ("M", None, 404, "model_not_found"),
        ("m ", None, 404, "model_not_found"),
        ("m\x00", None, 404, "model_not_found"),
        ("m" * 257, None, 404, "model_not_found"),
        ("m", (), 403, "model_not_allowed"),
    ],
)
def test_a_model_must_be_known_and_allowed(model: str, allowed: tuple[str, ...] | None, status: int, code: str) -> None:
    rejected = priced(asked("POST", CHAT, model), allowed=allowed)
    assert isinstance(rejected, Rejected)
    assert (rejected.status, rejected.code, rejected.param) == (status, code, "model")
    assert rejected.model.isprintable()
    assert len(rejected.model) <= 256


def test_a_model_without_a_price_is_not_for_a_key_with_a_limit_on_spending() -> None:
    class Open(Registry):
        def check(self, model: str) -> ModelState:
            return ModelState.OTHER if model == "nope" else super().check(model)

    def told(model: str, *limits: Limit, path: str = CHAT) -> str:
        found = screen(asked("POST", path, model), Account.of(Policy("a", "k", limits=limits)), Open("m"), 1024)
        return found.code if isinstance(found, Rejected) else "priced"

    spend = Limit(Scope.TENANT, Unit.COST, 10_000_000, 86_400)
    assert [told("m", spend), told("nope", tokens(9)), told("nope"), told("off")] == ["priced"] * 3 + [
        "model_not_found"
    ]
    assert told("nope", replace(spend, shadow=True)) == "priced"  # it refuses nothing
    assert told("nope", tokens(9), spend) == "model_unpriced"
    assert told("nope", spend, path="/v1/messages/count_tokens") == "priced"  # it runs no model


def test_a_restricted_key_must_name_a_model_where_one_runs() -> None:
    for path in (CHAT, "/generate", "/v1/audio/transcriptions", "/v1/batches"):
        assert priced(asked("POST", path), allowed=("m",)) == MODEL_REQUIRED
    form = asked("POST", "/v1/audio/transcriptions", body=Body("m", audio_ms=1000))
    assert isinstance(priced(form, allowed=("m",)), Priced)
    assert isinstance(priced(asked("GET", "/v1/models"), allowed=("m",)), Priced)
    assert isinstance(priced(asked("POST", "/v1/files"), allowed=("m",)), Priced)
    assert isinstance(priced(asked("POST", "/v1/responses/x/cancel"), allowed=("m",)), Priced)
    in_path = priced(asked("POST", "/v1beta/models/expensive:generateContent", "m"), allowed=("m",))
    assert isinstance(in_path, Rejected)
    assert in_path.code == "model_not_allowed"


def test_without_a_catalog_a_named_model_cannot_be_decided() -> None:
    rejected = priced(asked("POST", CHAT, "m"), away=True)
    assert isinstance(rejected, Rejected)
    assert rejected.status == 503
    assert isinstance(priced(asked("GET", "/v1/models"), away=True), Priced)
