"""The log does not fail its writer."""

import subprocess
import sys
from pathlib import Path

SAYS = """
import resource, structlog
from tollkeeper.logs import configure_logs
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
configure_logs("info", "test")
log = structlog.get_logger("x")
for _ in range(3):
    log.info("said")
print("went on")
"""
FAILS = SAYS.replace('configure_logs("info", "test")', "import sys; sys.stderr.write('x'); sys.stderr.flush()")


def said(program: str, directory: Path) -> bytes:
    """What a program writes to stdout while its log is a file that takes nothing."""
    with (directory / "log").open("wb") as log:
        command = [sys.executable, "-c", program]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=log, check=False, timeout=60).stdout


def test_a_full_disk_under_the_log_ends_nothing(tmp_path: Path) -> None:
    assert said(SAYS, tmp_path) == b"went on\n"


def test_the_log_by_itself_would_have_failed(tmp_path: Path) -> None:
    """So that the test above tests something."""
    assert said(FAILS, tmp_path) == b""
