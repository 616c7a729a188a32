"""Everything that can keep a request from being answered, as values; a surface gives each its own shape.

The one place that knows what an error of a port means to the caller.  No HTTP: statuses are in admin/gate/surface.py.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from admin.access.accounts import EmailTaken, LastOwner, NoSuchAccount, NoSuchInvitation, TooManyInvitations
from admin.access.passwords import TooBusy
from admin.access.tokens import AdminTokenNameTaken, NoSuchAdminToken, TooManyAdminTokens
from ledger.requests import NoSuchRequest
from ledger.sums import NotSummedYet
from ratelimit.budgets.port import BudgetsUnavailable
from store import postgres, redis
from tenancy.directory.change_request import StateChanged
from tenancy.directory.groups import GroupInUse, GroupNameTaken, NoSuchGroup
from tenancy.directory.keys import NoSuchKey
from tenancy.directory.mcp_servers import NoSuchServer, ServerNameTaken, UnknownGrantee
from tenancy.directory.models import ModelInUse, ModelNameTaken, NoSuchModel, UnknownTarget
from tenancy.directory.named_policies import NoSuchPolicy, PolicyInUse, PolicyNameTaken
from tenancy.directory.organizations import (
    NoSuchOrganization,
    OrganizationInUse,
    OrganizationNameTaken,
    PlanIsFull,
    UnknownOrganization,
)
from tenancy.directory.stored_limits import ImpossibleLimit, LimitNameTaken, NoSuchLimit, UnknownSubject
from tenancy.directory.teams import NoTokenLimit
from tenancy.directory.tenants import NoSuchTenant, TenantIdTaken, TenantNameTaken, UnknownGroup, UnknownPolicy
from tenancy.directory.users import NoSuchUser, UserHasKeys
from tenancy.directory.webhooks.spend_alerts import NoSuchAlert, TooManyAlerts
from tenancy.directory.webhooks.webhooks import NoSuchDelivery, NoSuchWebhook, TooManyWebhooks, WebhookNameTaken

Field = tuple[str, str]  # a field of the request, and what is wrong with it


class Reason(StrEnum):
    """Why a request was not answered."""

    MALFORMED = "malformed"  # cannot be read at all
    WRONG_TYPE = "wrong_type"  # of a media type that is not taken
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"  # did not arrive in time
    INVALID = "invalid"  # a field is wrong
    NO_CREDENTIAL = "no_credential"
    WRONG_CREDENTIAL = "wrong_credential"
    FORBIDDEN = "forbidden"  # known, but not allowed to
    THROTTLED = "throttled"  # asked too often
    NOT_FOUND = "not_found"
    NO_OPERATION = "no_operation"  # the resource exists, but does not support the method
    TAKEN = "taken"  # something else has this name
    IN_USE = "in_use"  # something else still refers to it
    REFUSED_THERE = "refused_there"  # a sidecar, or its Envoy, could not do it
    FULL = "full"  # the maximum number exists already
    STALE = "stale"  # changed since the caller read it
    IN_PROGRESS = "in_progress"  # the same command is being carried out
    REPEATED = "repeated"  # done before, and cannot be shown again
    UNAVAILABLE = "unavailable"  # a store is away
    INTERNAL = "internal"  # a bug


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason, and the words for it.  `made`: type and id of what the command made when it was first asked for."""

    reason: Reason
    detail: str
    fields: tuple[Field, ...] = ()
    retry_seconds: int | None = None
    made: tuple[str, str] | None = None


