"""/models: the registry of models that may be asked for."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from admin.api.call import DELETES, Changing, Creating, Deleting, Reading
from admin.api.fields import (
    Body,
    Flag,
    HttpUrl,
    InFlight,
    ModelName,
    Price,
    Seconds,
    ShownPrice,
    Time,
    Tokens,
    View,
    Weight,
)
from admin.api.paging import Page
from admin.commands.directory import MODELS
from tenancy.directory.models import DEFAULT_CACHE_SECONDS, Model, NewModel, ResponseCache
from tenancy.directory.tenants import DEFAULT_WEIGHT

router = APIRouter(prefix="/models", tags=["models"])


ModelId = Annotated[str, Path(alias="id", description="The model's id")]


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

    enabled: bool
    ttl_seconds: int


class ModelView(View):
    """A registered model."""

    id: str
    name: str
    enabled: bool
    upstream_name: str | None
    endpoint: str | None
    input_price: ShownPrice | None
    output_price: ShownPrice | None
    cached_price: ShownPrice | None
    context_window: int | None
    weight: int
    max_in_flight: int | None
    cache: CacheView
    created_at: Time
    updated_at: Time


class ModelPage(View):
    """A page of models, by name."""

    models: list[ModelView]
    next_cursor: str | None


@router.post("", status_code=201, response_model=ModelView)
async def create_model(body: ModelBody, call: Creating) -> Model:
    """Registers a model; its name must be unique."""
    done = await MODELS.create(call.at, NewModel(**body.model_dump()))
    return call.created(done, f"models/{done.value.id}")


@router.get("", response_model=ModelPage)
async def list_models(page: Annotated[Page, Query()], call: Reading) -> dict[str, object]:
    """Lists the registered models by name."""
    return page.answer("models", await MODELS.page(call.at, page.limit + 1, page.after_name()), "name")


@router.get("/{id}", response_model=ModelView)
async def get_model(model_id: ModelId, call: Reading) -> Model:
    """Shows a model."""
    return call.shown(await MODELS.get(call.at, model_id))


@router.put("/{id}", response_model=ModelView)
async def update_model(model_id: ModelId, body: ModelBody, call: Changing) -> Model:
    """Replaces a model's fields, but for its cache."""
    return call.changed(await MODELS.update(call.at, model_id, NewModel(**body.model_dump())))


@router.put("/{id}/cache", response_model=ModelView)
async def set_model_cache(model_id: ModelId, body: CacheBody, call: Changing) -> Model:
    """Sets whether answers of a model may be kept, and for how long."""
    return call.changed(await MODELS.update(call.at, model_id, ResponseCache(body.enabled, body.ttl_seconds)))


@router.delete("/{id}", status_code=204, response_model=None, responses=DELETES)
async def delete_model(model_id: ModelId, call: Deleting) -> Response:
    """Takes a model out of the registry."""
    return call.deleted(await MODELS.delete(call.at, model_id))
