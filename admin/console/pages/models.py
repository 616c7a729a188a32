"""/console/models: the registry of models and their prices, with the prices that they had before."""

import json
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BeforeValidator
from starlette.responses import Response

from admin.commands.directory import MODELS
from admin.commands.queries.explain import history
from admin.commands.queries.models import live
from admin.console.cookies import PREFIX
from admin.console.endpoints import TypedEndpoints, TypedTargets, lines_of_endpoints, lines_of_targets
from admin.console.forms import Form, submitted
from admin.console.numbers import TypedTokens, whole_number
from admin.console.visit import Routes, Visit
from admin.console.words import text_of
from admin.fields import InFlight, ModelName, Prices, QueueSeconds, Weight
from admin.upstream_fields import AnswerSeconds, CaFile, Credential, CredentialHeader, EndpointUrl, HealthPath, Retries
from tenancy.directory.change_request import tag_of
from tenancy.directory.models import Model, NewModel, fields_of
from tenancy.directory.price_history import PriceVersion
from tenancy.values.policy import DEFAULT_WEIGHT
from tenancy.values.prices import PRICE_FIELDS, TIERS
from tenancy.values.upstream import AUTHORIZATION

MANY = 100
VERSIONS = 20
OF_MODEL_ALONE = ("id", "cache", "created_at", "updated_at")

routes = Routes()


class ModelForm(Prices):
    """A model's fields but for its price tiers, which the API sets.  Empty: see the hints beside the fields."""

    name: ModelName
    enabled: bool = True
    upstream_name: ModelName | None = None
    endpoint: EndpointUrl | None = None
    endpoints: TypedEndpoints = ()
    targets: TypedTargets = ()
    credential: Credential | None = None
    credential_header: CredentialHeader = AUTHORIZATION
    timeout_seconds: Annotated[AnswerSeconds, BeforeValidator(whole_number)] | None = None
    retries: Annotated[Retries, BeforeValidator(whole_number)] = 2
    health_path: HealthPath | None = None
    ca_file: CaFile | None = None
    send_priority: bool = False
    context_window: TypedTokens | None = None
    weight: Annotated[Weight, BeforeValidator(whole_number)] = DEFAULT_WEIGHT
    max_in_flight: Annotated[InFlight, BeforeValidator(whole_number)] | None = None
    queue_timeout_seconds: Annotated[QueueSeconds, BeforeValidator(whole_number)] | None = None


NEW = Form({"enabled": "true", "weight": str(DEFAULT_WEIGHT), "credential_header": AUTHORIZATION, "retries": "2"})


@routes.get(f"{PREFIX}/models")
async def models(visit: Visit) -> Response:
    after = visit.query("after")
    found = await MODELS.page(visit.session, MANY + 1, after if after.isprintable() else "")
    more = f"{PREFIX}/models?after={quote(found[MANY - 1].name, safe='')}" if len(found) > MANY else ""
    return visit.page("models.html", title="Models", section="models", models=found[:MANY], more=more)


@routes.get(f"{PREFIX}/models/new", changes="model")
async def new_model(visit: Visit) -> Response:
    return await _form(visit, NEW, 200, None)


@routes.post(f"{PREFIX}/models/new")
async def create_model(visit: Visit) -> Response:
    async def make(form: ModelForm) -> Response:
        done = await MODELS.create(
            visit.on_terms(), NewModel(**{**form.model_dump(), "endpoints": form.endpoints, "targets": form.targets})
        )
        return visit.to(f"{PREFIX}/models", "model-first" if done.notice else "model-saved", done)

    return await submitted(visit, ModelForm, lambda form, status: _form(visit, form, status, None), make)


@routes.get(f"{PREFIX}/models/{{id}}")
async def model(visit: Visit) -> Response:
    found = await MODELS.get(visit.session, visit.path("id"))
    return await _form(visit, _as_form(found), 200, found)


@routes.post(f"{PREFIX}/models/{{id}}")
async def save_model(visit: Visit) -> Response:
    found = await MODELS.get(visit.session, visit.path("id"))

    async def make(form: ModelForm) -> Response:
        kept = {name: each for name, each in fields_of(found).items() if name not in OF_MODEL_ALONE}
        done = await MODELS.update(
            visit.on_terms(),
            found.id,
            NewModel(**{**kept, **form.model_dump(), "endpoints": form.endpoints, "targets": form.targets}),
        )
        return visit.to(f"{PREFIX}/models", "model-saved", done)

    return await submitted(visit, ModelForm, lambda form, status: _form(visit, form, status, found), make)


@routes.post(f"{PREFIX}/models/{{id}}/delete")
async def delete_model(visit: Visit) -> Response:
    done = await MODELS.delete(visit.on_terms(), visit.path("id"))
    return visit.to(f"{PREFIX}/models", "model-deleted", done)


async def _form(visit: Visit, form: Form, status: int, of: Model | None) -> Response:
    before = await history(visit.session, of.id, VERSIONS) if of else ()
    shown: dict[str, Any] = {"model": of, "form": form, "history": [(each, _named(each)) for each in before]}
    shown["live"] = await live(visit.session, of) if of and not of.targets else None
    shown |= {"kinds": PRICE_FIELDS, "seen": visit.field("_seen") or (tag_of(of) if of else "")}
    return visit.page("model.html", status, title=of.name if of else "New model", section="models", **shown)


def _as_form(of: Model) -> Form:
    fields = {name: getattr(of, name) for name in ModelForm.model_fields}
    lines = {"endpoints": lines_of_endpoints(of.endpoints), "targets": lines_of_targets(of.targets)}
    return Form({name: text_of(each) for name, each in {**fields, **lines}.items() if each is not None})


def _named(of: PriceVersion) -> dict[str, Any]:
    """The prices that were named, without the tiers."""
    named: dict[str, Any] = json.loads(of.named, parse_float=Decimal)
    return {name: text_of(Decimal(each)) for name, each in named.items() if name != TIERS and each is not None}
