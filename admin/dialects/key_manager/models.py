"""/models and /v1/models: which models there are."""

from fastapi import APIRouter

from admin.commands.directory import MODELS
from admin.commands.session import Session
from admin.dialects.key_manager.call import Asked
from tenancy.directory.models import Model

router = APIRouter()

NAMESPACE = "llm"  # of every model: there are none here, and it is what the key manager's documents show
PAGE = 1000


@router.get("/models")
async def list_models(session: Asked) -> dict[str, object]:
    """Lists the registered models by name."""
    return {"models": [_service(model) for model in await registered(session)]}


@router.get("/v1/models")
async def list_models_for_clients(session: Asked) -> dict[str, object]:
    """Lists those that may be asked for, in OpenAI's shape."""
    return {"data": [_entry(model) for model in await registered(session) if model.enabled], "object": "list"}


async def registered(session: Session) -> list[Model]:
    """All of them, by name."""
    found: list[Model] = []
    while page := await MODELS.page(session, PAGE, found[-1].name if found else ""):
        found += page
    return found


def _service(model: Model) -> dict[str, object]:
    return {"name": model.name, "namespace": NAMESPACE, "url": model.endpoint or "", "ready": model.enabled}


def _entry(model: Model) -> dict[str, object]:
    created = int(model.created_at.timestamp())
    return {"id": model.name, "created": created, "object": "model", "owned_by": NAMESPACE}
