"""/models: the registry of models that may be asked for."""

import json
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, Field, PlainSerializer, WithJsonSchema

from admin.api.call import Reading
from admin.api.derived import shape, view_of
from admin.api.paging import Page, page_of
from admin.api.resources.routes import Routes
from admin.commands.directory import MODELS
from admin.commands.queries.explain import history
from admin.commands.queries.models import LiveEndpoint, LiveModel, live
from admin.fields import (
    PRICE,
    AnyId,
    Body,
    Flag,
    InFlight,
    ModelName,
    Price,
    Prices,
    QueueSeconds,
    ServiceTier,
    Time,
    Tokens,
    View,
    Weight,
)
from admin.upstream_fields import EndpointUrl, UpstreamFields, values_of
from tenancy.directory.models import (
    MAX_TIERS,
    Model,
    NewModel,
    PriceTier,
    ResponseCache,
    fields_of,
    wrong_with,
)
from tenancy.directory.price_history import PriceVersion
from tenancy.values.policy import DEFAULT_WEIGHT
from tenancy.values.prices import PRICE_FIELDS, TIERS
from tenancy.values.response_cache import DEFAULT_BYTES, DEFAULT_SECONDS, MAX_BYTES, CachedRequests, CacheScope
from tenancy.values.upstream import Endpoint, Target

router = APIRouter(prefix="/models", tags=["models"])


def _decimal(value: Decimal) -> str:
    return format(value.normalize(), "f")


ShownPrice = Annotated[
    Decimal,
    PlainSerializer(_decimal, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PRICE.pattern, "examples": ["0.15"]}),
]
Seconds = Annotated[int, Field(strict=True, ge=1, le=10**9)]


A_MILLION = "Price of a million tokens"


class TierCondition(Body):
    """Which requests a tier is for."""

    service_tier: ServiceTier | None = Field(
        None, description="Service tier, as the model server's answer names it", examples=["batch"]
    )
    above_input_tokens: Tokens | None = Field(
        None, description="Requests with more input tokens than this", examples=[200_000]
    )


class TierBody(Prices, TierCondition):
    """Prices that replace the model's own for requests in a service tier, with long input, or both."""


def _apart(tiers: list[TierBody]) -> list[TierBody]:
    if wrong := wrong_with([PriceTier(**tier.model_dump()) for tier in tiers]):
        raise ValueError(wrong)
    return tiers


class ModelBody(UpstreamFields):
    """A model, or with `targets` an alias of models.  From the first registered model on, a request must name a model;
    one that is not registered goes to the default upstream without a price, or gets 404
    (`TOLLKEEPER_UNREGISTERED_MODELS`)."""

    name: ModelName = Field(description="The name that requests ask for", examples=["mock-model"])
    enabled: Flag = True
    upstream_name: ModelName | None = Field(None, description="Its name at the endpoint, if different")
    endpoint: EndpointUrl | None = Field(
        None, description="URL of its only server; null: the default upstream", examples=["http://vllm.internal:8000"]
    )
    input_price: Price | None = Field(None, description="Price of a million input tokens; null: free")
    output_price: Price | None = Field(
        None, description="Price of a million output tokens; null: free", examples=["0.60"]
    )
    cached_price: Price | None = Field(None, description="Price of a million cached input tokens; null: as input")
    context_window: Tokens | None = Field(None, examples=[128_000])
    weight: Weight = DEFAULT_WEIGHT
    max_in_flight: InFlight | None = Field(None, description="Maximum requests at once, in all sidecars; others wait")
    cache_write_5m_price: Price | None = Field(None, description=f"{A_MILLION} written into a cache; null: as input")
    cache_write_1h_price: Price | None = Field(None, description=f"{A_MILLION} written for an hour; null: as for 5 min")
    reasoning_price: Price | None = Field(None, description=f"{A_MILLION} of reasoning; null: as output")
    audio_input_price: Price | None = Field(None, description=f"{A_MILLION} of sound put in; null: as input")
    audio_output_price: Price | None = Field(None, description=f"{A_MILLION} of sound put out; null: as output")
    image_input_price: Price | None = Field(None, description=f"{A_MILLION} of images put in; null: as input")
    image_output_price: Price | None = Field(None, description=f"{A_MILLION} of images put out; null: as output")
    image_price: Price | None = Field(None, description="Price of each image made; null: free")
    request_price: Price | None = Field(None, description="Price of each request that ran; null: free")
    search_price: Price | None = Field(None, description="Price of each search that the provider made; null: free")
    queue_timeout_seconds: QueueSeconds | None = Field(
        None, description="Seconds that a request may wait for capacity; 0: not at all; null: TOLLKEEPER_QUEUE_SECONDS"
    )
    price_tiers: Annotated[list[TierBody], Field(max_length=MAX_TIERS), AfterValidator(_apart)] = Field(
        [],
        description="Prices of service tiers and of long input",
        examples=[[{"service_tier": "batch", "input_price": "0.075"}]],
    )


