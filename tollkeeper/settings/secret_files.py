"""Secrets that orchestrators mount as files: `TOLLKEEPER_GRPC_SECRET_FILE` names that of `TOLLKEEPER_GRPC_SECRET`."""

from collections.abc import Mapping
from pathlib import Path

IN_FILES = (
    "database_url",
    "redis_url",
    "ledger_url",
    "admin_token",
    "portal_secret",
    "webhook_secret",
    "grpc_secret",
    "otlp_headers",
)
SUFFIX = "_FILE"
MAX_BYTES = 65_536


def from_files(environ: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Of each setting that has a file, what is in it.  ValueError, with a line for each that cannot be read, or that
    differs from the variable without the suffix: both may be set only alike, as in a child process."""
    found, wrong = dict[str, str](), list[str]()
    for name in IN_FILES:
        variable = f"{prefix}{name}".upper()
        path = environ.get(variable + SUFFIX)
        if path is None:
            continue
        try:
            with Path(path).open("rb") as file:
                text = file.read(MAX_BYTES).decode().strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            wrong.append(f"{variable}{SUFFIX}: {path} cannot be read: {reason}")
            continue
        if environ.get(variable, text) != text:
            wrong.append(f"{variable}{SUFFIX}: {variable} is set too, to something else: set one of them")
        found[name] = text
    if wrong:
        raise ValueError("\n".join(wrong))
    return found
