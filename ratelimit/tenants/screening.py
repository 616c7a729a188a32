"""The decision before any budget is asked: may this key run this model, and at what cost.  Pure; no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from clients.api import Api, api_of
from ratelimit.tenants.account import Account
from ratelimit.tenants.body import NONE, Body
from ratelimit.tenants.count import parse_count
from ratelimit.tenants.estimates.corrections import SCALE, Corrections
from ratelimit.tenants.estimates.estimate import Estimate
from ratelimit.tenants.estimates.input import is_measured
from ratelimit.tenants.estimates.request import estimate_request
from ratelimit.tenants.estimates.text import script_of
from ratelimit.tenants.routes.kind import RUNS_A_MODEL, Kind
from ratelimit.tenants.routes.table import Found, RouteTable, route_table
from tenancy.resolving.catalog import ModelState
from tenancy.values.prices import Prices
from tenancy.values.response_cache import CacheTerms
from tenancy.values.secret import without_secrets
from tenancy.values.upstream import Target, Upstream

ABSENT = "-"  # what Envoy writes for a value that the request does not have
_REFUSED, _GENERATES, _KNOWN, _OTHER = Kind.REFUSED, Kind.GENERATES, ModelState.KNOWN, ModelState.OTHER
MAX_MODEL = 256  # characters; model names are paths like `org/name:tag`


class Catalog(Protocol):
    """Which models there are."""

    def known(self) -> object | None:
        """The registry: while this is the same object, the answers below are the same.  None: it is not available."""

    def check(self, model: str) -> ModelState:
        """Answers at once, from memory."""

    def prices(self, model: str) -> Prices | None:
        """From memory; None if the model has none."""

    def upstream(self, model: str) -> Upstream | None:
        """How it is called; None: like the default upstream."""

    def targets(self, alias: str) -> Sequence[Target]:
        """The models that an alias stands for; none for a model."""

    def group_weight(self, group: str) -> int:
        """The weight of a fairshare group."""

    def cache(self, model: str) -> CacheTerms | None:
        """How its answers are kept; None: they are not."""


@dataclass(frozen=True, slots=True)
class Terms:
    """An operator's settings for all requests.  `default_model`: used for a request that names none."""

    routes: RouteTable = field(default_factory=route_table)
    default_output: int = 1024
    default_model: str = ""


class Asked(Struct, frozen=True, gc=False):
    """A request as Envoy describes it, with its route.  `route` is None if no table has it.  `model` is the one in the
    path, in the body, or the default; "" without any.  `content_length` is empty for a chunked request.  `alias`: the
    name by which the model was asked for, if that is an alias."""

    method: str
    path: str
    body: Body
    content_length: str
    route: Found | None
    model: str
    alias: str = ""

    @staticmethod
    def of(terms: Terms, method: str, path: str, body: Body = NONE, content_length: str = "") -> "Asked":
        route = terms.routes.find(method, path)
        model = without_secrets((route.model if route else "") or body.model)
        if not model and route is not None and route.kind in RUNS_A_MODEL:
            model = terms.default_model
        return Asked(method, path, body, content_length, route, model)

    @property
    def api(self) -> Api:
        """The API that its client speaks."""
        return api_of(self.path) if self.route is None else self.route.api


class Priced(Struct, frozen=True, gc=False):
    """A request that may run if the budgets hold `estimate`.  `model` is "" if none was named; `inference`: whether a
    model runs; `script`: of its text, as in estimates/text.py."""

    estimate: Estimate
    model: str
    inference: bool
    kind: Kind = Kind.GENERATES
    script: str = ""


class Rejected(Struct, frozen=True, gc=False):
    """A request that may not run, whatever the budgets hold."""

    status: int
    code: str
    message: str
    param: str | None = None
    model: str = ""


