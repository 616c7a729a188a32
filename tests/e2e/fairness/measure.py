"""What tenants get on the real stack, a minute each: python -m tests.e2e.fairness.measure [SECONDS]

Envoy, Valkey, Postgres and the stub model on this machine, room for four answers of 50 ms.  Weights 500 and 50; the
tenant with the smaller weight has more than three times as many clients.
"""

import sys

from tests.conftest import public_directory
from tests.e2e.deployment import Credential, Deployment
from tests.e2e.fairness.conftest import bound, idle
from tests.e2e.fairness.crowd import Clients, run

SLOTS = 4
SETTLED = 2.0  # seconds until shares are looked at


def main(seconds: float) -> None:
    with public_directory() as directory:
        deployment = Deployment(directory / "stack")
        try:
            _fair(deployment, seconds)
            _first_come(deployment, seconds)
            _caps(deployment, seconds)
        finally:
            deployment.close()


def _fair(deployment: Deployment, seconds: float) -> None:
    bound(deployment, SLOTS)
    large, small = Clients(_tenant(deployment, 500), 12), Clients(_tenant(deployment, 50), 40)
    third = Clients(_tenant(deployment, 500), 12, tokens=100, after=seconds)
    run(deployment.envoy_address, 2 * seconds, large, small, third)
    _print("fair: 500 and 50", SETTLED, seconds, large, small)
    _print("fair: and a third, 500, answers ten times as long", seconds + SETTLED, 2 * seconds, large, small, third)
    idle(deployment)
    alone = Clients(_tenant(deployment, 50), 40)
    run(deployment.envoy_address, seconds / 4, alone)
    _print("fair: 50 alone", SETTLED, seconds / 4, alone)


def _first_come(deployment: Deployment, seconds: float) -> None:
    """What a queue without shares gives: two keys of one tenant, whose requests are served in the order of arrival."""
    bound(deployment, SLOTS)
    one = _tenant(deployment, 500)
    few, many = Clients(one, 12), Clients(deployment.key(one.tenant_id), 40)
    run(deployment.envoy_address, seconds / 2, few, many)
    _print("first come, first served: 12 clients and 40", SETTLED, seconds / 2, few, many)
    idle(deployment)


def _caps(deployment: Deployment, seconds: float) -> None:
    """Each tenant its part of the room, which is what gateways do."""
    bound(deployment, None)
    large, small = Clients(_tenant(deployment, 500, 3), 12), Clients(_tenant(deployment, 50, 1), 40)
    run(deployment.envoy_address, seconds / 2, large, small)
    _print("caps: 3 and 1 of 4", SETTLED, seconds / 2, large, small)
    idle(deployment)
    alone = Clients(_tenant(deployment, 50, 1), 40)
    run(deployment.envoy_address, seconds / 4, alone)
    _print("caps: 1 of 4, alone", SETTLED, seconds / 4, alone)


def _tenant(deployment: Deployment, weight: int, most: int | None = None) -> Credential:
    return deployment.tenant(weight=weight, max_in_flight=most, tokens_per_minute=100_000_000)


def _print(title: str, start: float, end: float, *crowds: Clients) -> None:
    print(title)
    for crowd in crowds:
        within = [answer for answer in crowd.answers if start <= answer.at < end]
        waits = sorted(answer.waited for answer in within if answer.status == 200)
        refused = len(within) - len(waits)
        tokens = crowd.tokens_between(start, end) / (end - start)
        median, worst = waits[len(waits) // 2], waits[-1]
        print(f"  {tokens:7.1f} tokens/s  answered after {median:.2f} s (at most {worst:.2f})  refused {refused}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
