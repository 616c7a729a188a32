"""The stored form of leases, and the arguments of the scripts that end them.  Pure."""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from msgspec import msgpack

from ratelimit.budgets.keys import lease_key, leases_key, settled_key, swept_key
from ratelimit.budgets.port import LeaseName, Reservation, Settlement
from ratelimit.budgets.rule import Used, dump_rules
from ratelimit.budgets.scripts import Step
from serving.fast_json import json_of

MARKER_MS = 86_400_000  # the JSON access log may be read back late; later than that, a direct charge could repeat
OWN_MEMBERS = ("budgets", "reserved", "missed", "at_ms")  # of a stored lease; the others are what it keeps
NOTHING_USED = Used(0)
OWNERS_KEPT = 4096

packed = msgpack.Encoder().encode


def swept_keys(owner: str) -> tuple[str, str, str]:
    return leases_key(owner), lease_key(owner, ""), swept_key(owner)


def end_step(batch: Sequence[Settlement | LeaseName], epoch: str) -> Step:
    keys: list[str] = []
    arguments: list[str | int] = [MARKER_MS, epoch]
    for each in batch:
        lease_id = each.lease_id
        lease, leases, settled = _keys_of(each.owner)
        keys += (lease + lease_id, leases, settled + lease_id)
        if isinstance(each, LeaseName):
            arguments += (lease_id, "release", *NOTHING_USED, "")
        elif each.direct:
            arguments += (lease_id, "direct", *each.used, dump_rules(each.rules))
        else:
            arguments += (lease_id, "lease", *each.used, "")
    return Step(keys, arguments)


@lru_cache(OWNERS_KEPT)
def _keys_of(owner: str) -> tuple[str, str, str]:
    """How the names of its leases begin, their set, and how its markers begin."""
    return lease_key(owner, ""), leases_key(owner), settled_key(owner, "")


def reserve_step(batch: Sequence[Reservation], said: Sequence[str | int]) -> Step:
    """`said`: the arguments of `lua/reserve.lua` ahead of the requests."""
    numbers: dict[int, int] = {}  # a rule set's number in this call, by identity: hashing it costs more
    keys: list[str] = []
    sets: list[bytes] = []
    requests: list[str | int] = []
    for each in batch:
        rules = each.rules
        number = numbers.get(id(rules))
        if number is None:
            number = numbers[id(rules)] = len(numbers) + 1
            keys += rules.keys
            sets.append(rules.packed)
        if rules.leases is None:
            requests += (number, *each.costs)
        else:
            requests += (number, each.lease_id, json_of(each.keeps)[1:], *each.costs)
    return Step(keys, [*said, packed(requests), *sets])


def kept_of(lease: bytes) -> dict[str, Any]:
    """What a stored lease kept.  It is out of Redis by now, so an unreadable one must not cost the others theirs."""
    try:
        found = json.loads(lease)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if name not in OWN_MEMBERS}
