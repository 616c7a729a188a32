"""The faults of a campaign: each begins, lasts for a while, and ends."""

import os
import random
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from tests.faults.place import Place

STEPS = (-600, -5, 5, 600)  # a lease is 20 s
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


class Fault(NamedTuple):
    """`end` undoes it.  `group`: of one group only one lasts at a time."""

    name: str
    group: str
    begin: Callable[[], object]
    end: Callable[[], object]


def nothing() -> None:
    pass


def faults_of(place: Place, chance: random.Random) -> list[Fault]:
    """One of each kind, on parts chosen by chance."""
    victim = chance.choice(sorted(place.worker_names))
    redis, postgres, hung, full = place.redis_proxy, place.postgres_proxy, list[int](), list[int]()
    step = chance.choice(STEPS)
    return [
        Fault(f"kill {victim}", "sidecar", lambda: place.signal(victim, signal.SIGKILL), nothing),
        Fault(
            f"hang {victim}",
            "sidecar",
            lambda: hung.extend(place.signal(victim, signal.SIGSTOP)),
            lambda: wake(hung),  # the process that has its place by now
        ),
        Fault(f"hang {victim} for good", "sidecar", lambda: place.signal(victim, signal.SIGSTOP), nothing),
        Fault("kill the supervisor", "sidecar", place.restart_supervisor, nothing),
        Fault("hang envoy", "envoy", place.processes["envoy"].pause, place.processes["envoy"].resume),
        Fault("cut redis off", "redis", redis.cut, redis.restore),
        Fault("hang redis", "redis", redis.freeze, redis.restore),
        Fault("restart redis", "redis", place.restart_valkey, nothing),
        Fault("lose redis", "redis", lambda: flush(place), nothing),
        Fault(f"step redis's clock by {step} s", "clock", lambda: place.clock.step(step), lambda: place.clock.step(0)),
        Fault("cut postgres off", "postgres", postgres.cut, postgres.restore),
        Fault("hang postgres", "postgres", postgres.freeze, postgres.restore),
        Fault("full disk, no postgres", "postgres", lambda: fill_disk(place, full), lambda: empty_disk(place, full)),
    ]


def wake(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def flush(place: Place) -> None:
    with place.redis() as client:
        client.flushall()


def fill_disk(place: Place, full: list[int]) -> None:
    """No process of the sidecar can make a file longer, so that neither the spool nor the checkpoint can be written.
    `full`: takes their ids."""
    place.postgres_proxy.cut()
    full += place.worker_pids()
    limit(full, (0, resource.RLIM_INFINITY))


def empty_disk(place: Place, full: list[int]) -> None:
    place.postgres_proxy.restore()
    limit(full, UNLIMITED)


def limit(pids: list[int], bytes_a_file: tuple[int, int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, bytes_a_file)
