"""The faults of a campaign: each begins, lasts for a while, and ends."""

import os
import random
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from tests.faults.place import Place, Sidecar
from tests.proxy import TcpProxy

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
    sidecar, (_, envoy) = chance.choice(place.sidecars), chance.choice(place.envoys)
    step = chance.choice(STEPS)
    redis, postgres = [each.redis for each in place.sidecars], [each.postgres for each in place.sidecars]
    return [
        *of_processes(sidecar, chance),
        Fault("hang an envoy", "envoy", envoy.pause, envoy.resume),
        *of_lines("redis", "redis", redis),
        *of_lines("postgres", "postgres", postgres),
        *(of_one_sidecar(sidecar) if sidecar.line else []),
        *(fault for name, line in place.receivers.items() for fault in of_lines(f"who gets {name}", name, [line])),
        Fault("kill the management API", "admin", place.restart_admin, nothing),
        Fault("restart redis", "redis", place.restart_valkey, nothing),
        Fault("lose redis", "redis", lambda: flush(place), nothing),
        Fault(f"step redis's clock by {step} s", "clock", lambda: place.clock.step(step), lambda: place.clock.step(0)),
        full_disks(place),
    ]


def of_processes(sidecar: Sidecar, chance: random.Random) -> list[Fault]:
    victim, hung = chance.choice(sorted(sidecar.worker_names)), list[int]()
    name, group = f"{victim} of {sidecar.name}", sidecar.name
    return [
        Fault(f"kill {name}", group, lambda: sidecar.signal(victim, signal.SIGKILL), nothing),
        Fault(
            f"hang {name}",
            group,
            lambda: hung.extend(sidecar.signal(victim, signal.SIGSTOP)),
            lambda: wake(hung),  # the process that has its place by now
        ),
        Fault(f"hang {name} for good", group, lambda: sidecar.signal(victim, signal.SIGSTOP), nothing),
        Fault(f"kill the supervisor of {sidecar.name}", group, sidecar.begin_again, nothing),
        Fault(f"SIGHUP to {sidecar.name}", group, lambda: os.kill(sidecar.supervisor().pid, signal.SIGHUP), nothing),
    ]


def of_one_sidecar(sidecar: Sidecar) -> list[Fault]:
    """What happens to one of several alone."""
    assert sidecar.line is not None
    return [
        *of_lines(f"{sidecar.name}", f"line of {sidecar.name}", [sidecar.line]),
        *of_lines(f"redis for {sidecar.name}", "redis", [sidecar.redis]),
        *of_lines(f"postgres for {sidecar.name}", "postgres", [sidecar.postgres]),
    ]


def of_lines(name: str, group: str, lines: list[TcpProxy]) -> list[Fault]:
    def each(what: Callable[[TcpProxy], None]) -> None:
        for line in lines:
            what(line)

    restore = partial(each, TcpProxy.restore)
    return [
        Fault(f"cut {name} off", group, partial(each, TcpProxy.cut), restore),
        Fault(f"hang {name}", group, partial(each, TcpProxy.freeze), restore),
    ]


def wake(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def flush(place: Place) -> None:
    with place.redis() as client:
        client.flushall()


def full_disks(place: Place) -> Fault:
    """No process of a sidecar can make a file longer, so that neither the spool nor the checkpoint can be written; and
    Postgres is away."""
    full = list[int]()

    def fill() -> None:
        for each in place.sidecars:
            each.postgres.cut()
            full.extend(each.worker_pids())
        limit(full, (0, resource.RLIM_INFINITY))

    def empty() -> None:
        for each in place.sidecars:
            each.postgres.restore()
        limit(full, UNLIMITED)

    return Fault("full disk, no postgres", "postgres", fill, empty)


def limit(pids: list[int], bytes_a_file: tuple[int, int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, bytes_a_file)
