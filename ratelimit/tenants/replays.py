"""Answers a tenant's request from the response cache, and lets answers be kept: which ones, for whom, and at what cost.

Where none is kept, the request goes on like any other.  A request answered from the cache never waits for room and
holds no slot.  It counts as a request to the limits on requests; in tokens it costs what the model's cache terms say.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from cachetools import LRUCache
from msgspec.structs import replace

from clients.api import Api
from clients.errors import Header
from ratelimit.answer_bytes import Field
from ratelimit.budgets.port import Refused, Reservation
from ratelimit.budgets.rule import Leases, RuleSet
from ratelimit.commit.fallback import Outcome
from ratelimit.commit.group_commit import GroupCommit
from ratelimit.responses.keeper import Keeper
from ratelimit.responses.kept import Kept, Place, Ticket
from ratelimit.responses.lookups import Lookups
from ratelimit.responses.metrics import BYPASS, HIT, MISS, ResponseMetrics
from ratelimit.tenants.account import IN_FLIGHT, Account
from ratelimit.tenants.estimates.estimate import Estimate
from ratelimit.tenants.lease import kept_of_all, kept_of_one
from ratelimit.tenants.request import Runnable
from ratelimit.tenants.routes.kind import INPUT_ONLY, RUNS_A_MODEL, Kind
from ratelimit.tenants.screening import Asked, Priced
from serving.call import Answer, Call
from tenancy.values.policy import Policy
from tenancy.values.response_cache import CachedRequests, CacheScope, CacheTerms, charged_part
from tenancy.values.seal import Seal
from tenancy.values.upstream import Upstream

SAYS = "x-tollkeeper-cache"
AGE = "age"
NO_KEY = "-"
WAIT_SECONDS = 10.0  # for an answer that another request is just producing
PATIENCE_SECONDS = 6.0  # how much of the caller's patience is kept for what comes after that
ANYBODY = "*"  # the owner of answers that all tenants share; no tenant has this id
RULE_SETS = 10_000
FORM = "1"  # of the names; another form does not find the answers of this one
BETWEEN = "\x1f"


class Wanted(NamedTuple):
    """How a request may use the cache.  `looks`: it may be answered from it."""

    place: Place
    terms: CacheTerms
    looks: bool = True


def wanted_of(
    said: str, asked: Asked, screened: Priced, policy: Policy, end_user_id: str, terms: CacheTerms, to: Upstream | None
) -> Wanted | None:
    """`said`: what Envoy made of the request (envoy/lua/cache/cache_key.lua).  None: it passes the cache by."""
    key, _, flags = said.partition(":")
    if key == NO_KEY or "s" in flags or asked.method != "POST" or screened.kind not in RUNS_A_MODEL:
        return None
    never_sampled = screened.kind in INPUT_ONLY and screened.kind is not Kind.SPEAKS
    if terms.requests is not CachedRequests.ALL and not never_sampled and "d" not in flags:
        return None
    whose = _whose(terms.scope, policy, end_user_id)
    owner = ANYBODY if terms.scope is CacheScope.ALL else policy.tenant_id
    # A model that is called otherwise, or whose answers were purged, has other names; so has a stored form.
    parts = (FORM, *whose, screened.model, str(terms.purges), repr(to), key)
    name = hashlib.sha256(BETWEEN.join(f"{len(part)}:{part}" for part in parts).encode(errors="replace")).hexdigest()
    return Wanted(Place(owner, name), terms, "c" not in flags)


def _whose(scope: CacheScope, policy: Policy, end_user_id: str) -> tuple[str, ...]:
    """A key without a user stands for one, whatever it says of its own users."""
    if scope is CacheScope.ALL:
        return (str(scope),)
    if scope is CacheScope.TENANT:
        return str(scope), policy.tenant_id
    user = policy.user_id or policy.key_id
    return str(scope), policy.tenant_id, user, end_user_id


class Decider(Protocol):
    """What is done with a request beside looking into the cache."""

    def go_on(self, runnable: Runnable, more: Sequence[Field], headers: Sequence[Header]) -> Answer:
        """As if there were no cache.  `more`: what an admission says besides, `headers` to the client.  Any thread."""

    def cached(self, account: Account, fields: list[Field], headers: Sequence[Header], body: bytes) -> bytes:
        """The answer itself."""

    def refused(self, account: Account, fields: list[Field], costs: Sequence[int], api: Api, refused: Refused) -> bytes:
        """As the budgets have just said."""


class Replays:
    """`ask` from the engine's thread.  The store's threads and the committer's go on."""

    def __init__(
        self,
        lookups: Lookups,
        keeper: Keeper,
        committer: GroupCommit,
        seal: Seal,
        metrics: ResponseMetrics,
        now_ms: Callable[[], int],
    ) -> None:
        self._lookups, self._keeper, self._committer = lookups, keeper, committer
        self._seal, self._metrics, self._now_ms = seal, metrics, now_ms
        self._rule_sets: LRUCache[int, tuple[Account, RuleSet]] = LRUCache(RULE_SETS)

    def ask(self, runnable: Runnable, said: str, terms: CacheTerms, to: Upstream | None, decider: Decider) -> Answer:
        policy = runnable.account.policy
        wanted = wanted_of(said, runnable.asked, runnable.screened, policy, runnable.end_user_id, terms, to)
        if wanted is None:
            self._metrics.requests.add(BYPASS)
            return decider.go_on(runnable, (), ((SAYS, BYPASS),))
        if not wanted.looks:
            self._metrics.requests.add(BYPASS)
            return decider.go_on(runnable, self._ticket(runnable, wanted), ((SAYS, BYPASS),))
        remaining = runnable.call.time_remaining()
        wait = WAIT_SECONDS if remaining is None else min(WAIT_SECONDS, remaining - PATIENCE_SECONDS)
        asking = self._lookups.ask(
            wanted.place,
            runnable.lease_id,
            wait,
            partial(self._found, runnable, wanted, self._rules_of(runnable), decider),
        )
        if asking is None:
            return self._missed(runnable, wanted, decider)
        runnable.call.on_cancel(asking.leave)
        return None

    def over(self, lease_id: str) -> None:
        """The request has ended, however it did.  From any thread."""
        self._keeper.over(lease_id)

    def _found(self, runnable: Runnable, wanted: Wanted, rules: RuleSet, decider: Decider, kept: Kept | None) -> None:
        if kept is None:
            self._keeper.claimed(runnable.lease_id, wanted.place)
            _reply(runnable.call, self._missed(runnable, wanted, decider))
            return
        estimate = charged(runnable.screened.estimate, wanted.terms.charge_percent)
        keeps = kept_of_one(
            estimate, runnable.end_user_id, runnable.screened.model, runnable.prepared.path, runnable.asked.alias
        )
        reservation = Reservation(rules, runnable.account.costs(estimate), runnable.lease_id, keeps)
        answer = partial(self._reserved, runnable, wanted, decider, kept, reservation)
        outcome = self._committer.reserve(reservation, answer)
        if outcome is not None:
            answer(outcome)

    def _reserved(
        self,
        runnable: Runnable,
        wanted: Wanted,
        decider: Decider,
        kept: Kept,
        reservation: Reservation,
        outcome: Outcome,
    ) -> None:
        """Where the budgets could not be asked, the request goes on, to where that is decided."""
        call, decision = runnable.call, outcome.decision
        if decision is None or not outcome.has_lease:
            _reply(call, self._missed(runnable, wanted, decider))
        elif isinstance(decision, Refused):
            account, costs = runnable.account, reservation.costs
            call.reply(decider.refused(account, runnable.fields(), costs, runnable.asked.api, decision))
        else:
            message = self._replayed(runnable, wanted, decider, kept, reservation)
            call.reply(message, partial(self._committer.abandon, reservation))

    def _replayed(
        self, runnable: Runnable, wanted: Wanted, decider: Decider, kept: Kept, reservation: Reservation
    ) -> bytes:
        self._metrics.requests.add(HIT)
        self._metrics.served_bytes.add(n=len(kept.body))
        fields = [*runnable.fields(), ("cache_percent", wanted.terms.charge_percent)]
        fields.append(("reserved_tokens", reservation.keeps["tokens"]))
        age = max(0, self._now_ms() - kept.at_ms) // 1000
        headers = (*kept.headers, (SAYS, HIT), (AGE, str(age)))
        return decider.cached(runnable.account, fields, headers, kept.body)

    def _missed(self, runnable: Runnable, wanted: Wanted, decider: Decider) -> Answer:
        self._metrics.requests.add(MISS)
        return decider.go_on(runnable, self._ticket(runnable, wanted), ((SAYS, MISS),))

    def _ticket(self, runnable: Runnable, wanted: Wanted) -> tuple[Field, ...]:
        terms = wanted.terms
        model = runnable.screened.model
        ticket = Ticket(wanted.place, runnable.lease_id, model, terms.ttl_seconds, terms.max_bytes)
        return ("cache_ticket", ticket.dump(self._seal)), ("cache_bytes", terms.max_bytes)

    def _rules_of(self, runnable: Runnable) -> RuleSet:
        """The rules of its account, under which a lease holds no slot: nothing runs."""
        account = runnable.account
        known = self._rule_sets.get(id(account))
        if known is None or known[0] is not account:
            leases = Leases(IN_FLIGHT, None, kept_of_all(account.policy))
            known = account, RuleSet.of(account.policy.tenant_id, account.rule_set.rules, leases)
            self._rule_sets[id(account)] = known
        return known[1]


def charged(estimate: Estimate, percent: int) -> Estimate:
    """What is reserved for a kept answer, of which `percent` is charged."""
    if not percent:
        return Estimate(0, uncorrected=0)
    part = partial(charged_part, percent=percent)
    return replace(
        estimate,
        tokens=part(estimate.tokens),
        input_tokens=part(estimate.input_tokens),
        output_cap=part(estimate.output_cap),
        assumed_output=part(estimate.assumed_output),
        uncorrected=0,
    )


def _reply(call: Call, answer: Answer) -> None:
    if answer is not None:
        call.reply(answer if isinstance(answer, bytes) else answer())
