"""Decides the requests of tenants, from the entries of a descriptor to the answer.

Only combines: screening.py decides what may run, the budgets what fits, answer.py what a client is told.  What cannot
be understood is refused, never passed.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import grpc
import structlog

from clients.api import Api
from clients.errors import Header
from ratelimit.answer_bytes import Field
from ratelimit.budgets.port import Admitted, Decision, Refused, Reservation
from ratelimit.commit.fallback import Outcome
from ratelimit.commit.group_commit import GroupCommit
from ratelimit.commit.slots import WAIT_SECONDS
from ratelimit.fairness.floor import Full
from ratelimit.fairness.pools import UNBOUNDED
from ratelimit.fairness.service import services_of
from ratelimit.in_flight import InFlight
from ratelimit.life import Life, Load
from ratelimit.metrics import RatelimitMetrics
from ratelimit.tenants.account import SLOTS, Account
from ratelimit.tenants.account_cache import POLICIES, Accounts
from ratelimit.tenants.answer import REJECTED, UNAVAILABLE, Manner, Refusal, fault_of, fault_of_full
from ratelimit.tenants.estimates.corrections import Corrections
from ratelimit.tenants.lease import kept_of_one
from ratelimit.tenants.prepared import Preparations
from ratelimit.tenants.recent_refusals import RecentRefusals
from ratelimit.tenants.replays import Replays, charged
from ratelimit.tenants.request import Queued, Request, Runnable, Serialize, body_of, told
from ratelimit.tenants.screening import ABSENT, Asked, Catalog, Rejected, Terms, price, rejection
from ratelimit.tenants.sealed import form_of, ids_of, is_as_text, metadata_of
from ratelimit.tenants.usual import is_usual, told_of
from serving.call import Answer, Call, Malformed
from tenancy.values.admission import Admission
from tenancy.values.calendar import UnknownTimeZone
from tenancy.values.lease_id import is_recent, mint_lease_id
from tenancy.values.policy import MalformedPolicy, Policy
from tenancy.values.seal import Seal
from tenancy.values.secret import without_secrets

log = structlog.get_logger(__name__)

DOMAIN = "tollkeeper"
MAX_LABEL = 256  # characters of what a client chose, in leases and metadata
ANSWER_SECONDS = 1.0  # how much of a caller's patience is kept for the work after its turn
DEFAULT_MANNER = Manner()
NOTHING: Sequence[Field] = ()
_FAST = Admission.FAST


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class TenantDecider:
    """`catalog` answers from memory.  `manner`: how clients are told.  `groups`: whether tenants can share a group's
    budget, which they cannot on a Redis Cluster.  `policies`: how many to keep; with fewer than are in use, each
    request's policy is parsed again, which triples its cost.  `has_room`: whether the usage of a new request could
    still be stored; if not, it does not run.  `corrections`: of estimates; None: there are none.  `seal`: for
    decisions.  `forwards`: whether Envoy sends requests where the catalog says; if not, there are no aliases.
    `replays`: None: no answers are kept.  `logged_once`: whether only Envoy's file log reports the end of the request
    with this lease id."""

    def __init__(
        self,
        committer: GroupCommit,
        in_flight: InFlight,
        catalog: Catalog,
        metrics: RatelimitMetrics,
        serialize: Serialize,
        *,
        terms: Terms,
        manner: Manner = DEFAULT_MANNER,
        now_ms: Callable[[], int] = wall_clock_ms,
        groups: bool = True,
        policies: int = POLICIES,
        has_room: Callable[[], bool] = lambda: True,
        corrections: Corrections | None = None,
        seal: Seal | None = None,
        forwards: bool = False,
        replays: Replays | None = None,
        logged_once: Callable[[str], bool] = lambda _lease_id: False,
    ) -> None:
        self._committer, self._in_flight, self._catalog, self._metrics = committer, in_flight, catalog, metrics
        self._serialize, self._terms, self._manner, self._now_ms = serialize, terms, manner, now_ms
        self._accounts = Accounts(self._head, catalog.prices, groups=groups, policies=policies)
        self._recent_refusals, self._has_room, self._corrections = RecentRefusals(), has_room, corrections
        self._seal, self._replays, self._logged_once = seal, replays, logged_once
        self._preparations = Preparations(self._accounts, catalog, terms, forwards=forwards)

    def decide(self, descriptors: Sequence[Mapping[str, str]], call: Call) -> Answer:
        """Refusals from memory may be answered after other calls.  Malformed unless there is one descriptor."""
        if len(descriptors) != 1:
            raise Malformed(f"want one descriptor in the domain {DOMAIN}")
        entries, now_ms = descriptors[0], self._now_ms()
        lease_id = self._lease_id(entries, now_ms)
        policy, method, path = entries.get("policy", ABSENT), entries.get("method", ""), entries.get("path", "")
        body = body_of(entries)
        try:
            prepared = self._preparations.find(policy, method, path, body.model, lease_id, now_ms)
        except (MalformedPolicy, UnknownTimeZone):
            log.error("a request came without a policy; is the authz filter ahead of ratelimit?")
            refusal = self._manner.refusal(UNAVAILABLE, Asked.of(self._terms, method, path).api)
            return partial(self._refuse, None, [("lease_id", lease_id)], "unavailable", refusal)
        account, length = prepared.account, entries.get("content_length", "")
        asked = Asked(method, path, body, length, prepared.route, prepared.model, prepared.alias)
        rejected = prepared.rejected if body.valid else rejection(asked, account, self._catalog)
        screened = rejected or price(asked, account, self._terms.default_output, self._corrections)
        label = entries.get("end_user_id", ABSENT)
        end_user_id = "" if label == ABSENT else without_secrets(label[:MAX_LABEL])
        if isinstance(screened, Rejected):
            fields = told(form_of(entries), lease_id, end_user_id, screened, asked)
            refusal = self._manner.refusal(fault_of(screened), asked.api)
            return partial(self._refuse, account, fields, REJECTED[screened.code], refusal)
        runnable = Runnable(call, prepared, asked, screened, lease_id, end_user_id, form_of(entries))
        said, terms = entries.get("cache"), prepared.cache
        if said is None or terms is None or self._replays is None:
            return self.go_on(runnable)
        costs = account.costs(charged(screened.estimate, terms.charge_percent))
        refused = self._refused_at_once(runnable, costs, now_ms)
        return refused or self._replays.ask(runnable, said, terms, self._catalog.upstream(screened.model), self)

    def _refused_at_once(self, runnable: Runnable, costs: Sequence[int], now_ms: int) -> Answer:
        """The answer to a request for which the budgets need not be asked; None if they must be."""
        account = runnable.prepared.account
        if refused := self._recent_refusals.find(account, costs, now_ms):
            return partial(self._over_limit, account, runnable.fields(), costs, runnable.asked.api, refused)
        if not self._has_room():
            refusal = self._manner.refusal(UNAVAILABLE, runnable.asked.api)
            return partial(self._refuse, account, runnable.fields(), "unavailable", refusal)
        return None

    def go_on(self, runnable: Runnable, more: Sequence[Field] = NOTHING, headers: Sequence[Header] = ()) -> Answer:
        """Sends it to the budgets.  `more`: fields that an admission adds; `headers`: for the client.  Thread-safe."""
        call, prepared, asked, screened = runnable.call, runnable.prepared, runnable.asked, runnable.screened
        fields, lease_id, end_user_id = runnable.fields, runnable.lease_id, runnable.end_user_id
        account, now_ms, estimate = prepared.account, self._now_ms(), screened.estimate
        forward = (*prepared.forward, *more)
        costs = account.costs(estimate)
        if refused := self._refused_at_once(runnable, costs, now_ms):
            return refused
        keeps = kept_of_one(estimate, end_user_id, screened.model, prepared.path, asked.alias)
        reservation = Reservation(account.rule_set, costs, lease_id, keeps)
        user = account.policy.user_id or end_user_id
        load = Load(screened.model, *services_of(estimate.input_tokens, estimate.output_tokens), user)
        life = self._in_flight.enter(lease_id, account.policy, now_ms, load)
        if life is None:
            life = Life(lease_id, account.policy, now_ms, load)
            return self._queue(Request(call, life, account, fields, reservation, asked.api, forward, headers))
        usual = None if more or headers or not is_usual(runnable.form, lease_id, screened) else runnable
        request = Request(call, life, account, fields, reservation, asked.api, forward, headers, usual)
        outcome = self._reserve(request)
        return None if outcome is None else self._response(request, outcome)

    def _reserve(self, request: Request) -> Outcome | None:
        """None: it is answered later."""
        return self._committer.reserve(
            request.reservation, partial(self._answer, request), partial(self._waits, request)
        )

    def _queue(self, request: Request) -> Answer:
        """There is no room: the request waits, unless it cannot run anyway, or another process has to be asked."""
        if self._in_flight.closed:
            request.call.fail(grpc.StatusCode.UNAVAILABLE, "another process answers here")
            return None
        remaining = request.call.time_remaining()
        patience = UNBOUNDED if remaining is None else remaining - ANSWER_SECONDS
        full = self._in_flight.queue(request.life, Queued(request, self._turn, self._give_up), patience)
        if full is not None:
            return partial(self._full, request, full)
        request.call.on_cancel(partial(self._abandoned, self._in_flight.leave, request))
        self._committer.look(request.reservation, partial(self._looked, request))
        return None

    def _looked(self, request: Request, decision: Decision) -> None:
        """The budgets were looked at while the request waits.  If they have no room for it, it need not wait any
        longer; but a slot may come free meanwhile."""
        if not isinstance(decision, Refused) or decision.limit in SLOTS:
            return
        if self._in_flight.withdraw(request.life):
            costs = request.reservation.costs
            request.call.reply(self.refused(request.account, request.fields(), costs, request.api, decision))

    def _turn(self, request: Request) -> None:
        outcome = self._reserve(request)
        if outcome is not None:
            self._answer(request, outcome)

    def _give_up(self, request: Request, full: Full) -> None:
        request.call.reply(self._full(request, full))

    def _full(self, request: Request, full: Full) -> bytes:
        refusal = self._manner.refusal(fault_of_full(full), request.api, self._in_flight.bound_now())
        return self._refuse(request.account, request.fields(), "over_capacity", refusal)

    def _lease_id(self, entries: Mapping[str, str], now_ms: int) -> str:
        """The lease id that authz gave the request.  A new one if there is none, as with the previous version's Envoy
        configuration, or if a request with this id is here already: Envoy repeats the call, and the first lease belongs
        to the first."""
        given = entries.get("lease_id", ABSENT)
        return given if is_recent(given, now_ms) and not self._in_flight.knows(given) else mint_lease_id(now_ms)

    def _waits(self, request: Request) -> bool:
        """Whether the caller waits for a slot, now that the tenant's are all taken."""
        remaining = request.call.time_remaining()
        if remaining is not None and remaining < 2 * WAIT_SECONDS:
            return False
        request.call.on_cancel(partial(self._abandoned, self._in_flight.leave, request))
        return True

    def _answer(self, request: Request, outcome: Outcome) -> None:
        if_lost, account, reservation = None, request.account, request.reservation
        if isinstance(outcome.decision, Refused):
            self._recent_refusals.refused(account, reservation.costs, outcome.decision, self._now_ms())
        elif outcome.decision is not None and outcome.has_lease:
            if_lost = partial(self._abandoned, self._in_flight.lose, request)
            self._recent_refusals.admitted(account, reservation.costs)
        request.call.reply(self._response(request, outcome), if_lost)

    def _abandoned(self, told: Callable[[Life], bool], request: Request) -> None:
        """Nobody will run the request.  `told`: reports that to the register."""
        if told(request.life):
            self._committer.abandon(request.reservation)

    def _response(self, request: Request, outcome: Outcome) -> bytes:
        life, account, reservation = request.life, request.account, request.reservation
        api, decision = request.api, outcome.decision
        if not isinstance(decision, Admitted):
            self._in_flight.refuse(life)
            if decision is not None:
                return self._over_limit(account, request.fields(), reservation.costs, api, decision)
            return self._refuse(account, request.fields(), "unavailable", self._manner.refusal(UNAVAILABLE, api))
        leased = outcome.has_lease
        if not self._in_flight.admit(life) and leased:
            self._committer.abandon(reservation)
        admission = Admission.QUEUED if life.queued_ms and leased else outcome.admission
        self._metrics.decisions.add(admission)
        levels = self._manner.levels(account, decision, api, self._now_ms())
        if request.usual is not None and admission is _FAST and leased and not decision.shadow:
            return request.usual.answer(self._seal, levels, alone=self._logged_once(life.lease_id))
        fields = request.fields()
        fields += (("admission", admission), ("reserved_tokens", reservation.keeps["tokens"]))
        if life.queued_ms:
            fields.append(("queue_ms", life.queued_ms))
            self._metrics.groups.waited(account.policy.fairshare_group, life.queued_ms / 1000)
        if not leased:
            fields.append(("limits", account.rule_set.charges))
        fields += request.forward
        if decision.shadow:
            self._metrics.shadow_refusals.add()
            fields.append(("shadow", decision.shadow))
        said = self._say(True, account, fields, (*levels, *request.headers), b"")
        return said + told_of(admission, life.queued_ms)

    def cached(self, account: Account, fields: list[Field], headers: Iterable[Header], body: bytes) -> bytes:
        """An answer in place of the model server's."""
        self._metrics.decisions.add(Admission.CACHED)
        fields.append(("admission", Admission.CACHED))
        return self._say(False, account, fields, headers, body) + told_of(Admission.CACHED)

    def refused(self, account: Account, fields: list[Field], costs: Sequence[int], api: Api, refused: Refused) -> bytes:
        """The refusal that the budgets have just given."""
        self._recent_refusals.refused(account, costs, refused, self._now_ms())
        return self._over_limit(account, fields, costs, api, refused)

    def _over_limit(
        self, account: Account, fields: list[Field], costs: Sequence[int], api: Api, refused: Refused
    ) -> bytes:
        refusal = self._manner.over_limit(account, refused, costs, api, self._now_ms())
        return self._refuse(account, fields, "over_limit", refusal)

    def _refuse(self, account: Account | None, fields: list[Field], outcome: str, refusal: Refusal) -> bytes:
        self._metrics.decisions.add(outcome)
        fields += (("admission", Admission.REFUSED), ("denied", str(refusal.status)), ("limit", refusal.limit))
        if not refusal.limit:
            fields.append(("reason", outcome))
        return self._say(False, account, fields, refusal.headers, refusal.body)

    def _say(
        self, ok: bool, account: Account | None, fields: list[Field], headers: Iterable[Header], body: bytes
    ) -> bytes:
        """The answer, sealed."""
        if account is None:
            return self._serialize(ok, fields, headers, body)
        alone = self._logged_once(str(fields[0][1]))  # the first field is its lease id
        told = metadata_of(self._seal, ids_of(account.policy), fields, alone=alone)
        head = b"" if is_as_text(fields) else account.head
        return head + self._serialize(ok, told, headers, body)

    def _head(self, policy: Policy) -> bytes:
        """The part of every answer that depends only on the policy."""
        return self._serialize(None, ids_of(policy), (), b"")
