"""The stored form of leases, and the arguments of the scripts that end them.  Pure."""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ratelimit.budgets.keys import lease_key, leases_key, settled_key, swept_key
from ratelimit.budgets.port import LeaseName, Reservation, Settlement
from ratelimit.budgets.rule import Used, dump_rules
from ratelimit.budgets.scripts import Step
from serving.fast_json import json_of

MARKER_MS = 86_400_000  # the JSON access log may be read back late; later than that, a direct charge could repeat
OWN_MEMBERS = ("budgets", "reserved", "missed", "at_ms")  # of a stored lease; the others are what it keeps
NOTHING_USED = Used(0)
OWNERS_KEPT = 4096


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


def lease_of(reservation: Reservation) -> str:
    """The lease as stored: a JSON object."""
    return f"{reservation.rules.lease_head},{json_of({'reserved': reservation.costs, **reservation.keeps})[1:]}"


def kept_of(lease: bytes) -> dict[str, Any]:
    """What a stored lease kept.  It is out of Redis by now, so an unreadable one must not cost the others theirs."""
    try:
        found = json.loads(lease)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if name not in OWN_MEMBERS}
