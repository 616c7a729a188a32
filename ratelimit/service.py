"""Envoy's RateLimitService: descriptor entries in, an answer with headers, body and dynamic metadata out.

Translates only: what may run is decided in rules.py, what fits in the budgets, what is said in answer.py.  Whatever it
cannot understand is refused, never passed.
"""

import time
from collections.abc import Callable, Iterable
from functools import partial

import structlog

from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest, RateLimitResponse
from ratelimit.budgets.port import Admitted, Refused, Reservation
from ratelimit.commit.fallback import Outcome
from ratelimit.commit.group_commit import GroupCommit
from ratelimit.in_flight import InFlight
from ratelimit.lease_id import mint_lease_id
from ratelimit.metrics import RatelimitMetrics
from ratelimit.tenants.account_cache import POLICIES, Accounts
from ratelimit.tenants.answer import Header, Refusal, over_capacity, over_limit, rate_headers, rejection, unavailable
from ratelimit.tenants.body import parse_body
from ratelimit.tenants.estimate import NOTHING
from ratelimit.tenants.recent_refusals import RecentRefusals
from ratelimit.tenants.routes.kind import Kind
from ratelimit.tenants.rules import ABSENT, Asked, Catalog, Priced, Rejected, Terms, decide
from serving.call import Answer, Call, Malformed, Unary
from tenancy.values.admission import Admission
from tenancy.values.calendar import UnknownTimeZone
from tenancy.values.policy import MalformedPolicy, Policy

log = structlog.get_logger(__name__)

DOMAIN = "tollkeeper"
PATH = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
MAX_LABEL = 256  # characters of what a client chose, in leases and metadata
MAX_PATH = 1024
OK, OVER_LIMIT = RateLimitResponse.OK, RateLimitResponse.OVER_LIMIT
Field = tuple[str, str | int | bool]


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class RatelimitService:
    """`catalog` answers from memory.
    `groups`: whether a group's budget can be shared by its tenants, which on a Redis Cluster it cannot.  `policies`:
    how many to keep; with fewer than are in use, each request has its policy read again, which triples its cost."""

    def __init__(
        self,
        committer: GroupCommit,
        catalog: Catalog,
        metrics: RatelimitMetrics,
        *,
        terms: Terms,
        now_ms: Callable[[], int] = wall_clock_ms,
        in_flight: InFlight | None = None,
        groups: bool = True,
        policies: int = POLICIES,
    ) -> None:
        self._committer, self._catalog, self._metrics = committer, catalog, metrics
        self._terms, self._now_ms = terms, now_ms
        self._in_flight = InFlight() if in_flight is None else in_flight
        self._accounts = Accounts(_head, catalog.prices, groups=groups, policies=policies)
        self._recent_refusals = RecentRefusals()

    def methods(self) -> tuple[Unary, ...]:
        return (Unary(PATH, self.should_rate_limit),)

    def should_rate_limit(self, message: bytes, call: Call) -> Answer:
        """Handler.  Malformed for another domain or shape.  What is refused from memory can wait for the others."""
        request = RateLimitRequest.FromString(message)
        if request.domain != DOMAIN or len(request.descriptors) != 1:
            raise Malformed(f"want one descriptor of the domain {DOMAIN}")
        entries = {entry.key: entry.value for entry in request.descriptors[0].entries}
        now_ms = self._now_ms()
        lease_id = mint_lease_id(now_ms)
        asked = _asked(entries, self._terms)
        try:
            account, head = self._accounts.find(entries.get("policy", ABSENT), asked.model or ABSENT, now_ms)
        except (MalformedPolicy, UnknownTimeZone):
            log.error("a request came without a policy; is the authz filter ahead of ratelimit?")
            return partial(self._refuse, b"", (("lease_id", lease_id),), "unavailable", unavailable())
        decided = decide(asked, account, self._catalog, self._terms.default_output)
        end_user_id = entries.get("end_user_id", ABSENT)[:MAX_LABEL]
        label = "" if end_user_id == ABSENT else end_user_id
        if isinstance(decided, Rejected):
            priced = Priced(NOTHING, decided.model, inference=False)
            fields = _fields(lease_id, label, priced)
            return partial(self._refuse, head, fields, REJECTED.get(decided.code, "unavailable"), rejection(decided))
        reservation = Reservation(
            lease_id=lease_id,
            account=account,
            estimate=decided.estimate,
            end_user_id=label,
            model=decided.model,
            path=asked.path.split("?", 1)[0][:MAX_PATH],  # a query may carry secrets
        )
        if refused := self._recent_refusals.find(account, decided.estimate, now_ms):
            return partial(self._response, reservation, decided, head, Outcome(refused))
        if not self._in_flight.enter(lease_id, account.policy):
            fields = _fields(lease_id, label, decided)
            return partial(self._refuse, head, fields, "over_capacity", over_capacity(self._in_flight.bound.name))
        outcome = self._committer.reserve(reservation, partial(self._answer, call, reservation, decided, head))
        return None if outcome is None else self._response(reservation, decided, head, outcome)

    def _answer(self, call: Call, reservation: Reservation, priced: Priced, head: bytes, outcome: Outcome) -> None:
        leased = outcome.admission is Admission.FAST and isinstance(outcome.decision, Admitted)
        if_lost = partial(self._lost, reservation) if leased else None
        if isinstance(outcome.decision, Refused):
            self._recent_refusals.refused(reservation.account, priced.estimate, outcome.decision, self._now_ms())
        elif leased:
            self._recent_refusals.admitted(reservation.account, priced.estimate)
        call.reply(self._response(reservation, priced, head, outcome), if_lost)

    def _lost(self, reservation: Reservation) -> None:
        """The caller has left before it was told that it may run."""
        self._in_flight.leave(reservation.lease_id)
        self._committer.abandon(reservation)

    def _response(self, reservation: Reservation, priced: Priced, head: bytes, outcome: Outcome) -> bytes:
        account, decision = reservation.account, outcome.decision
        fields = _fields(reservation.lease_id, reservation.end_user_id, priced)
        if decision is None:
            self._in_flight.leave(reservation.lease_id)
            return self._refuse(head, fields, "unavailable", unavailable())
        if isinstance(decision, Refused):
            self._in_flight.leave(reservation.lease_id)
            refusal = over_limit(account, decision, reservation.estimate, self._now_ms())
            return self._refuse(head, fields, "over_limit", refusal)
        self._metrics.decisions.add(outcome.admission)
        admitted: list[Field] = [
            *fields,
            ("admission", outcome.admission),
            ("reserved_tokens", reservation.estimate.tokens),
        ]
        if outcome.admission is not Admission.FAST:
            admitted.append(("limits", account.charges))
        if decision.shadow:
            self._metrics.shadow_refusals.add()
            admitted.append(("shadow", decision.shadow))
        return head + _serialize(OK, admitted, rate_headers(account, decision, self._now_ms()))

    def _refuse(self, head: bytes, fields: Iterable[Field], outcome: str, refusal: Refusal) -> bytes:
        self._metrics.decisions.add(outcome)
        denied: list[Field] = [*fields, ("admission", "refused"), ("denied", str(refusal.status))]
        if refusal.limit:
            denied.append(("limit", refusal.limit))
        return head + _serialize(OVER_LIMIT, denied, refusal.headers, refusal.body)


