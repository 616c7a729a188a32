"""/console/keys: making a key, whose secret is shown once; looking at it, disabling, rotating and revoking it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast
from urllib.parse import quote

from pydantic import BeforeValidator, Field
from starlette.responses import Response

from admin.commands import keys
from admin.commands.directory import KEYS, TENANTS
from admin.console.cookies import PREFIX
from admin.console.forms import EMPTY, Form, submitted
from admin.console.numbers import TypedRequests, TypedTokens, whole_number
from admin.console.pages.budgets import live_budgets
from admin.console.visit import Routes, Visit
from admin.fields import Body, Email, InFlight, ModelName, Name, UserId
from tenancy.directory.change_request import tag_of
from tenancy.directory.keys import Key, KeyChange, NewKey
from tenancy.directory.tenants import Tenant

MAX_MODELS = 1000
DAYS = Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=3650)]
OVERLAPS = {"0": "at once", "3600": "after an hour", "86400": "after a day", "604800": "after a week"}

EDITED = ("name", "tokens_per_minute", "requests_per_minute", "max_in_flight")

routes = Routes()


def _names(value: object) -> object:
    """Names with commas, spaces or line ends between them."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


class KeyChangeForm(Body):
    """A key as it shall be.  What is left empty: every model, not limited, expires when it did."""

    name: Name
    models_allowed: Annotated[list[ModelName], BeforeValidator(_names), Field(max_length=MAX_MODELS)] | None = None
    tokens_per_minute: TypedTokens | None = None
    requests_per_minute: TypedRequests | None = None
    max_in_flight: Annotated[InFlight, BeforeValidator(whole_number)] | None = None
    days: DAYS | None = None


class KeyForm(KeyChangeForm):
    """A key to be made.  What is left empty: no user, every model, not limited, never expires."""

    user_id: UserId | None = None
    user_email: Email | None = None


class RotateForm(Body):
    """How long the old secret works beside the new one."""

    overlap_seconds: Annotated[int, BeforeValidator(whole_number), Field(ge=0, le=30 * 86_400)] = 0


@routes.get(f"{PREFIX}/tenants/{{id}}/keys/new", changes="key")
async def new_key(visit: Visit) -> Response:
    return _form(visit, EMPTY, 200, await TENANTS.get(visit.session, visit.path("id")))


@routes.post(f"{PREFIX}/tenants/{{id}}/keys/new")
async def create_key(visit: Visit) -> Response:
    tenant = await TENANTS.get(visit.session, visit.path("id"))

    async def make(form: KeyForm) -> Response:
        fields = form.model_dump(exclude={"days"})
        expires_at = datetime.now(UTC) + timedelta(days=form.days) if form.days else None
        new = NewKey(**fields, expires_at=expires_at)
        done = await keys.create(visit.on_terms(), tenant.id, new)
        return _secret(visit, done.value, new.secret, told=bool(done.told))

    async def again(form: Form, status: int) -> Response:
        return _form(visit, form, status, tenant)

    return await submitted(visit, KeyForm, again, make)


@routes.get(f"{PREFIX}/keys/{{id}}")
async def key(visit: Visit) -> Response:
    found = await KEYS.get(visit.session, visit.path("id"))
    tenant = await TENANTS.get(visit.session, found.tenant_id)
    budgets = await live_budgets(visit, tenant.id, found.id)
    shown: dict[str, Any] = {"key": found, "tenant": tenant, "seen": tag_of(found), "overlaps": OVERLAPS, "form": EMPTY}
    return visit.page("tenants/key.html", title=found.name, section="tenants", **shown, **budgets)


@routes.get(f"{PREFIX}/keys/{{id}}/edit", changes="key")
async def edit_key(visit: Visit) -> Response:
    found = await KEYS.get(visit.session, visit.path("id"))
    values = {name: str(each) for name in EDITED if (each := getattr(found, name)) is not None}
    return await _edit(visit, Form({**values, "models_allowed": ", ".join(found.models_allowed or ())}), 200, found)


@routes.post(f"{PREFIX}/keys/{{id}}/edit")
async def save_key(visit: Visit) -> Response:
    found = await KEYS.get(visit.session, visit.path("id"))

    async def make(form: KeyChangeForm) -> Response:
        change = form.model_dump(exclude={"days"})
        if form.days:
            change["expires_at"] = datetime.now(UTC) + timedelta(days=form.days)
        done = await keys.update(visit.on_terms(), found.id, cast(KeyChange, change))
        return visit.to(at(found.id), "key-saved", done)

    return await submitted(visit, KeyChangeForm, lambda form, status: _edit(visit, form, status, found), make)


@routes.post(f"{PREFIX}/keys/{{id}}/disabled")
async def disable_key(visit: Visit) -> Response:
    """Disables it, or enables it again."""
    disabled = visit.field("disabled") == "true"
    done = await keys.update(visit.on_terms(), visit.path("id"), {"disabled": disabled})
    return visit.to(at(done.value.id), "key-disabled" if disabled else "key-enabled", done)


@routes.post(f"{PREFIX}/keys/{{id}}/rotate")
async def rotate_key(visit: Visit) -> Response:
    async def make(form: RotateForm) -> Response:
        done = await keys.rotate(visit.on_terms(), visit.path("id"), form.overlap_seconds)
        return _secret(visit, *done.value, told=bool(done.told))

    async def again(_: Form, __: int) -> Response:
        return await key(visit)

    return await submitted(visit, RotateForm, again, make)


@routes.get(f"{PREFIX}/keys/{{id}}/revoke", changes="key")
async def ask_to_revoke(visit: Visit) -> Response:
    found = await KEYS.get(visit.session, visit.path("id"))
    return visit.page("tenants/revoke_key.html", title="Revoke a key", section="tenants", key=found)


@routes.post(f"{PREFIX}/keys/{{id}}/revoke")
async def revoke_key(visit: Visit) -> Response:
    found = await KEYS.get(visit.session, visit.path("id"))
    done = await KEYS.delete(visit.on_terms(), found.id)
    return visit.to(f"{PREFIX}/tenants/{quote(found.tenant_id)}", "key-revoked", done)


def at(key_id: str) -> str:
    """The address of a key."""
    return f"{PREFIX}/keys/{quote(key_id)}"


def _secret(visit: Visit, of: Key, secret: str, *, told: bool) -> Response:
    """Shown without an address of its own, so that nobody can come back to it."""
    return visit.page("tenants/secret.html", title="The key", section="tenants", key=of, secret=secret, told=told)


async def _edit(visit: Visit, form: Form, status: int, of: Key) -> Response:
    tenant = await TENANTS.get(visit.session, of.tenant_id)
    return _form(visit, form, status, tenant, of)


def _form(visit: Visit, form: Form, status: int, tenant: Tenant, of: Key | None = None) -> Response:
    title = f"Change {of.name}" if of else "New key"
    shown = {"form": form, "tenant": tenant, "key": of, "seen": visit.field("_seen") or (tag_of(of) if of else "")}
    return visit.page("tenants/key_form.html", status, title=title, section="tenants", **shown)
