"""The model registry, as operators change it: which models may be asked for.  No SQL, no HTTP.

While it is empty every model is admitted; from the first entry on, only those in it that are enabled.  Sidecars read
it as the catalog (resolving/catalog.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.values.policy import DEFAULT_WEIGHT
from tenancy.values.response_cache import DEFAULT_BYTES, DEFAULT_SECONDS, CachedRequests, CacheScope
from tenancy.values.upstream import AUTHORIZATION, Endpoint, Target, Upstream

MAX_TIERS = 20


class NoSuchModel(LookupError):
    """No model has this id."""


class ModelNameTaken(ValueError):
    """Another model has this name."""


class UnknownTarget(ValueError):
    """An alias cannot stand for this: no model has the name, or an alias does."""


class ModelInUse(ValueError):
    """This alias stands for the model."""


@dataclass(frozen=True, slots=True)
class ResponseCache:
    """Whether a model's answers are kept, and how; the rest is as in CacheTerms.  `purge`: all that is kept is
    forgotten; it is asked for, and never stored."""

    enabled: bool = False
    ttl_seconds: int = DEFAULT_SECONDS
    scope: CacheScope = CacheScope.TENANT
    requests: CachedRequests = CachedRequests.DETERMINISTIC
    max_bytes: int = DEFAULT_BYTES
    charge_percent: int = 0
    purges: int = 0
    purge: bool = False

    def after(self, before: "ResponseCache") -> "ResponseCache":
        """What is stored when this replaces `before`."""
        return replace(self, purges=before.purges + self.purge, purge=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrices:
    """In the operators' currency, per million tokens, but per image made, per request and per search.  None: the price
    of what it is a part of, else free (tenancy/values/prices.py)."""

    input_price: Decimal | None = None
    output_price: Decimal | None = None
    cached_price: Decimal | None = None
    cache_write_5m_price: Decimal | None = None
    cache_write_1h_price: Decimal | None = None
    reasoning_price: Decimal | None = None
    audio_input_price: Decimal | None = None
    audio_output_price: Decimal | None = None
    image_input_price: Decimal | None = None
    image_output_price: Decimal | None = None
    image_price: Decimal | None = None
    request_price: Decimal | None = None
    search_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTier(ModelPrices):
    """Prices in the place of a model's own, for requests in a service tier, with more input tokens, or both.  None: the
    model's own."""

    service_tier: str | None = None
    above_input_tokens: int | None = None


def wrong_with(tiers: Sequence[PriceTier]) -> str:
    """Why tiers do not go together; "" if they do."""
    requests = [(tier.service_tier, tier.above_input_tokens) for tier in tiers]
    if (None, None) in requests:
        return "a tier needs service_tier, above_input_tokens, or both"
    if len({*requests}) < len(requests):
        return "two tiers are for the same requests"
    return "" if len(tiers) <= MAX_TIERS else f"a model has at most {MAX_TIERS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms(ModelPrices):
    """What operators set of a model beside its name.  None: the same name upstream, no endpoint, not limited, waiting
    for as long as elsewhere.

    `endpoint` is short for one of the `endpoints`.  With `targets` it is no model but an alias: each request for it is
    one for a model that it stands for.  What says how endpoints are called is as in tenancy/values/upstream.py.
    """

    upstream_name: str | None = None
    endpoint: str | None = None
    context_window: int | None = None
    weight: int = DEFAULT_WEIGHT
    max_in_flight: int | None = None
    queue_timeout_seconds: int | None = None
    price_tiers: tuple[PriceTier, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    targets: tuple[Target, ...] = ()
    credential: str | None = None
    credential_header: str = AUTHORIZATION
    timeout_seconds: int | None = None
    retries: int = 2
    health_path: str | None = None
    ca_file: str | None = None
    send_priority: bool = False


@dataclass(frozen=True, slots=True)
class NewModel(Terms):
    """The fields of a model that operators set."""

    name: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Model(Terms):
    """`name` is what requests ask for, `id` what the management API's paths contain."""

    id: str
    name: str
    enabled: bool
    cache: ResponseCache
    created_at: datetime
    updated_at: datetime


def fields_of(value: ModelPrices) -> dict[str, Any]:
    """The fields by name; tiers stay values."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def upstream_of(model: Terms) -> Upstream:
    """How requests for it are sent."""
    endpoints = (Endpoint(model.endpoint),) if model.endpoint else model.endpoints
    return Upstream(
        model.upstream_name or "",
        endpoints,
        model.credential,
        model.credential_header,
        model.timeout_seconds,
        model.retries,
        model.health_path,
        model.ca_file,
        model.send_priority,
    )


class Registry(Protocol):
    """Each change is atomic with its audit entry and its outbox row; changes are made in order.

    Raises what store.postgres.UNAVAILABLE lists.
    """

    async def create(self, new: NewModel, by: ChangeRequest) -> Model:
        """ModelNameTaken, UnknownTarget."""

    async def get(self, model_id: str) -> Model | None:
        """None if there is none."""

    async def page(self, limit: int, after: str = "") -> tuple[Model, ...]:
        """At most `limit` models, ordered by name, after the given one."""

    async def update(self, model_id: str, to: NewModel | ResponseCache, by: ChangeRequest) -> Model:
        """Replaces everything but the cache, or only the cache.  NoSuchModel, ModelNameTaken, UnknownTarget,
        StateChanged; ModelInUse if an alias would lose what it stands for.

        A change that changes nothing leaves no trace.
        """

    async def delete(self, model_id: str, by: ChangeRequest) -> Deleted:
        """NoSuchModel, ModelInUse, StateChanged."""
