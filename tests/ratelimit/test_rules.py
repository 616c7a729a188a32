import pytest

from ratelimit.tenants.account import Account
from ratelimit.tenants.estimate import NOTHING, Estimate
from ratelimit.tenants.rules import INVALID_BODY, MODEL_REQUIRED, Asked, Priced, Rejected, decide, plain_path
from tenancy.resolving.catalog import KnownModels, ModelState
from tenancy.values.policy import Policy
from tenancy.values.prices import Prices
from tests.ratelimit.stores import tokens

CHAT = "/v1/chat/completions"


class Registry:
    """A catalog that does not change."""

    def __init__(self, *names: str, away: bool = False) -> None:
        self._models, self._away = KnownModels(1, dict.fromkeys(names, True) | {"off": False}), away

    def check(self, model: str) -> ModelState:
        return ModelState.UNAVAILABLE if self._away else self._models.state(model)

    def prices(self, model: str) -> Prices | None:
        return self._models.prices.get(model)


def priced(asked: Asked, *, allowed: tuple[str, ...] | None = None, away: bool = False) -> Priced | Rejected:
    of = Account.of(Policy("acme", "key-1", models_allowed=allowed, limits=(tokens(10_000),)))
    return decide(asked, of, Registry("m", "other", away=away), 1024)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Asked("POST", CHAT, "m", max_tokens="32", content_length="40"), Priced(Estimate(42, 10, 32), "m", True)),
        (Asked("POST", CHAT, "m", content_length="40"), Priced(Estimate(1034, 10, 0, 1024), "m", True)),
        (Asked("POST", CHAT, "m"), Priced(Estimate(1024, 0, 0, 1024), "m", True)),
        (Asked("POST", "/V1//chat/%63ompletions?", content_length="40"), Priced(Estimate(1034, 10, 0, 1024), "", True)),
        (Asked("POST", "/generate", "m", content_length="40"), Priced(Estimate(1034, 10, 0, 1024), "m", True)),
        (Asked("POST", "/generate", content_length="40"), Priced(Estimate(10, 10), "", False)),
        (Asked("POST", "/v1/files", content_length="400000"), Priced(Estimate(10_000, 100_000), "", False)),
        (Asked("POST", "/generate", content_length="40", body_invalid=True), Priced(Estimate(10, 10), "", False)),
        (Asked("POST", "/v1/embeddings", "m", content_length="40"), Priced(Estimate(10, 10), "m", True)),
        (Asked("POST", "/v1/embeddings", "m", max_tokens="9", content_length="4"), Priced(Estimate(1, 1), "m", True)),
        (Asked("GET", "/v1/models"), Priced(NOTHING, "", False)),
        (Asked("GET", CHAT), Priced(NOTHING, "", False)),
        (Asked("HEAD", CHAT, content_length="0"), Priced(NOTHING, "", False)),
        (Asked("OPTIONS", CHAT), Priced(NOTHING, "", False)),
        (Asked("DELETE", "/v1/responses/7"), Priced(NOTHING, "", False)),
        (Asked("GET", CHAT, "m", content_length="40"), Priced(Estimate(1034, 10, 0, 1024), "m", True)),
        (Asked("BREW", CHAT, content_length="40"), Priced(Estimate(1034, 10, 0, 1024), "", True)),
    ],
)  # fmt: skip
def test_what_a_request_is_expected_to_cost(asked: Asked, expected: Priced) -> None:
    assert priced(asked) == expected


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages"])
def test_an_unreadable_body_is_refused_where_models_run(path: str) -> None:
    assert priced(Asked("POST", path, content_length="40", body_invalid=True)) == INVALID_BODY


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
    rejected = priced(Asked("POST", CHAT, model, content_length="40"), allowed=allowed)
    assert isinstance(rejected, Rejected)
    assert (rejected.status, rejected.code, rejected.param) == (status, code, "model")
    assert rejected.model.isprintable()
    assert len(rejected.model) <= 256


def test_a_restricted_key_must_name_a_model_in_every_body() -> None:
    for path in (CHAT, "/generate"):
        assert priced(Asked("POST", path, content_length="40"), allowed=("m",)) == MODEL_REQUIRED
        assert priced(Asked("POST", path), allowed=("m",)) == MODEL_REQUIRED
    assert priced(Asked("POST", "/upload", content_length="9", body_invalid=True), allowed=("m",)) == MODEL_REQUIRED
    assert isinstance(priced(Asked("GET", "/v1/models"), allowed=("m",)), Priced)
    assert isinstance(priced(Asked("POST", "/v1/x/cancel", content_length="0"), allowed=("m",)), Priced)


def test_without_a_catalog_a_named_model_cannot_be_decided() -> None:
    rejected = priced(Asked("POST", CHAT, "m", content_length="40"), away=True)
    assert isinstance(rejected, Rejected)
    assert rejected.status == 503
    assert isinstance(priced(Asked("GET", "/v1/models"), away=True), Priced)


@pytest.mark.parametrize(
    "path",
    [CHAT + "/", CHAT + "?x=1", CHAT + "//?", "//v1//chat/completions", "/V1/Chat/completions"],
)  # fmt: skip
def test_a_path_has_one_spelling(path: str) -> None:
    assert plain_path(path) == CHAT
