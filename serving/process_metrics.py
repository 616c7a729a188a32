"""What every process says of itself: its version, its memory, when it began."""

import os
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from serving.metrics import Gauge

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
PACKAGE = "tollkeeper"


def process_gauges() -> list[Gauge]:
    """The gauges of this process; its start is the time of this call."""
    began = time.time()
    release = {own_version(): 1.0}
    return [
        Gauge("tollkeeper_build_info", "1, with the version that runs", lambda: release, "version"),
        Gauge("tollkeeper_process_resident_bytes", "Memory that the process has now", resident_bytes),
        Gauge("tollkeeper_process_start_time_seconds", "When the process began, in s since 1970", lambda: began),
    ]


def own_version() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:  # not installed
        return f"unknown on Python {sys.version_info.major}"


def resident_bytes() -> float:
    """The resident memory of this process; 0 where the kernel does not report it."""
    try:
        return float(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0.0