class Refused(Exception):
    """Raised by a command or a query that does not do what it was asked."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


NO_ANSWER = "{} did not answer; read before you repeat a change, it may have been made"
UNAVAILABLE = Refusal(Reason.UNAVAILABLE, NO_ANSWER.format("the database"), retry_seconds=1)
INTERNAL = Refusal(Reason.INTERNAL, "an unexpected error; the log has it under this request_id")
STORES_AWAY: tuple[type[Exception], ...] = (*postgres.UNAVAILABLE, *redis.UNAVAILABLE)
MAX_SHOWN = 100  # characters of what the caller sent
NAME = re.compile(r"[a-z][a-z_]*")
WHOLE = ("", "body", "query")  # the place of a field that is not within another

# What the ports raise, and what it means, by the reason.  The error's text is the id or name that it is about.
NOT_FOUND: Mapping[type[Exception], str] = {
    NoSuchTenant: "there is no tenant {!r}",
    NoSuchKey: "there is no key {!r}",
    NoSuchUser: "the tenant has no user {!r}",
    NoSuchModel: "there is no model {!r}",
    NoSuchGroup: "there is no fairshare group {!r}",
    NoSuchLimit: "there is no limit {!r}",
    NoSuchServer: "there is no MCP server {!r}",
    NoSuchPolicy: "there is no policy {!r}",
    NoSuchRequest: "nothing is known of a request {!r}: it takes a moment after its end, and of a flood some are kept",
    NoSuchAdminToken: "there is no admin token {!r}",
    NoSuchOrganization: "there is no organization {!r}",
    NoSuchAccount: "there is no account {!r}",
    NoSuchWebhook: "there is no webhook {!r}",
    NoSuchAlert: "there is no spend alert {!r}",
    NoSuchDelivery: "the webhook has no delivery {}; they are kept for 35 days",
    NoSuchInvitation: "there is no such invitation, or it has expired or been used",
}
INVALID: Mapping[type[Exception], tuple[str, str]] = {  # the field that it is about, if it is always the same, and why
    UnknownOrganization: ("organization", "there is no organization {!r}"),
    UnknownGroup: ("fairshare_group", "there is no fairshare group {!r}"),
    UnknownPolicy: ("policy", "there is no policy {!r}"),
    UnknownTarget: ("targets", "there is no model {!r} that an alias could stand for"),
    UnknownGrantee: ("grants", "there is no tenant or key {!r} to grant it to"),
    UnknownSubject: ("", "there is no tenant, key, user or group {!r} for it to count"),
    ImpossibleLimit: ("", "{}"),
    NoTokenLimit: ("", "the team {!r} has no token limit yet: token_limit and time_window are needed together"),
}
TAKEN: Mapping[type[Exception], tuple[str, str]] = {  # the field, and what there is already
    TenantIdTaken: ("id", "a tenant {!r}"),
    TenantNameTaken: ("name", "a tenant named {!r}"),
    ModelNameTaken: ("name", "a model named {!r}"),
    LimitNameTaken: ("name", "a limit named {!r}"),
    GroupNameTaken: ("name", "a fairshare group named {!r}"),
    ServerNameTaken: ("name", "an MCP server named {!r}"),
    PolicyNameTaken: ("name", "a policy named {!r}"),
    AdminTokenNameTaken: ("name", "an admin token named {!r}"),
    WebhookNameTaken: ("name", "a webhook named {!r}"),
    OrganizationNameTaken: ("name", "an organization named {!r}"),
    EmailTaken: ("email", "an account of {!r}"),
}
IN_USE: Mapping[type[Exception], str] = {
    ModelInUse: "the alias {!r} stands for it; change that first",
    UserHasKeys: "the user {!r} still has keys; delete them first, or with ?cascade=true",
    GroupInUse: "tenants belong to the fairshare group {!r}, or it is the default one",
    PolicyInUse: "tenants refer to the policy {!r}",
    OrganizationInUse: "the organization {!r} has tenants; delete them first",
    LastOwner: "{!r} is the last owner of the organization who can sign in",
}
FULL: Mapping[type[Exception], str] = {
    PlanIsFull: "{}; delete one, or move to a larger plan",
    TooManyInvitations: "there are {} open invitations; wait for some, or withdraw them",
    TooManyAlerts: "there are {} spend alerts, and no more are kept",
    TooManyWebhooks: "there are {} webhooks, and no more are kept",
    TooManyAdminTokens: "there are {} admin tokens, and no more are kept",
}
NOT_NOW: Mapping[type[Exception], tuple[int, str]] = {  # the seconds until it is worth asking again
    BudgetsUnavailable: (1, NO_ANSWER.format("redis")),
    TooBusy: (1, "too many sign in at the same time; try again shortly"),
    NotSummedYet: (30, "{} hours of usage are not summed up yet: ask for less time, or again when they are"),
}
RETRY_SECONDS = {error: seconds for error, (seconds, _) in NOT_NOW.items()}
OF_PORTS: Mapping[type[Exception], tuple[Reason, str, str]] = {  # the reason, the field, the detail
    **{error: (Reason.NOT_FOUND, "", detail) for error, detail in NOT_FOUND.items()},
    **{error: (Reason.INVALID, *of) for error, of in INVALID.items()},
    **{error: (Reason.TAKEN, field, f"there is already {what}") for error, (field, what) in TAKEN.items()},
    **{error: (Reason.IN_USE, "", detail) for error, detail in IN_USE.items()},
    **{error: (Reason.FULL, "", detail) for error, detail in FULL.items()},
    **{error: (Reason.UNAVAILABLE, "", detail) for error, (_, detail) in NOT_NOW.items()},
    StateChanged: (Reason.STALE, "", "it was changed since you read it, and its ETag is now {!r}; read it again"),
}


def refusal_of(error: Exception) -> Refusal:
    """What an error of a port means: one of OF_PORTS or STORES_AWAY."""
    if isinstance(error, STORES_AWAY):
        return UNAVAILABLE
    kind = next(kind for kind in OF_PORTS if isinstance(error, kind))
    reason, name, text = OF_PORTS[kind]
    about, *of_field = error.args or ("",)  # some know the field
    detail = text.format(str(about)[:MAX_SHOWN])
    where, wrong = named(name or "".join(of_field), detail)
    return Refusal(reason, detail, ((where, wrong),) if where else (), RETRY_SECONDS.get(kind))


def invalid(*fields: Field) -> Refused:
    """To be raised when fields of the request are wrong."""
    detail = "; ".join(f"{name}: {wrong}" for name, wrong in fields)
    return Refused(Refusal(Reason.INVALID, detail, fields))


def named(where: str, wrong: str) -> Field:
    """What is wrong with several fields together is written `name: detail`, at the object that holds them."""
    name, colon, detail = wrong.partition(": ")
    if not colon or not NAME.fullmatch(name):
        return where, wrong
    outside = "" if where in WHOLE else where
    return ".".join(filter(None, (outside, name))), detail