INVALID_BODY = Rejected(400, "invalid_body", "The request body must be a JSON object, in UTF-8.")
MODEL_REQUIRED = Rejected(403, "model_required", "This API key is limited to certain models; name one.", "model")
MODEL_MISSING = Rejected(400, "model_required", "The request must name a model, as a string.", "model")
CATALOG_AWAY = Rejected(503, "models_unavailable", "The list of models is not available at the moment.")
CONTROL = Rejected(
    403, "route_refused", "This route is not open to API keys: it controls the model server, or could not be counted."
)


def screen(
    asked: Asked, account: Account, catalog: Catalog, default_output: int, corrections: Corrections | None = None
) -> Priced | Rejected:
    return rejection(asked, account, catalog) or price(asked, account, default_output, corrections)


def rejection(asked: Asked, account: Account, catalog: Catalog) -> Rejected | None:
    """Refusals in this order: no such route (404, 403), unreadable (400), not allowed (403), unknown (404), without a
    price (403), undecidable (503).  What runs no model need not name one."""
    if asked.route is None:
        return _unknown_route(asked)
    kind = asked.route.kind
    if kind is _REFUSED:
        return CONTROL
    if kind in RUNS_A_MODEL and not asked.body.valid:
        return INVALID_BODY
    return _model_rejected(asked.model, kind, account, catalog, asked.alias)


def price(asked: Asked, account: Account, default_output: int, corrections: Corrections | None = None) -> Priced:
    """Of a request that is not rejected.  What runs no model costs nothing."""
    assert asked.route is not None  # noqa: S101 - else it is rejected
    kind = asked.route.kind
    body, script = asked.body, script_of(asked.body.text)
    length = 0 if is_measured(body) else parse_count(asked.content_length) or 0
    factor = SCALE if corrections is None else corrections.factor(asked.model, said(kind), script)
    estimate = estimate_request(kind, body, asked.path, length, default_output, account.smallest, factor)
    return Priced(estimate, asked.model, kind in RUNS_A_MODEL, kind, script)


def said(kind: Kind) -> str:
    """The kind as the access log writes it."""
    return "" if kind is _GENERATES else kind


def _unknown_route(asked: Asked) -> Rejected:
    shown = _shown(asked.path.split("?", 1)[0])
    message = (
        f"{_shown(asked.method)} {shown} is not served here. If the model server has this route, "
        f"the operator can say what it is in TOLLKEEPER_ROUTES; `tollkeeper routes` shows those that are."
    )
    return Rejected(404, "unknown_url", message)


def _model_rejected(model: str, kind: Kind, account: Account, catalog: Catalog, alias: str) -> Rejected | None:
    allowed = account.policy.models_allowed
    if not model:
        if kind is Kind.BATCHES:  # its requests name models that cannot be seen here
            return MODEL_REQUIRED if allowed is not None else None
        if kind not in RUNS_A_MODEL:
            return None
        if allowed is not None:
            return MODEL_REQUIRED
        state = catalog.check("")  # known only to an empty registry
        return {ModelState.KNOWN: None, ModelState.UNAVAILABLE: CATALOG_AWAY}.get(state, MODEL_MISSING)
    if allowed is not None and model not in allowed and alias not in allowed:
        shown = _shown(model)
        return Rejected(403, "model_not_allowed", f"This API key may not use the model '{shown}'.", "model", shown)
    # Such a name cannot be registered, and would only bloat leases and the ledger.
    state = catalog.check(model) if len(model) <= MAX_MODEL and model.isprintable() else ModelState.UNKNOWN
    if state is _KNOWN and not catalog.targets(model):  # of an alias that led to no model there is nothing
        return None
    if state is _OTHER:
        return _unpriced(model) if kind in RUNS_A_MODEL and account.spends else None
    if state is ModelState.UNAVAILABLE:
        return CATALOG_AWAY
    shown = _shown(model)
    return Rejected(404, "model_not_found", f"The model '{shown}' does not exist.", "model", shown)


def _unpriced(model: str) -> Rejected:
    shown = _shown(model)
    message = f"The model '{shown}' is not registered, so it has no price, and this key has a limit on what it spends."
    return Rejected(403, "model_unpriced", message, "model", shown)


def _shown(model: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in model[:MAX_MODEL])
