"""/models: the registry of models that may be asked for."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator, Field

from admin.fields import (
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
from admin.paging import Page, cut
from admin.services import Use
from admin.terms import DELETES, By, ByCreating, ByDeleting, tagged
from tenancy.directory.models import DEFAULT_CACHE_SECONDS, MODEL_ID, Model, NewModel, NoSuchModel, ResponseCache
from tenancy.directory.tenants import DEFAULT_WEIGHT

router = APIRouter(prefix="/models", tags=["models"])


def _check_model_id(text: str) -> str:
    if not MODEL_ID.fullmatch(text):
        raise NoSuchModel(text)
    return text


ModelId = Annotated[str, Path(alias="id", description="The model's id"), AfterValidator(_check_model_id)]


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
async def create_model(body: ModelBody, use: Use, by: ByCreating, response: Response) -> Model:
    """Registers a model; its name must be unique."""
    model = await use.registry.create(NewModel(**body.model_dump()), by)
    await use.propagate(response)
    response.headers["location"] = f"/api/v1/models/{model.id}"
    return tagged(response, model)


@router.get("", response_model=ModelPage)
async def list_models(page: Annotated[Page, Query()], use: Use) -> dict[str, object]:
    """Lists the registered models by name."""
    found = await use.registry.page(page.limit + 1, page.after_name())
    models, next_cursor = cut(found, page.limit, lambda model: (model.name,))
    return {"models": models, "next_cursor": next_cursor}


@router.get("/{id}", response_model=ModelView)
async def get_model(model_id: ModelId, use: Use, response: Response) -> Model:
    """Shows a model."""
    model = await use.registry.get(model_id)
    if model is None:
        raise NoSuchModel(model_id)
    return tagged(response, model)


@router.put("/{id}", response_model=ModelView)
async def update_model(model_id: ModelId, body: ModelBody, use: Use, by: By, response: Response) -> Model:
    """Replaces a model's fields, but for its cache."""
    model = await use.registry.update(model_id, NewModel(**body.model_dump()), by)
    await use.propagate(response)
    return tagged(response, model)


@router.put("/{id}/cache", response_model=ModelView)
async def set_model_cache(model_id: ModelId, body: CacheBody, use: Use, by: By, response: Response) -> Model:
    """Sets whether answers of a model may be kept, and for how long."""
    model = await use.registry.update(model_id, ResponseCache(body.enabled, body.ttl_seconds), by)
    await use.propagate(response)
    return tagged(response, model)


@router.delete("/{id}", status_code=204, response_model=None, responses=DELETES)
async def delete_model(model_id: ModelId, use: Use, by: ByDeleting) -> Response:
    """Takes a model out of the registry."""
    return await use.deleted(await use.registry.delete(model_id, by), by)
