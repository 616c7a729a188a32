"""Decides, before a large body is read, whether it may be: if the tenant has no budget, slot or room, it is refused
before Envoy holds any of it.  What cannot be known yet is decided once the body is there.

Envoy asks twice for such a request, under one lease id: here, with only its headers; then the decider of tenants.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from cachetools import LRUCache

from clients.api import Api, api_of
from clients.errors import Fault
from clients.rates import duration
from ratelimit.answer_bytes import Field
from ratelimit.budgets.budget import fits_in_ms
from ratelimit.budgets.port import Refused, Reservation
from ratelimit.budgets.rule import RuleSet
from ratelimit.commit.fallback import Outcome
from ratelimit.commit.group_commit import GroupCommit
from ratelimit.commit.slots import MOST_OF_ONE
from ratelimit.in_flight import InFlight
from ratelimit.metrics import RatelimitMetrics
from ratelimit.tenants.account import IN_FLIGHT, SLOTS, Account
from ratelimit.tenants.account_cache import Accounts
from ratelimit.tenants.answer import UNAVAILABLE, Manner, Refusal
from ratelimit.tenants.body import read_of
from ratelimit.tenants.count import parse_count
from ratelimit.tenants.decider import DEFAULT_MANNER, MAX_LABEL, wall_clock_ms
from ratelimit.tenants.request import Serialize
from ratelimit.tenants.screening import ABSENT
from ratelimit.tenants.sealed import AS_FIELDS, DECISION, as_text, ids_of, metadata_of
from ratelimit.uploads import LONGEST, UNSAID, Full, Uploads
from serving.call import Answer, Call, Malformed
from tenancy.values.admission import Admission
from tenancy.values.calendar import UnknownTimeZone
from tenancy.values.lease_id import is_lease_id
from tenancy.values.policy import MalformedPolicy
from tenancy.values.prices import Prices
from tenancy.values.seal import Seal
from tenancy.values.secret import without_secrets

DOMAIN = "tollkeeper.uploads"
SMALL = 65_536  # bytes: smaller bodies are read without asking
HOLD_MS = 1000  # how long one refused body stands for others of its key that are as long
MAX_HELD = 10_000
BODILESS_METHODS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
SOON_MS = 1000  # when to try again if another request has to end first
READING = "tenant:reading"  # the name under which the pace refuses
WHAT = {
    Full.TENANT: "Too many large requests of this tenant are being received.",
    Full.ALL: "Too many large requests are being received.",
}
TOO_LONG = Fault(413, "The request body is larger than 32 MiB.", "invalid_request_error", "request_too_large")
TOO_SLOW = "This tenant's large requests take too long to read."

Decide = Callable[[Sequence[Mapping[str, str]], Call], Answer]


class _Asked(NamedTuple):
    """`size`: the most that the body may be.  `bodiless`: its method needs no body, so it is counted separately: a
    client that only polls a status does not wait for bodies in transit."""

    call: Call
    account: Account
    lease_id: str
    end_user_id: str
    size: int
    api: Api
    bodiless: bool

    @property
    def owner(self) -> str:
        tenant_id = self.account.policy.tenant_id
        return f"{tenant_id} without bodies" if self.bodiless else tenant_id


class _Hold(NamedTuple):
    """Until then, bodies of at least this size are refused, because `limit` refused one."""

    size: int
    until_ms: int
    limit: str


class UploadDecider:
    """`refused_by` reads from an answer of the tenants' decider which limit refused the request, "" if none did."""

    def __init__(
        self,
        committer: GroupCommit,
        in_flight: InFlight,
        uploads: Uploads,
        metrics: RatelimitMetrics,
        serialize: Serialize,
        refused_by: Callable[[bytes], str],
        *,
        prices: Callable[[str], Prices | None],
        manner: Manner = DEFAULT_MANNER,
        now_ms: Callable[[], int] = wall_clock_ms,
        groups: bool = True,
        seal: Seal | None = None,
        arrived_here: Callable[[str], None] = lambda _lease_id: None,
    ) -> None:
        """`prices`, `groups`: as for the tenants' decider; `arrived_here` is told of bodies that another process of the
        sidecar may count."""
        self._committer, self._in_flight, self._uploads, self._metrics = committer, in_flight, uploads, metrics
        self._serialize, self._refused_by = serialize, refused_by
        self._accounts = Accounts(lambda _policy: b"", prices, groups=groups, policies=MAX_HELD)
        self._manner, self._now_ms, self._seal, self._arrived_here = manner, now_ms, seal, arrived_here
        self._holds: LRUCache[str, _Hold] = LRUCache(MAX_HELD)  # by policy
        self._may = serialize(True, (), (), b"")

    def decide(self, descriptors: Sequence[Mapping[str, str]], call: Call) -> Answer:
        """Malformed unless there is one descriptor."""
        if len(descriptors) != 1:
            raise Malformed(f"want one descriptor in the domain {DOMAIN}")
        entries, now_ms = descriptors[0], self._now_ms()
        policy, api = entries.get("policy", ABSENT), api_of(entries.get("path", ""))
        try:
            account = self._accounts.find(policy, ABSENT, now_ms)
        except (MalformedPolicy, UnknownTimeZone):
            refusal = self._manner.refusal(UNAVAILABLE, api)
            self._metrics.uploads.add("unavailable")
            return self._serialize(False, (("denied", str(refusal.status)),), refusal.headers, refusal.body)
        length = parse_count(entries.get("content_length", ""))
        lease_id = entries.get("lease_id", ABSENT)
        bodiless = length is None and entries.get("method", "") in BODILESS_METHODS
        size = UNSAID if length is None else length
        asked = _Asked(call, account, lease_id, entries.get("end_user_id", ABSENT), size, api, bodiless)
        if size > LONGEST:
            return self._refuse(asked, "too_long", self._manner.refusal(TOO_LONG, api))
        if not is_lease_id(lease_id):  # no log entry would ever end it
            return self._read()
        if bodiless:
            return self._no_room(asked, now_ms) or self._read()
        if refused := self._known(asked, policy, now_ms) or self._no_room(asked, now_ms):
            return refused
        return self._look(asked, now_ms)

    def gate(self, decide: Decide) -> Decide:
        """Wraps the tenants' decider: a request that reaches it is no longer an upload."""

        def seen(descriptors: Sequence[Mapping[str, str]], call: Call) -> Answer:
            entries = descriptors[0] if descriptors else {}
            said = entries.get("content_length", "")
            if said.isdecimal() and len(said) <= len(str(SMALL)) and int(said) <= SMALL:
                return decide(descriptors, call)
            lease_id = entries.get("lease_id", ABSENT)
            self._arrived(lease_id, entries, parse_count(said))
            over = partial(self._over, lease_id, entries.get("policy", ABSENT), parse_count(said) or 0)
            answer = decide(descriptors, _Seen(call, over))
            if callable(answer):
                return lambda: over(answer())
            return answer if answer is None else over(answer)

        return seen

    def _arrived(self, lease_id: str, entries: Mapping[str, str], length: int | None) -> None:
        read = read_of(entries.get("asked", ""))
        size = length if length is not None else read.size or SMALL
        with suppress(MalformedPolicy, UnknownTimeZone):
            policy = self._accounts.find(entries.get("policy", ABSENT), ABSENT, self._now_ms()).policy
            self._uploads.pace.spend(policy.tenant_id, size, read.values, self._now_ms())
        if self._uploads.knows(lease_id):
            self._uploads.arrived(lease_id, size)
        else:
            self._arrived_here(lease_id)

    def _over(self, lease_id: str, policy: str, size: int, message: bytes) -> bytes:
        """The request is decided.  Slots come free at any moment, so refusals for lack of one are not remembered."""
        self._uploads.end(lease_id)
        limit = self._refused_by(message)
        if limit and limit not in SLOTS:
            self._holds[policy] = _Hold(size, self._now_ms() + HOLD_MS, limit)
        return message

    def _known(self, asked: _Asked, policy: str, now_ms: int) -> Answer:
        """A refusal from memory, if there is one."""
        account, tenant_id = asked.account, asked.account.policy.tenant_id
        hold = self._holds.get(policy)
        if hold is not None and asked.size >= hold.size and now_ms < hold.until_ms:
            text = f"A request as large was refused a moment ago ({hold.limit})."
            return self._refuse(asked, "over_limit", self._later(asked, text, hold.until_ms - now_ms, hold.limit))
        most = account.policy.max_in_flight
        if most is None:
            return None
        taken = self._in_flight.count_of(tenant_id) + self._uploads.coming(tenant_id)
        if taken < most + min(most, MOST_OF_ONE):
            return None
        return self._over_limit(asked, Refused(IN_FLIGHT, SOON_MS, ()), now_ms)

    def _no_room(self, asked: _Asked, now_ms: int) -> Answer:
        """A refusal, if there is no room to count the body in."""
        if wait_ms := self._uploads.pace.wait_ms(asked.owner, now_ms):
            return self._refuse(asked, "too_slow", self._later(asked, TOO_SLOW, wait_ms, READING))
        full = self._uploads.enter(asked.lease_id, asked.owner, asked.size, now_ms)
        if full is None:
            return None
        return self._refuse(asked, "too_many", self._later(asked, WHAT[full], SOON_MS, full))

    def _look(self, asked: _Asked, now_ms: int) -> Answer:
        """Asks what the budgets would decide; takes nothing from them."""
        rules = asked.account.rule_set
        if not rules.rules:
            return self._read()
        look = Reservation(RuleSet.of(rules.owner, rules.rules), [0] * len(rules.rules))
        outcome = self._committer.reserve(look, lambda found: asked.call.reply(self._seen(asked, found, now_ms)))
        return None if outcome is None else self._seen(asked, outcome, now_ms)

    def _seen(self, asked: _Asked, outcome: Outcome, now_ms: int) -> bytes:
        """The answer after the look.  If the budgets cannot be asked now, they are asked again with the body."""
        held = outcome.decision.held if outcome.decision is not None and outcome.admission is Admission.FAST else ()
        rules = asked.account.rule_set.rules
        empty = [(rule, left) for rule, left in zip(rules, held, strict=False) if left < 1 and not rule.shadow]
        if not empty:
            return self._read()
        waits = [(fits_in_ms(rule, held=left, now_ms=now_ms), rule.name) for rule, left in empty]
        wait_ms, name = max(waits)
        self._uploads.end(asked.lease_id)
        return self._over_limit(asked, Refused(name, wait_ms, tuple(held)), now_ms)

    def _read(self) -> bytes:
        self._metrics.uploads.add("read")
        return self._may

    def _over_limit(self, asked: _Asked, refused: Refused, now_ms: int) -> bytes:
        costs = [1] * len(asked.account.limits)
        refusal = self._manner.over_limit(asked.account, refused, costs, asked.api, now_ms)
        return self._refuse(asked, "over_limit", refusal)

    def _later(self, asked: _Asked, text: str, wait_ms: int, limit: str) -> Refusal:
        fault = Fault(
            429, f"{text} Please try again in {duration(wait_ms)}.", "requests", "rate_limit_exceeded", wait_ms=wait_ms
        )
        return self._manner.refusal(fault, asked.api, limit)

    def _refuse(self, asked: _Asked, outcome: str, refusal: Refusal) -> bytes:
        self._metrics.uploads.add(outcome)
        policy = asked.account.policy
        label = "" if asked.end_user_id == ABSENT else without_secrets(asked.end_user_id[:MAX_LABEL])
        fields: list[Field] = [
            ("lease_id", asked.lease_id),
            AS_FIELDS,
            ("end_user_id", label),
            ("admission", Admission.REFUSED),
            ("denied", str(refusal.status)),
            ("limit", refusal.limit),
        ]
        if not refusal.limit:
            fields.append(("reason", outcome))
        ids = ids_of(policy)
        # In both forms, as Envoy does not say here which of them it logs.
        told = [
            *ids,
            *metadata_of(self._seal, ids, fields, alone=False),
            (DECISION, as_text(self._seal, (*fields, *ids))),
        ]
        return self._serialize(False, told, refusal.headers, refusal.body)


class _Seen:
    """A call whose answer is seen here on its way."""

    def __init__(self, call: Call, over: Callable[[bytes], bytes]) -> None:
        self._call, self._over = call, over
        self.fail, self.on_cancel, self.time_remaining = call.fail, call.on_cancel, call.time_remaining

    def reply(self, message: bytes, if_lost: Callable[[], None] | None = None) -> None:
        self._call.reply(self._over(message), if_lost)
