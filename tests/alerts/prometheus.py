"""Debian's Prometheus and promtool: of this machine, or as `.ci/prometheus` has put them beside this Python."""

import os
import shutil
import sys
from pathlib import Path

NONE = (
    "no Prometheus on this machine, so ALERTS AND DASHBOARD ARE NOT TRIED WITH IT: `.ci/prometheus` fetches Debian's,"
    " where it may"
)


def program(name: str) -> str | None:
    """Where it is: `prometheus` or `promtool`."""
    return shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
