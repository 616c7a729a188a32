"""What a simulation says, as rows of plain values: of each policy, of each tenant, and over time.  Pure."""

import math
from collections.abc import Mapping
from typing import Any

from ratelimit.fairness.simulation.measure import Account, Measured

Row = dict[str, Any]


def report_of(measured: Mapping[str, Measured], every: int) -> dict[str, list[Row]]:
    """By policy.  `service` is in tokens of service (service.py).  `over_time`: tokens of service a second of each
    tenant, in stretches of `every` seconds; none if that is 0."""
    found = {
        "policies": [_policy(name, each) for name, each in measured.items()],
        "tenants": [_tenant(name, who, each) for name, each in measured.items() for who in each.tenants],
    }
    if every:
        found["over_time"] = [row for name, each in measured.items() for row in _over_time(name, each, every)]
    return found


def _policy(name: str, measured: Measured) -> Row:
    accounts = measured.tenants.values()
    return {
        "policy": name,
        "asked": sum(account.asked for account in accounts),
        "refused": sum(account.refused for account in accounts),
        "service": round(sum(sum(account.served) for account in accounts)),
        "worst_gap": round(max(measured.gaps.values())),
        "jain": round(measured.jain, 3),
    }


def _tenant(policy: str, name: str, measured: Measured) -> Row:
    account = measured.tenants[name]
    return {
        "policy": policy,
        "tenant": name,
        "asked": account.asked,
        "refused": account.refused,
        "service": round(sum(account.served)),
        "ideal": round(sum(account.ideal)),
        "worst_gap": round(measured.gaps[name]),
        "wait_p50": round(account.wait(0.5), 1),
        "wait_p95": round(account.wait(0.95), 1),
        "wait_max": round(account.wait(1), 1),
    }


def _over_time(policy: str, measured: Measured, every: int) -> list[Row]:
    rates = {name: rates_of(account, every) for name, account in measured.tenants.items()}
    lengths = max(len(each) for each in rates.values())
    return [
        {"policy": policy, "second": number * every, **{name: round(each[number]) for name, each in rates.items()}}
        for number in range(lengths)
    ]


def rates_of(account: Account, every: int) -> list[float]:
    """Tokens of service a second, in stretches of `every` seconds; the last may be shorter."""
    served = account.served
    stretches = (served[number * every : (number + 1) * every] for number in range(math.ceil(len(served) / every)))
    return [sum(stretch) / len(stretch) for stretch in stretches]
