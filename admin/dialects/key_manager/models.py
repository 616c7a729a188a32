"""/models and /v1/models: which models there are."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from admin.commands import teams
from admin.commands.directory import MODELS
from admin.commands.session import Session
from admin.dialects.key_manager.call import MOST, Asked
from admin.fields import Body, UserId
from tenancy.directory.models import Model

router = APIRouter()

NAMESPACE = "llm"  # of every model: there are none here, and it is what the key manager's documents show


class Whose(Body):
    """Only models that some key of this user may ask for, in whichever team."""

    user_id: UserId | None = None


@router.get("/models")
async def list_models(whose: Annotated[Whose, Query()], session: Asked) -> JSONResponse:
    """Lists the registered models by name."""
    return JSONResponse({"models": [_service(model) for model in await _registered(session, whose.user_id)]})


@router.get("/v1/models")
async def list_models_for_clients(whose: Annotated[Whose, Query()], session: Asked) -> JSONResponse:
    """Lists those that may be asked for, in OpenAI's shape."""
    found = await _registered(session, whose.user_id)
    return JSONResponse({"data": [_entry(model) for model in found if model.enabled], "object": "list"})


async def _registered(session: Session, user_id: str | None) -> list[Model]:
    allowed = None if user_id is None else await teams.models_of_user(session, user_id, MOST)
    found = await MODELS.page(session, MOST)
    return [model for model in found if allowed is None or model.name in allowed]


def _service(model: Model) -> dict[str, object]:
    return {"name": model.name, "namespace": NAMESPACE, "url": model.endpoint or "", "ready": model.enabled}


def _entry(model: Model) -> dict[str, object]:
    created = int(model.created_at.timestamp())
    return {"id": model.name, "created": created, "object": "model", "owned_by": NAMESPACE}
