"""The processes of a sidecar: what each is called, which services it carries, where it is found.  Pure.

Which services there are, and which share their processes, is slices/table.py's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tollkeeper.config import Settings
from tollkeeper.slices.table import GROUPS, Service

SERVICES = tuple(Service)


@dataclass(frozen=True, slots=True)
class Worker:
    """One process: the `number`th (from 1) of its `group`.  `tcp`: it also answers on TCP."""

    group: str
    number: int
    services: tuple[str, ...]
    tcp: bool = False

    @property
    def name(self) -> str:
        return numbered(Path(self.group), self.number).name


def plan(services: Sequence[str], workers: int = 1, *, tcp: bool = False) -> list[Worker]:
    """The processes that carry `services`, `workers` of each group.

    If they answer on TCP too, the last one does, for all services: a second one there would take half of the
    connections.
    """
    groups = {name: tuple(each for each in group if each in services) for name, group in GROUPS.items()}
    found = [
        Worker(name, number, chosen) for name, chosen in groups.items() if chosen for number in range(1, workers + 1)
    ]
    if not tcp:
        return found
    last = found.pop()
    return [*found, Worker(last.group, last.number, tuple(services), tcp=True)]


def metrics_socket(settings: Settings, worker: Worker) -> Path:
    """Where the worker's process shows its metrics and whether it is ready."""
    return settings.ratelimit_socket.parent / f"{worker.name}.metrics.sock"


def numbered(path: Path, number: int) -> Path:
    """What belongs to the `number`th process: the first has the plain name, the next `authz-2.sock`."""
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def all_numbered(path: Path, workers: int) -> list[Path]:
    """What belongs to each process of a group, in their order."""
    return [numbered(path, number) for number in range(1, workers + 1)]


def bodies_sockets(settings: Settings) -> list[Path]:
    """Where each process of authz is told of bodies that have arrived."""
    return all_numbered(settings.authz_socket.with_name("bodies.sock"), settings.workers)
