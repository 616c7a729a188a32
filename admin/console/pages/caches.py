"""/console/models/…/cache: whether and how a model's answers are kept, to answer equal requests."""

from typing import Annotated
from urllib.parse import quote

from pydantic import BeforeValidator, Field
from starlette.responses import Response

from admin.commands.directory import MODELS
from admin.console.cookies import PREFIX
from admin.console.forms import Form, submitted
from admin.console.numbers import whole_number
from admin.console.visit import Routes, Visit
from admin.console.words import text_of
from admin.fields import Body
from tenancy.directory.change_request import tag_of
from tenancy.directory.models import ResponseCache
from tenancy.values.response_cache import (
    DEFAULT_BYTES,
    DEFAULT_SECONDS,
    MAX_BYTES,
    MAX_SECONDS,
    CachedRequests,
    CacheScope,
)

routes = Routes()


class CacheForm(Body):
    """As `PUT /models/{id}/cache`."""

    enabled: bool = False
    ttl_seconds: Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=MAX_SECONDS)] = DEFAULT_SECONDS
    scope: CacheScope = CacheScope.TENANT
    requests: CachedRequests = CachedRequests.DETERMINISTIC
    max_bytes: Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=MAX_BYTES)] = DEFAULT_BYTES
    charge_percent: Annotated[int, BeforeValidator(whole_number), Field(ge=0, le=100)] = 0
    purge: bool = False


@routes.get(f"{PREFIX}/models/{{id}}/cache")
async def cache(visit: Visit) -> Response:
    found = await MODELS.get(visit.session, visit.path("id"))
    fields = {name: getattr(found.cache, name) for name in CacheForm.model_fields}
    return await _form(visit, Form({name: text_of(each) for name, each in fields.items()}), 200)


@routes.post(f"{PREFIX}/models/{{id}}/cache")
async def save_cache(visit: Visit) -> Response:
    model_id = visit.path("id")

    async def make(form: CacheForm) -> Response:
        done = await MODELS.update(visit.on_terms(), model_id, ResponseCache(**form.model_dump()))
        return visit.to(f"{PREFIX}/models/{quote(model_id)}", "model-saved", done)

    return await submitted(visit, CacheForm, lambda form, status: _form(visit, form, status), make)


async def _form(visit: Visit, form: Form, status: int) -> Response:
    found = await MODELS.get(visit.session, visit.path("id"))
    shown = {"model": found, "form": form, "seen": visit.field("_seen") or tag_of(found)}
    return visit.page("cache.html", status, title="Response cache", section="models", **shown)
