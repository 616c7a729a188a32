"""Budgets in Redis or Valkey: turns each step of the port into script calls and their replies into values.

How batches come about and what happens while Redis is away is group_commit.py's business; the rules of a bucket are in
level.py and `lua/`; how a script is called is in scripts.py.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import structlog

from ratelimit.budgets.meter import Used, dump_meters
from ratelimit.budgets.peek import peek_step, peeked
from ratelimit.budgets.port import (
    IN_FLIGHT,
    Admitted,
    BudgetsUnavailable,
    Decision,
    LeaseName,
    Orphan,
    Refused,
    Reservation,
    Settled,
    Settlement,
)
from ratelimit.budgets.scripts import Client, Runner, Script, Step
from ratelimit.tenants.account import Account
from tenancy.redis.names import redis_key_lease, redis_key_leases, redis_key_settled

log = structlog.get_logger(__name__)

DAY_MS = 86_400_000
KEEP_LEASE_MS = DAY_MS  # beyond the deadline: time for some sidecar to sweep it
MARKER_MS = DAY_MS  # the JSON access log may be read back late; later than that, a direct charge could repeat
TENANTS_A_CALL = 250  # looked at in one call: less than a millisecond of Redis, unless there is something to take
LEASES_A_CALL = 50  # taken in one call: about as long
PAGES_A_SWEEP = 20  # bounds one sweep: some 20,000 keys looked at
LEASES_PREFIX, LEASES_SUFFIX = redis_key_leases("|").split("|")

_encode = json.JSONEncoder(separators=(",", ":")).encode  # made once: json.dumps makes one a call

NOTHING_USED = Used(0)

T = TypeVar("T", bound=Settlement | LeaseName)


class RedisBudgets:
    """The port on a Redis or a cluster.  `lease_seconds`: longer than any request may take.

    `open_client` makes a client with the socket timeout `timeout` (s), such as `open_redis`; it is called on first use.
    Thread-safe, but `orphans` is for one thread.
    """

    def __init__(self, open_client: Callable[[], Client], lease_seconds: float, *, timeout: float) -> None:
        self._runner, self._lease_ms = Runner(open_client), int(lease_seconds * 1000)
        self._timeout_ms = int(timeout * 1000)
        # How far Redis's clock (ms since 1970) is ahead of our monotonic one, as of the last reply.
        self._ahead_ms: int | None = None
        self._reserve = Script.read("budget", "reserve")
        self._settle = Script.read("budget", "settle")
        self._peek = Script.read("budget", "peek")
        self._orphans = Script.read("orphans")
        self._sweep: Iterator[list[str]] = iter(())

    def reserve(self, batch: Sequence[Reservation]) -> list[Decision | None]:
        decisions: list[Decision | None] = [None] * len(batch)
        groups = self._groups([reservation.account.policy.tenant_id for reservation in batch])
        late = groups
        for _ in range(2):  # twice: if Redis's clock was set, the first try finds out
            late = self._reserve_groups(batch, late, decisions)
            if not late:
                break
        return decisions

    def settle(self, batch: Sequence[Settlement]) -> list[Settled]:
        return self._end(batch, _add_settlement)

    def release(self, batch: Sequence[LeaseName]) -> list[Settled]:
        return self._end(batch, _add_release)

    def peek(self, account: Account) -> list[int]:
        if not account.buckets:
            return []
        (reply,) = self._runner.run(self._peek, [peek_step([bucket.meter for bucket in account.buckets])])
        return [state.held for state in peeked(reply)]

    def orphans(self, limit: int) -> list[Orphan]:
        """Looks at a bounded part of the keys and goes on from there the next time, so that a sweep stays short on a
        Redis with millions of keys.  An expired lease stays until it is taken, so a sweep that fails loses none."""
        pages = list(islice(self._sweep, PAGES_A_SWEEP))
        if len(pages) < PAGES_A_SWEEP:
            self._sweep = self._runner.pages(redis_key_leases("*"))
        found: list[Orphan] = []
        names = list({name for page in pages for name in page})
        for start in range(0, len(names), TENANTS_A_CALL):
            more = True
            while more and len(found) < limit:
                room = min(limit - len(found), LEASES_A_CALL)
                try:
                    taken = self._take(names[start : start + TENANTS_A_CALL], room)
                except BudgetsUnavailable:
                    if not found:
                        raise
                    return found  # those are out of Redis: nobody would find them again
                found += taken
                more = len(taken) >= room
        return found

    def ping(self) -> None:
        """BudgetsUnavailable unless Redis answers."""
        self._runner.ping()

    def close(self) -> None:
        self._runner.close()

    def _groups(self, tenant_ids: Sequence[str]) -> list[list[int]]:
        """Indexes of what may go into one call."""
        if not self._runner.by_tenant:
            return [list(range(len(tenant_ids)))] if tenant_ids else []
        groups: dict[str, list[int]] = {}
        for i, tenant_id in enumerate(tenant_ids):
            groups.setdefault(tenant_id, []).append(i)
        return list(groups.values())

    def _reserve_groups(
        self, batch: Sequence[Reservation], groups: list[list[int]], decisions: list[Decision | None]
    ) -> list[list[int]]:
        """Fills in what is decided; returns the groups that Redis found too late."""
        valid_until_ms = self._valid_until_ms()
        steps = [self._reserve_step([batch[i] for i in group], valid_until_ms) for group in groups]
        late: list[list[int]] = []
        for group, reply in zip(groups, self._runner.run(self._reserve, steps), strict=True):
            if reply is None:
                continue
            numbers = iter(reply)
            self._ahead_ms = next(numbers) - _monotonic_ms()
            if len(reply) == 1:
                late.append(group)
                continue
            for i in group:
                decisions[i] = _decision(batch[i].account, numbers)
        return late

    def _valid_until_ms(self) -> int:
        """On Redis's clock, when we shall have given up waiting.  Not on a cluster: its nodes' clocks differ."""
        if self._ahead_ms is None or self._runner.by_tenant:
            return 0
        return _monotonic_ms() + self._ahead_ms + self._timeout_ms

    def _reserve_step(self, batch: Sequence[Reservation], valid_until_ms: int) -> Step:
        keys: list[str] = []
        arguments: list[str | int] = [valid_until_ms, self._lease_ms, KEEP_LEASE_MS, 0]
        numbers: dict[int, int] = {}  # an account's number in this call, by identity: hashing its policy costs more
        requests: list[str | int] = []
        lease_keys: list[str] = []
        for reservation in batch:
            account = reservation.account
            number = numbers.get(id(account))
            if number is None:
                number = numbers[id(account)] = len(numbers) + 1
                keys += account.keys
                arguments += account.rules
            lease_keys.append(redis_key_lease(account.policy.tenant_id, reservation.lease_id))
            costs = reservation.costs()
            requests += (number, reservation.lease_id, _lease(reservation, costs), *costs)
        arguments[3] = len(numbers)
        return Step(keys + lease_keys, arguments + requests)

    def _end(self, batch: Sequence[T], add: Callable[[T, list[str], list[str | int]], None]) -> list[Settled]:
        ended: list[Settled] = [Settled.GONE] * len(batch)
        groups = self._groups([item.tenant_id for item in batch])
        steps = []
        for group in groups:
            step = Step([], [MARKER_MS])
            for i in group:
                add(batch[i], step.keys, step.arguments)
            steps.append(step)
        for group, reply in zip(groups, self._runner.run(self._settle, steps), strict=True):
            if reply is None:
                raise BudgetsUnavailable("a part of the budgets did not answer")
            for i, settled in zip(group, reply, strict=True):
                ended[i] = Settled.SETTLED if settled else Settled.GONE
        return ended

    def _take(self, names: Sequence[str], limit: int) -> list[Orphan]:
        tenant_ids = [name.removeprefix(LEASES_PREFIX).removesuffix(LEASES_SUFFIX) for name in names]
        groups = self._groups(tenant_ids)
        pairs = [[key for i in group for key in (names[i], redis_key_lease(tenant_ids[i], ""))] for group in groups]
        replies = self._runner.run(self._orphans, [Step(keys, [limit]) for keys in pairs])
        return [
            _orphan(tenant_ids[group[index]], lease_id.decode(), json.loads(lease))
            for group, reply in zip(groups, replies, strict=True)
            for index, lease_id, lease in zip(*(iter(reply or ()),) * 3, strict=True)
        ]


def _add_settlement(settlement: Settlement, keys: list[str], arguments: list[str | int]) -> None:
    _add_ended(settlement.tenant_id, settlement.lease_id, keys)
    kind, meters = ("direct", dump_meters(settlement.meters)) if settlement.direct else ("lease", "")
    arguments += (settlement.lease_id, kind, *settlement.used, meters)


def _add_release(name: LeaseName, keys: list[str], arguments: list[str | int]) -> None:
    _add_ended(name.tenant_id, name.lease_id, keys)
    arguments += (name.lease_id, "release", *NOTHING_USED, "")


def _add_ended(tenant_id: str, lease_id: str, keys: list[str]) -> None:
    keys += (
        redis_key_lease(tenant_id, lease_id),
        redis_key_leases(tenant_id),
        redis_key_settled(tenant_id, lease_id),
    )


def _lease(reservation: Reservation, costs: list[int]) -> str:
    """The lease as stored: a JSON object."""
    own = {
        "reserved": costs,
        "tokens": reservation.estimate.tokens,
        "input_estimate": reservation.estimate.input_tokens,
        "end_user_id": reservation.end_user_id,
        "model": reservation.model,
        "path": reservation.path,
    }
    return f"{reservation.account.lease_head},{_encode(own)[1:]}"


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _decision(account: Account, numbers: Iterator[int]) -> Decision:
    """Reads one request's part of the reply of reserve.lua."""
    verdict, wait_ms = next(numbers), next(numbers)
    levels = tuple(islice(numbers, len(account.buckets)))
    if verdict == 0:
        return Admitted(levels, account.buckets[wait_ms - 1].limit.name if wait_ms > 0 else "")
    name = IN_FLIGHT if verdict < 0 else account.buckets[verdict - 1].limit.name
    return Refused(name, None if wait_ms < 0 else wait_ms, levels)


def _orphan(tenant_id: str, lease_id: str, lease: dict[str, Any]) -> Orphan:
    return Orphan(
        tenant_id=tenant_id,
        lease_id=lease_id,
        key_id=lease["key_id"],
        user_id=lease["user_id"],
        end_user_id=lease["end_user_id"],
        model=lease["model"],
        path=lease["path"],
        reserved_tokens=lease["tokens"],
        input_estimate=lease["input_estimate"],
    )
