"""Budgets in Redis or Valkey: turns each step of the port into script calls and their replies into values.

How batches come about, and what happens while Redis is away, is decided in `commit/`.  The arithmetic is in
`lua/budget.lua`, the calling of scripts in scripts.py.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import structlog

from ratelimit.budgets.keys import all_leases_keys, lease_key, leases_key, owner_of, swept_key
from ratelimit.budgets.port import (
    LOST,
    SWEPT_AGAIN_MS,
    Admitted,
    BudgetsLost,
    BudgetsUnavailable,
    Decision,
    LeaseName,
    Orphan,
    Refused,
    Reservation,
    Settled,
    Settlement,
)
from ratelimit.budgets.rule import Leases, RuleSet
from ratelimit.budgets.scripts import Client, Runner, Script, Step
from ratelimit.budgets.stored import end_step, kept_of, reserve_step, swept_keys

DAY_MS = 86_400_000
KEEP_LEASE_MS = DAY_MS  # after the deadline: time to sweep it, and for its log entry to come late
OWNERS_A_CALL = 250  # looked at in one call: under a millisecond of Redis if there is nothing to take
LEASES_A_CALL = 50  # taken in one call: about as long
PAGES_A_SWEEP = 20  # bounds one sweep: some 20,000 keys looked at

log = structlog.get_logger(__name__)

PART_AWAY = "a part of the budgets did not answer"
SETTLED, GONE = Settled.SETTLED, Settled.GONE
UNREADABLE, NO_LEASE = -2, -1  # verdicts
MAX_UNREADABLE = 1000


class RedisBudgets:
    """The port on a Redis or a cluster.  `lease_seconds`: longer than any request may take.  `epoch`: the key without
    which the store counts as lost (keys.py); "" does not look for one, as on a cluster, where a script reaches a single
    owner.

    `open_client` makes a client with the socket timeout `timeout` (s), such as `open_redis`; it is called on first use.
    Thread-safe, but only one thread may call `orphans`.
    """

    def __init__(
        self,
        open_client: Callable[[], Client],
        lease_seconds: float,
        *,
        timeout: float,
        epoch: str = "",
        again_ms: int = SWEPT_AGAIN_MS,
    ) -> None:
        self._runner, self._lease_ms = Runner(open_client), int(lease_seconds * 1000)
        self._timeout_ms, self._epoch, self._again_ms = int(timeout * 1000), epoch, again_ms
        # How far Redis's clock (ms since 1970) is ahead of our monotonic one, as of the last reply.
        self._ahead_ms: int | None = None
        self._reserve = Script.read("budget", "reserve")
        self._settle = Script.read("budget", "lease", "settle")
        self._orphans, self._renewing = Script.read("orphans"), Script.read("renew")
        self._expiring, self._running = Script.read("expire"), Script.read("running")
        self._accounted = Script.read("accounted")
        self._sweep: Iterator[list[str]] = iter(())
        self._unreadable: set[str] = set()

    def reserve(self, batch: Sequence[Reservation]) -> list[Decision | None]:
        return self._decide(batch, self._lease_ms)

    def look(self, batch: Sequence[Reservation]) -> list[Decision | None]:
        return self._decide(batch, None)

    def _decide(self, batch: Sequence[Reservation], lease_ms: int | None) -> list[Decision | None]:
        decisions: list[Decision | None] = [None] * len(batch)
        late = self._groups([reservation.rules.owner for reservation in batch])
        for _ in range(2):  # twice: if Redis's clock was set, the first try finds that out
            late = self._reserve_groups(batch, late, decisions, lease_ms)
            if not late:
                break
        return decisions

    def settle(self, batch: Sequence[Settlement]) -> list[Settled]:
        return self._end(batch)

    def release(self, batch: Sequence[LeaseName]) -> list[Settled]:
        return self._end(batch)

    def renew(self, batch: Sequence[LeaseName]) -> None:
        self._on_leases(self._renewing, batch, (self._lease_ms, KEEP_LEASE_MS))

    def expire(self, batch: Sequence[LeaseName]) -> None:
        self._on_leases(self._expiring, batch)

    def running(self) -> Iterator[list[LeaseName]]:
        for names in self._runner.pages(all_leases_keys()):
            owners = list({owner_of(name) for name in names})
            for start in range(0, len(owners), OWNERS_A_CALL):
                yield self._running_of(owners[start : start + OWNERS_A_CALL])

    def orphans(self, limit: int) -> list[Orphan]:
        """Looks at a bounded part of the keys and continues from there the next time, so that a sweep stays short on a
        Redis with millions of keys.  An expired lease stays until it is taken, so a sweep that fails loses none."""
        pages = list(islice(self._sweep, PAGES_A_SWEEP))
        if len(pages) < PAGES_A_SWEEP:
            self._sweep = self._runner.pages(all_leases_keys())
        found: list[Orphan] = []
        owners = list({owner_of(name) for page in pages for name in page})
        for start in range(0, len(owners), OWNERS_A_CALL):
            more = True
            while more and len(found) < limit:
                room = min(limit - len(found), LEASES_A_CALL)
                try:
                    taken = self._take(owners[start : start + OWNERS_A_CALL], room)
                except BudgetsUnavailable:
                    if not found:
                        raise
                    return found  # these have been taken out of Redis
                found += taken
                more = len(taken) >= room
        return found

    def accounted(self, batch: Sequence[LeaseName]) -> None:
        groups = [[batch[i] for i in group] for group in self._groups([each.owner for each in batch])]
        steps = [Step([swept_key(each.owner) for each in group], [each.lease_id for each in group]) for group in groups]
        if None in self._runner.run(self._accounted, steps):
            raise BudgetsUnavailable(PART_AWAY)

    def ping(self) -> None:
        """BudgetsUnavailable unless Redis answers; BudgetsLost if it has lost the budgets."""
        self._runner.ping()
        if self._epoch and not self._runner.holds(self._epoch):
            raise BudgetsLost(LOST)

    def close(self) -> None:
        self._runner.close()

    def _on_leases(self, script: Script, batch: Sequence[LeaseName], said: Sequence[int] = ()) -> None:
        steps = []
        for group in self._groups([each.owner for each in batch]):
            names = [batch[i] for i in group]
            keys = [key for each in names for key in (lease_key(each.owner, each.lease_id), leases_key(each.owner))]
            steps.append(Step(keys, [*said, *(each.lease_id for each in names)]))
        if None in self._runner.run(script, steps):
            raise BudgetsUnavailable(PART_AWAY)

    def _running_of(self, owners: Sequence[str]) -> list[LeaseName]:
        groups = self._groups(owners)
        replies = self._runner.run(
            self._running, [Step([leases_key(owners[i]) for i in group], []) for group in groups]
        )
        if None in replies:
            raise BudgetsUnavailable(PART_AWAY)
        return [
            LeaseName(owners[i], lease_id.decode())
            for group, reply in zip(groups, replies, strict=True)
            for i, lease_ids in zip(group, reply, strict=True)
            for lease_id in lease_ids
        ]

    def _groups(self, owners: Sequence[str]) -> list[list[int]]:
        """The indexes of the owners that may share a call."""
        if not self._runner.by_owner:
            return [list(range(len(owners)))] if owners else []
        groups: dict[str, list[int]] = {}
        for i, owner in enumerate(owners):
            groups.setdefault(owner, []).append(i)
        return list(groups.values())

    def _reserve_groups(
        self,
        batch: Sequence[Reservation],
        groups: list[list[int]],
        decisions: list[Decision | None],
        lease_ms: int | None,
    ) -> list[list[int]]:
        """Fills in what is decided; returns the groups that reached Redis too late."""
        valid_until_ms = self._valid_until_ms()
        said = valid_until_ms, "" if lease_ms is None else lease_ms, KEEP_LEASE_MS, self._epoch
        steps = [reserve_step([batch[i] for i in group], said) for group in groups]
        late: list[list[int]] = []
        for group, reply in zip(groups, self._runner.run(self._reserve, steps), strict=True):
            if reply is None:
                continue
            self._ahead_ms = reply[0] - _monotonic_ms()
            if len(reply) == 1:
                late.append(group)
                continue
            if len(reply) == 2:
                raise BudgetsLost(LOST)
            at = 1
            for i in group:
                rules = batch[i].rules
                end = at + 2 + len(rules.rules)
                decisions[i] = _decision(rules, reply[at], reply[at + 1], tuple(reply[at + 2 : end]))
                if decisions[i] is None:
                    self._tell_unreadable(rules.owner)
                at = end
        return late

    def _tell_unreadable(self, owner: str) -> None:
        """Logs each owner once: unreadable keys stay so until an operator resets or mends them."""
        if owner not in self._unreadable and len(self._unreadable) < MAX_UNREADABLE:
            self._unreadable.add(owner)
            log.error("budgets or leases cannot be read, their requests are not decided", owner=owner)

    def _valid_until_ms(self) -> int:
        """The time on Redis's clock when we shall have given up waiting.  0 on a cluster: its nodes' clocks differ."""
        if self._ahead_ms is None or self._runner.by_owner:
            return 0
        return _monotonic_ms() + self._ahead_ms + self._timeout_ms

    def _end(self, batch: Sequence[Settlement | LeaseName]) -> list[Settled]:
        ended: list[Settled] = [GONE] * len(batch)
        groups = self._groups([each.owner for each in batch])
        steps = [end_step([batch[i] for i in group], self._epoch) for group in groups]
        for group, reply in zip(groups, self._runner.run(self._settle, steps), strict=True):
            if reply is None:
                raise BudgetsUnavailable(PART_AWAY)
            if reply[0] < 0:
                raise BudgetsLost(LOST)
            for i, settled in zip(group, reply, strict=True):
                if settled:
                    ended[i] = SETTLED
        return ended

    def _take(self, owners: Sequence[str], limit: int) -> list[Orphan]:
        groups = self._groups(owners)
        steps = [
            Step([key for i in group for key in swept_keys(owners[i])], [limit, self._again_ms]) for group in groups
        ]
        replies = self._runner.run(self._orphans, steps)
        return [
            Orphan(owners[group[index]], lease_id.decode(), kept_of(lease), again=bool(again))
            for group, reply in zip(groups, replies, strict=True)
            for index, lease_id, lease, again in zip(*(iter(reply or ()),) * 4, strict=True)
        ]


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _decision(rules: RuleSet, verdict: int, wait_ms: int, held: tuple[int, ...]) -> Decision | None:
    """Reads one request's part of the reply of reserve.lua."""
    if verdict == 0:
        return Admitted(held, rules.rules[wait_ms - 1].name if wait_ms > 0 else "")
    if verdict == UNREADABLE:
        return None
    return Refused(_name(rules, verdict), None if wait_ms < 0 else wait_ms, held)


def _name(rules: RuleSet, verdict: int) -> str:
    if verdict > 0:
        return rules.rules[verdict - 1].name
    leases = rules.leases or Leases()
    return leases.name if verdict == NO_LEASE else leases.name_of_part
