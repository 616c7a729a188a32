"""CPU time and memory of processes, from /proc.  Children count too: Postgres forks one per connection, the sidecar its
workers."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MEBIBYTE = 1024 * 1024


def family(pid: int) -> set[int]:
    """The process and all of its descendants."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(int(name))
            if fields:
                parents[int(name)] = int(fields[1])
    found, size = {pid}, 0
    while len(found) != size:
        size = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time, threads included."""
    return sum(int(fields[11]) + int(fields[12]) for pid in pids if (fields := _stat(pid))) / TICKS


def run_seconds(pids: Iterable[int]) -> float:
    """The same to the nanosecond, of the threads that there are: for turns of a part of a second."""
    return sum(_run_ns(task) for pid in pids for task in Path(f"/proc/{pid}/task").glob("*")) / 1e9


def memory_mb(pids: Iterable[int]) -> float:
    """Resident memory."""
    return sum(int(fields[21]) for pid in pids if (fields := _stat(pid))) * PAGE_BYTES / MEBIBYTE


def _run_ns(task: Path) -> int:
    try:
        return int((task / "schedstat").read_text().split()[0])
    except OSError:
        return 0


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the third on; None if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


class CpuMeter:
    """CPU time of named processes, from the creation of the meter to `spent`."""

    def __init__(self, processes: Mapping[str, int]) -> None:
        self._pids = {name: family(pid) for name, pid in processes.items()}
        self._before = {name: cpu_seconds(pids) for name, pids in self._pids.items()}

    def spent(self) -> dict[str, float]:
        """Seconds by name."""
        return {name: cpu_seconds(pids) - self._before[name] for name, pids in self._pids.items()}
