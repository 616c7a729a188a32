"""/console/models/…/tiers: prices of a model in the place of its own, for service tiers and for long input."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote

from starlette.responses import Response

from admin.commands.directory import MODELS
from admin.commands.refusals import Reason, Refusal, Refused, invalid
from admin.console.cookies import PREFIX
from admin.console.forms import EMPTY, Form, submitted
from admin.console.numbers import TypedTokens
from admin.console.visit import Routes, Visit
from admin.console.words import text_of
from admin.fields import Prices, ServiceTier
from tenancy.directory.change_request import tag_of
from tenancy.directory.models import Model, NewModel, PriceTier, fields_of, wrong_with

NO_TIER = Refusal(Reason.NOT_FOUND, "the model has no such tier, or not any more")

routes = Routes()


class TierForm(Prices):
    """Which requests a tier is for, and their prices.  Empty: as the model's own."""

    service_tier: ServiceTier | None = None
    above_input_tokens: TypedTokens | None = None


@routes.get(f"{PREFIX}/models/{{id}}/tiers", changes="model")
async def new_tier(visit: Visit) -> Response:
    return await _form(visit, EMPTY, 200)


@routes.post(f"{PREFIX}/models/{{id}}/tiers")
async def create_tier(visit: Visit) -> Response:
    found = await MODELS.get(visit.session, visit.path("id"))

    async def make(form: TierForm) -> Response:
        return await _replaced(visit, found, [*found.price_tiers, PriceTier(**form.model_dump())])

    return await submitted(visit, TierForm, lambda form, status: _form(visit, form, status), make)


@routes.get(f"{PREFIX}/models/{{id}}/tiers/{{number}}")
async def tier(visit: Visit) -> Response:
    found = await MODELS.get(visit.session, visit.path("id"))
    fields = fields_of(found.price_tiers[_number(visit, found)])
    return await _form(visit, Form({name: text_of(each) for name, each in fields.items() if each is not None}), 200)


@routes.post(f"{PREFIX}/models/{{id}}/tiers/{{number}}")
async def save_tier(visit: Visit) -> Response:
    found = await MODELS.get(visit.session, visit.path("id"))
    number = _number(visit, found)

    async def make(form: TierForm) -> Response:
        tiers = [*found.price_tiers]
        tiers[number] = PriceTier(**form.model_dump())
        return await _replaced(visit, found, tiers)

    return await submitted(visit, TierForm, lambda form, status: _form(visit, form, status), make)


@routes.post(f"{PREFIX}/models/{{id}}/tiers/{{number}}/delete")
async def delete_tier(visit: Visit) -> Response:
    found = await MODELS.get(visit.session, visit.path("id"))
    number = _number(visit, found)
    return await _replaced(visit, found, [*found.price_tiers[:number], *found.price_tiers[number + 1 :]])


async def _replaced(visit: Visit, of: Model, tiers: Sequence[PriceTier]) -> Response:
    """Only if the model is unchanged since it was shown: a tier is identified by its number."""
    if wrong := wrong_with(tiers):
        raise invalid(("service_tier", wrong))
    kept = {name: each for name, each in fields_of(of).items() if name in NewModel.__dataclass_fields__}
    to = replace(NewModel(**kept), price_tiers=tuple(tiers))
    done = await MODELS.update(visit.on_terms().seen(visit.field("_seen")), of.id, to)
    return visit.to(f"{PREFIX}/models/{quote(of.id)}", "model-saved", done)


def _number(visit: Visit, of: Model) -> int:
    text = visit.path("number")
    if not (text.isascii() and text.isdecimal() and len(text) < 4 and int(text) < len(of.price_tiers)):
        raise Refused(NO_TIER)
    return int(text)


async def _form(visit: Visit, form: Form, status: int) -> Response:
    found = await MODELS.get(visit.session, visit.path("id"))
    is_new = "number" not in visit.request.path_params
    shown = {"model": found, "form": form, "seen": visit.field("_seen") or tag_of(found), "is_new": is_new}
    return visit.page("tier.html", status, title="New tier" if is_new else "A tier", section="models", **shown)
