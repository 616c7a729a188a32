"""What the sidecar keeps on this machine: its directories, their space, and the sockets that Envoy calls."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from tollkeeper.config import MEBIBYTE, Settings
from tollkeeper.doctor.finding import Finding, doubtful, wrong
from tollkeeper.plan import all_numbered

PART = "files"
CONNECT_SECONDS = 2.0


def findings(settings: Settings) -> Iterator[Finding]:
    yield from _directory(settings.data_dir, "TOLLKEEPER_DATA_DIR", settings.spool_max_mb)
    log = settings.access_log_file
    if log is None:
        says = "there is no JSON access log, so what ends while the sidecar is away stays charged as reserved"
        yield doubtful(PART, says, "set TOLLKEEPER_ACCESS_LOG_FILE, unless that is meant")
    elif not log.exists():
        yield wrong(
            PART, f"Envoy has not made {log}", "see that Envoy and TOLLKEEPER_ACCESS_LOG_FILE mean the same file"
        )
    elif not os.access(log, os.R_OK | os.W_OK):
        says = f"this user may not read and write {log}, whose space is given back once it is accounted for"
        yield wrong(PART, says, "let Envoy and the sidecar share a group, which owns its directory")
    else:
        yield from _space(log.parent, settings.access_log_keep_mb, "TOLLKEEPER_ACCESS_LOG_KEEP_MB")
    for first in (settings.authz_socket, settings.ratelimit_socket):
        for path in all_numbered(first, settings.workers):
            yield from _socket(path)


def _directory(path: Path, setting: str, megabytes: int) -> Iterator[Finding]:
    if not path.is_dir():
        yield wrong(PART, f"{path} is no directory", f"make it, or set {setting}")
    elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield wrong(PART, f"this user may not write to {path}", f"give it to the user of the sidecar, or set {setting}")
    else:
        yield from _space(path, megabytes, "TOLLKEEPER_SPOOL_MAX_MB")


def _space(path: Path, megabytes: int, setting: str) -> Iterator[Finding]:
    free = shutil.disk_usage(path).free // MEBIBYTE
    if free < megabytes:
        says = f"{path} has {free} MiB left, less than the {megabytes} of {setting}"
        yield doubtful(PART, says, f"make room, or set {setting} to less")


def _socket(path: Path) -> Iterator[Finding]:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_SECONDS)
        try:
            probe.connect(str(path))
        except PermissionError:
            yield wrong(PART, f"this user may not connect to {path}", "run this, and Envoy, in the sidecar's group")
        except OSError as error:
            says = f"nobody answers at {path} ({error.strerror or error})"
            yield wrong(PART, says, "start `tollkeeper sidecar`, with these settings")