class CacheBody(Body):
    """Whether and how the model's answers are kept, to answer equal requests."""

    enabled: Flag
    ttl_seconds: Seconds = Field(DEFAULT_SECONDS, examples=[300])
    scope: CacheScope = Field(
        CacheScope.TENANT, description="Who shares kept answers: one tenant, one user, or everybody"
    )
    requests: CachedRequests = Field(
        CachedRequests.DETERMINISTIC,
        description="Requests whose answers are kept: with temperature 0 or a seed or never sampled; or all",
    )
    max_bytes: Annotated[int, Field(strict=True, ge=1, le=MAX_BYTES)] = Field(
        DEFAULT_BYTES, description="Maximum size of an answer; a longer one is not kept", examples=[DEFAULT_BYTES]
    )
    charge_percent: Annotated[int, Field(strict=True, ge=0, le=100)] = Field(
        0, description="Percentage of its tokens that is charged for a kept answer"
    )
    purge: Flag = Field(False, description="Forget all kept answers")


class CacheView(View):
    """Whether and how the model's answers are kept, to answer equal requests."""

    __module__ = "admin.models"  # what the OpenAPI document has always named it after, since there are two

    enabled: bool
    ttl_seconds: int
    scope: CacheScope
    requests: CachedRequests
    max_bytes: int
    charge_percent: int
    purges: int = Field(description="How often all kept answers were forgotten")


PRICES: dict[str, Any] = dict.fromkeys(PRICE_FIELDS, ShownPrice | None)
TierView = view_of(PriceTier, "TierView", "Prices of a service tier, or of long input.", **PRICES)
OWN: dict[str, Any] = {
    "cache": CacheView,
    "price_tiers": list[TierView],  # type: ignore[valid-type] # made above
    "endpoints": list[view_of(Endpoint, "EndpointView", "A server of a model.")],  # type: ignore[misc] # made here
    "targets": list[view_of(Target, "TargetView", "A model that an alias stands for.")],  # type: ignore[misc]
}
ModelView = view_of(Model, "ModelView", "A registered model, or an alias of some.", **OWN, **PRICES)


def _new_model(*, price_tiers: list[dict[str, Any]], **fields: Any) -> NewModel:
    return NewModel(**values_of(fields), price_tiers=tuple(PriceTier(**tier) for tier in price_tiers))


routes = Routes(router, MODELS, "model", ModelView)
routes.create(ModelBody, _new_model, "Registers a model; its name must be unique.")
routes.list("models", "A page of models, by name.", "Lists the registered models by name.")


LiveModelView = view_of(
    LiveModel,
    "LiveModelView",
    "What a model does now, by the sidecars' last reports.",
    endpoints=list[view_of(LiveEndpoint, "LiveEndpointView", "An endpoint, as Envoy sees it.")],  # type: ignore[misc]
)
ShownModelView = shape("ShownModelView", "A model and what it does now.", ModelView, live=(LiveModelView | None, None))


@router.get("/{id}", response_model=ShownModelView)
async def get_model(id: Annotated[str, Path(description="The model's id")], call: Reading) -> dict[str, Any]:
    """Shows a model, with its endpoints' health, what is in flight, and how fast it writes."""
    found = call.shown(await MODELS.get(call.session, id))
    return {**fields_of(found), "live": await live(call.session, found)}


routes.update("PUT", ModelBody, "Replaces a model's fields, but for its cache.", _new_model)
routes.delete("Takes a model out of the registry.")


class PricesView(View):
    """A set of prices, named like the model's fields, and the time from which it was in force."""

    version: int = Field(description="Version of the prices, as rows of the ledger have it", examples=[17])
    model: str = Field(description="The name that the model had", examples=["mock-model"])
    since: Time
    prices: dict[str, Any] = Field(examples=[{"input_price": "0.15", "output_price": "0.60"}])


PricesPage = page_of("PricesPage", "A page of a model's price sets, newest first.", prices=PricesView)


@router.get("/{id}/prices", response_model=PricesPage)
async def list_model_prices(
    id: Annotated[AnyId, Path(description="The model's id")], page: Annotated[Page, Query()], call: Reading
) -> dict[str, object]:
    """Lists the sets of prices of a model, even a deleted one, newest first.  Each keeps its version."""
    found = await history(call.session, id, page.limit + 1, page.before_id())
    return page.answer("prices", [_of_version(each) for each in found], "version")


def _of_version(of: PriceVersion) -> PricesView:
    named: dict[str, Any] = json.loads(of.named, parse_float=Decimal)
    prices = {name: each if name == TIERS else _decimal(Decimal(each)) for name, each in named.items()}
    return PricesView(version=of.version, model=of.model, since=of.since, prices=prices)


CACHE_SAYS = "Sets whether and how a model's answers are kept, to answer equal requests."
routes.update("PUT", CacheBody, CACHE_SAYS, ResponseCache, at="/cache")
