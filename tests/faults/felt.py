"""What callers feel of one kill or upgrade, in the midst of an open loop of requests through a real Envoy.

`python -m tests.faults.felt` prints for each how many requests failed, by status.  `control` breaks nothing: if
requests fail there, the rate is too much for the machine, and the other figures tell nothing.
"""

import argparse
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import place_postgres, public_directory
from tests.e2e.deployment import Deployment, wait_for
from tests.e2e.open_loop import OpenLoop
from tests.e2e.outages.test_crash import workers
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.valkey import Valkey

BEFORE, AFTER = 3.0, 9.0  # seconds of load on either side
BUSY_HANDOVER = 60.0  # for a start on a machine that has no time


class Victim(Deployment):
    """A stack whose parts can be ended and started, each at the place where it was; with spares, as by default."""

    def __init__(self, directory: Path, processes: int) -> None:
        self.valkey = Valkey(directory / "valkey")
        self.postgres = Postgres(place_postgres(directory / "postgres"))
        super().__init__(
            directory / "stack",
            settings={"spares": True, "workers": processes, "handover_seconds": BUSY_HANDOVER},
            redis_url=self.valkey.url,
            database_url=self.postgres.url,
        )

    def kill_worker(self, name: str) -> None:
        os.kill(workers(self)[name], signal.SIGKILL)

    def hang_worker(self, name: str) -> None:
        os.kill(workers(self)[name], signal.SIGSTOP)

    def kill_supervisor(self) -> None:
        self.processes["sidecar"].kill()
        self.stack.sidecar(self.settings)

    def reload(self) -> None:
        os.kill(self.processes["sidecar"].pid, signal.SIGHUP)

    def replace(self) -> None:
        self.stack.sidecar(self.settings, "--replace")

    def stop_and_start(self) -> None:
        self.tell_and_start(signal.SIGTERM)

    def leave_and_start(self) -> None:
        self.tell_and_start(signal.SIGUSR2)

    def tell_and_start(self, number: signal.Signals) -> None:
        os.kill(self.processes["sidecar"].pid, number)
        self.stack.sidecar(self.settings)

    def restart_valkey(self) -> None:
        self.valkey.stop()
        self.valkey = Valkey(self.directory.parent / "valkey", self.valkey.port)

    def restart_postgres(self) -> None:
        self.postgres.stop()
        self.postgres = Postgres(self.directory.parent / "postgres", self.postgres.port)

    def close(self) -> None:
        super().close()
        self.valkey.stop()
        self.postgres.stop()


@contextmanager
def open_victim(processes: int) -> Iterator[Victim]:
    with public_directory() as directory, ExitStack() as stops:
        victim = Victim(directory, processes)
        stops.callback(victim.close)
        yield victim


EVENTS: dict[str, Callable[[Victim], object]] = {
    "control": lambda victim: None,
    "kill authz": lambda victim: victim.kill_worker("authz"),
    "kill ratelimit and accesslog": lambda victim: victim.kill_worker("ratelimit"),
    "hang authz": lambda victim: victim.hang_worker("authz"),
    "hang ratelimit and accesslog": lambda victim: victim.hang_worker("ratelimit"),
    "kill the supervisor": Victim.kill_supervisor,
    "SIGHUP": Victim.reload,
    "replace the sidecar": Victim.replace,
    "SIGTERM and start the sidecar": Victim.stop_and_start,
    "SIGUSR2 and start the sidecar": Victim.leave_and_start,
    "restart valkey": Victim.restart_valkey,
    "restart postgres": Victim.restart_postgres,
}


def felt(victim: Victim, event: str, rate: float) -> dict[str, Any]:
    """What became of the requests around it."""
    who = victim.tenant(tokens_per_minute=None)
    before = workers(victim)
    wait_for(lambda: True if victim.chat(who).status_code == 200 else None, "a whole stack", 60)
    load = OpenLoop(victim, who, rate, BEFORE + AFTER)
    time.sleep(BEFORE)
    EVENTS[event](victim)
    found = load.result()
    if event == "SIGHUP" or "the sidecar" in event:
        wait_for(lambda: True if workers(victim).items().isdisjoint(before.items()) else None, "every place", 60)
    time.sleep(3.0)  # for spares to be warm again
    return found


def line(event: str, found: dict[str, Any]) -> str:
    total = sum(found["statuses"].values())
    share = found["failed"] / total
    statuses = ", ".join(f"{count} x {status}" for status, count in sorted(found["statuses"].items()))
    return f"{event:30} {found['failed']:5} of {total:5} failed ({share:.2%}); p99 {found['p99']:.0f} ms; {statuses}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.felt", description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--workers", type=int, default=1, help="processes of each kind in the sidecar")
    parser.add_argument("--only", action="append", choices=EVENTS, help="one of them; may be said again")
    given = parser.parse_args()
    with open_victim(given.workers) as victim:
        for event in given.only or EVENTS:
            print(line(event, felt(victim, event, given.rate)), flush=True)


if __name__ == "__main__":
    main()
