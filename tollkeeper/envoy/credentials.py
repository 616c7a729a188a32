"""The secrets that endpoints of models ask for: where a sidecar has them, and where it puts them for Envoy.

What an operator of models names can only be what an operator of sidecars gave for that: else someone who registers a
model could send any secret of the machine to a server of their own.
"""

import hashlib
import hmac
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

MAX_BYTES = 8192
MODE = 0o640  # Envoy runs as the same user, or as one of the group
DIRECTORY_MODE = 0o750


class Credentials:
    """`variables`: those of the environment that may be named, `directory` the one with files; None: none.  `key`: of
    the hashes that files are named by, so that a name says nothing of a secret.  `target`: the files for Envoy."""

    def __init__(
        self,
        variables: Iterable[str],
        directory: Path | None,
        target: Path,
        key: bytes,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._variables, self._directory, self._target = frozenset(variables), directory, target
        self._key, self._environ = key, environ

    def wrong_with(self, name: str) -> str:
        """Why there is no such secret, "" if there is."""
        found = self._read(name)
        return "" if isinstance(found, bytes) else found

    def place(self, names: Iterable[str]) -> dict[str, str]:
        """The files with the secrets that there are, by name.  A secret that changes has another file.  OSError."""
        found = {name: secret for name in names if isinstance(secret := self._read(name), bytes)}
        return {name: str(self._placed(secret)) for name, secret in found.items()}

    def keep(self, secret: bytes) -> str:
        """The file with a secret that is not an operator's.  OSError."""
        return str(self._placed(secret))

    def forget(self, used: Callable[[str], bool]) -> None:
        """Deletes the files that are not used any more."""
        for path in self._target.glob("*"):
            if not used(str(path)):
                path.unlink(missing_ok=True)

    def _placed(self, secret: bytes) -> Path:
        path = self._target / hmac.new(self._key, secret, hashlib.sha256).hexdigest()[:32]
        if not path.exists():
            self._target.mkdir(parents=True, exist_ok=True)
            self._target.chmod(DIRECTORY_MODE)
            new = path.with_name(f".{path.name}.{os.getpid()}")
            new.unlink(missing_ok=True)
            try:
                with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "wb") as file:
                    os.fchmod(file.fileno(), MODE)
                    file.write(secret)
                new.replace(path)
            finally:
                new.unlink(missing_ok=True)
        return path

    def _read(self, name: str) -> bytes | str:
        """The secret, or why there is none."""
        kind, _, rest = name.partition(":")
        if kind == "env":
            if rest not in self._variables:
                return (
                    f"{name}: the sidecar gives no such variable to endpoints (TOLLKEEPER_MODEL_CREDENTIAL_VARIABLES)"
                )
            secret = self._environ.get(rest, "").encode()
        elif self._directory is None:
            return f"{name}: the sidecar has no directory of such files (TOLLKEEPER_MODEL_CREDENTIALS_DIR)"
        else:
            try:
                with (self._directory / rest).open("rb") as file:
                    secret = file.read(MAX_BYTES)
            except OSError as error:
                return f"{name}: cannot be read: {error.strerror}"
        secret = secret.strip()
        if not secret or not all(32 < byte < 127 for byte in secret):
            return f"{name}: is empty, or has characters that no header may have"
        return secret
