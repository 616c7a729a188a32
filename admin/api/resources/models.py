"""/models: the registry of models that may be asked for."""

import re
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from admin.api.derived import view_of
from admin.api.resources.routes import Routes
from admin.commands.directory import MODELS
from admin.fields import Body, Flag, HttpUrl, InFlight, ModelName, Tokens, View, Weight
from tenancy.directory.models import DEFAULT_CACHE_SECONDS, Model, NewModel, ResponseCache
from tenancy.directory.tenants import DEFAULT_WEIGHT

router = APIRouter(prefix="/models", tags=["models"])

PRICE = re.compile(r"^[0-9]{1,12}(\.[0-9]{1,8})?$")


def _price(value: object) -> Decimal:
    if not isinstance(value, str) or not PRICE.fullmatch(value):
        raise ValueError('must be a decimal in a string, such as "0.15", with at most 8 decimals')
    return Decimal(value)


def _decimal(value: Decimal) -> str:
    return format(value.normalize(), "f")


# For a million tokens.  A number would lose digits on its way through JSON.
Price = Annotated[
    Decimal,
    BeforeValidator(_price),
    WithJsonSchema({"type": "string", "pattern": PRICE.pattern, "examples": ["0.15"]}),
]
ShownPrice = Annotated[
    Decimal,
    PlainSerializer(_decimal, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PRICE.pattern, "examples": ["0.15"]}),
]
Seconds = Annotated[int, Field(strict=True, ge=1, le=10**9)]


class ModelBody(Body):
    """A model.  From the first registered model on, a request for a model that is not registered gets 404."""

    name: ModelName = Field(description="What requests ask for", examples=["mock-model"])
    enabled: Flag = True
    upstream_name: ModelName | None = Field(None, description="What the endpoint calls it, if not the same")
    endpoint: HttpUrl | None = Field(None, examples=["http://vllm.internal:8000/v1"])
    input_price: Price | None = Field(None, description="For a million input tokens; null: free")
    output_price: Price | None = Field(None, description="For a million output tokens; null: free", examples=["0.60"])
    cached_price: Price | None = Field(None, description="For a million cached input tokens; null: free")
    context_window: Tokens | None = Field(None, examples=[128_000])
    weight: Weight = DEFAULT_WEIGHT
    max_in_flight: InFlight | None = None


class CacheBody(Body):
    """Whether answers of the model may be kept, and for how long."""

    enabled: Flag
    ttl_seconds: Seconds = Field(DEFAULT_CACHE_SECONDS, examples=[300])


class CacheView(View):
    """Whether answers of the model may be kept, and for how long."""

    __module__ = "admin.models"  # what the OpenAPI document has always named it after, since there are two

    enabled: bool
    ttl_seconds: int


PRICES: dict[str, Any] = dict.fromkeys(("input_price", "output_price", "cached_price"), ShownPrice | None)
ModelView = view_of(Model, "ModelView", "A registered model.", cache=CacheView, **PRICES)

routes = Routes(router, MODELS, "model", ModelView)
routes.create(ModelBody, NewModel, "Registers a model; its name must be unique.")
routes.list("models", "A page of models, by name.", "Lists the registered models by name.")
routes.show("Shows a model.")
routes.update("PUT", ModelBody, "Replaces a model's fields, but for its cache.", NewModel)
routes.delete("Takes a model out of the registry.")
CACHE_SAYS = "Sets whether answers of a model may be kept, and for how long."
routes.update("PUT", CacheBody, CACHE_SAYS, ResponseCache, at="/cache")