# What a refusal is counted as, by its code.
REJECTED = {
    "invalid_body": "invalid_body",
    "model_required": "model_not_allowed",
    "model_not_allowed": "model_not_allowed",
    "model_not_found": "model_not_found",
    "unknown_url": "route_refused",
    "route_refused": "route_refused",
}


def _head(policy: Policy) -> bytes:
    """The part of every answer that depends on the policy alone: protobuf messages that are concatenated are merged by
    whoever reads them."""
    fixed: tuple[Field, ...] = (
        ("tenant_id", policy.tenant_id),
        ("key_id", policy.key_id),
        ("user_id", policy.user_id),
    )
    return _serialize(RateLimitResponse.UNKNOWN, fixed, ())


def _asked(entries: dict[str, str], terms: Terms) -> Asked:
    get = entries.get
    body = parse_body(get("asked", ABSENT))
    return Asked.of(terms, get("method", ""), get("path", ""), body, get("content_length", ""))


def _fields(lease_id: str, end_user_id: str, priced: Priced) -> tuple[Field, ...]:
    """What every answer says, refused or not."""
    return (
        ("lease_id", lease_id),
        ("end_user_id", end_user_id),
        ("model", priced.model),
        ("input_estimate", priced.estimate.input_tokens),
        ("output_cap", priced.estimate.output_cap),
        ("inference", priced.inference),
        ("kind", "" if priced.kind is Kind.GENERATES else priced.kind),
    )


def _serialize(
    code: RateLimitResponse.Code, fields: Iterable[Field], headers: Iterable[Header], body: bytes = b""
) -> bytes:
    response = RateLimitResponse(overall_code=code, raw_body=body)
    add_header = response.response_headers_to_add.add
    for key, text in headers:
        add_header(key=key, value=text)
    metadata = response.dynamic_metadata.fields
    for name, value in fields:
        if not value:  # what is empty, zero or false is left out: each field is read, copied and logged by Envoy
            continue
        if isinstance(value, str):
            metadata[name].string_value = value
        elif isinstance(value, bool):
            metadata[name].bool_value = value
        else:
            metadata[name].number_value = value
    return response.SerializeToString()
