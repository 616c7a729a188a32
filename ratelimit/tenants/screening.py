"""The decision before any budget is asked: may this key run this model, and what does it cost.  Pure; no I/O."""

import re
from collections.abc import Mapping
from typing import NamedTuple, Protocol
from urllib.parse import unquote

from ratelimit.tenants.account import Account
from ratelimit.tenants.estimate import NOTHING, Estimate, estimate, estimate_input, parse_count
from tenancy.resolving.catalog import ModelState
from tenancy.values.prices import Prices

ABSENT = "-"  # what Envoy puts for a value that the request does not have
# Compared by their end, so that an upstream behind a prefix is known too.
TEXT_PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages")
EMBEDDING_PATHS = ("/v1/embeddings",)
INFERENCE_PATHS = TEXT_PATHS + EMBEDDING_PATHS
OUTPUT_BOUNDS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
MAX_MODEL = 256  # characters; model names are paths like `org/name:tag`
SLASHES = re.compile("/{2,}")


class Catalog(Protocol):
    """Which models there are."""

    def check(self, model: str) -> ModelState:
        """Answers at once, from memory."""

    def prices(self, model: str) -> Prices | None:
        """From memory too; None if the model has none."""


class Priced(NamedTuple):
    """It may run if the budgets hold `estimate`.  `model` is "" if none was named."""

    estimate: Estimate
    model: str
    inference: bool


class Rejected(NamedTuple):
    """It may not run, whatever the budgets hold."""

    status: int
    code: str
    message: str
    param: str | None = None
    model: str = ""


INVALID_BODY = Rejected(400, "invalid_body", "The request body must be a JSON object.")
MODEL_REQUIRED = Rejected(403, "model_required", "This API key is limited to certain models; name one.", "model")
CATALOG_AWAY = Rejected(503, "models_unavailable", "The list of models is not available at the moment.")


def screen(
    entries: Mapping[str, str], account: Account, catalog: Catalog, default_output_tokens: int
) -> Priced | Rejected:
    """Of a request as Envoy describes it: method, path, model, content_length, max_tokens, max_completion_tokens,
    max_output_tokens, n, and body, which is there if it is not a JSON object.  What is absent is `-` or not there.

    Refusals in this order: unreadable (400), not allowed (403), unknown (404), undecidable (503)."""
    get = entries.get
    length = parse_count(get("content_length", ""))
    if get("method") in WITHOUT_BODY and not length:
        return Priced(NOTHING, "", inference=False)
    path = plain_path(get("path", ""))
    known_path = path.endswith(INFERENCE_PATHS)
    if known_path and get("body", ABSENT) != ABSENT:
        return INVALID_BODY
    model = get("model", ABSENT)
    if model == ABSENT:
        model = ""
    rejected = _model_rejected(model, length is None or length > 0, account, catalog)
    if rejected is not None:
        return rejected
    inference = known_path or bool(model)
    if not inference or path.endswith(EMBEDDING_PATHS):
        return Priced(estimate_input(length or 0, smallest=account.smallest), model, inference)
    bounds = [text for name in OUTPUT_BOUNDS if (text := get(name, ABSENT)) != ABSENT]
    choices = get("n", ABSENT)
    cost = estimate(length or 0, bounds, choices, default_output=default_output_tokens, smallest=account.smallest)
    return Priced(cost, model, inference)


def plain_path(path: str) -> str:
    """A path as the upstream will most likely understand it: no query, escapes decoded, one slash, lower case."""
    path = path.split("?", 1)[0].split("#", 1)[0]
    if "%" in path:
        path = unquote(path, errors="replace")
    return SLASHES.sub("/", path).rstrip("/").lower()


def _model_rejected(model: str, has_body: bool, account: Account, catalog: Catalog) -> Rejected | None:
    allowed = account.policy.models_allowed
    if not model:
        return MODEL_REQUIRED if allowed is not None and has_body else None
    if allowed is not None and model not in allowed:
        shown = _shown(model)
        return Rejected(403, "model_not_allowed", f"This API key may not use the model '{shown}'.", "model", shown)
    # Such a name cannot be registered; it would only bloat leases and the ledger.
    state = catalog.check(model) if len(model) <= MAX_MODEL and model.isprintable() else ModelState.UNKNOWN
    if state is ModelState.KNOWN:
        return None
    if state is ModelState.UNAVAILABLE:
        return CATALOG_AWAY
    shown = _shown(model)
    return Rejected(404, "model_not_found", f"The model '{shown}' does not exist.", "model", shown)


def _shown(model: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in model[:MAX_MODEL])
