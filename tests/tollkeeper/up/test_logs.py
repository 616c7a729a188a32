"""What the parts of `up` write does not fill the disk."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tollkeeper.up.process import Process

WRITES = "trap 'echo more' USR1; printf '%05000d\\n' 7; while :; do sleep 0.05; done"


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_log_that_has_grown_is_begun_anew_and_its_end_kept(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "part.log"
    process = Process("part", ["/bin/sh", "-c", WRITES], log)
    try:
        wait_until(lambda: log.exists() and log.stat().st_size == 5001)
        process.trim_log(5001)
        assert log.stat().st_size == 5001
        process.trim_log(1000)
        kept = log.with_name("part.log.1")
        assert (log.stat().st_size, kept.read_text()) == (0, f"{7:0999d}\n")
        assert kept.stat().st_mode & 0o777 == 0o600
        os.kill(process.pid, signal.SIGUSR1)
        wait_until(lambda: log.read_text() == "more\n")
    finally:
        process.kill()
