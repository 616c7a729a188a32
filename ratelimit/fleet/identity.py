"""The identity of a sidecar in its reports.  A value."""

import os
import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """It does not change while the process runs."""

    sidecar: str
    host: str
    version: str
    started_at: str

    @staticmethod
    def make(version: str) -> "Identity":
        """A new id for each process: a restarted one is another sidecar."""
        host = socket.gethostname()[:63]
        started_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Identity(f"{host}-{os.getpid()}-{secrets.token_hex(3)}", host, version, started_at)
