"""An upgrade under load, and the way back: another version runs, this one takes its place, the other takes it again.

`python -m tests.upgrade.under_load COMMIT` installs that commit beside this tree (or takes a Python that has it
installed), starts all of it, with the Envoy files that it writes, and prints what requests felt of each step.  Then
every answer must be in the ledger once, and no budget may differ from it.  Not among the tests: it takes minutes.
"""

import argparse
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.against import checked_out
from tests.conftest import public_directory
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.e2e.open_loop import OpenLoop
from tests.faults.felt import AFTER, BEFORE, line
from tollkeeper.config import Settings, as_environment
from tollkeeper.envoy.settings import EnvoySettings
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.process import Process
from tollkeeper.up.stack import Stack
from tollkeeper.up.valkey import Valkey

THIS = Path(sys.executable)
KNOWN = "from tollkeeper.config import Settings; print(*Settings.model_fields)"
# In the version that is to write Envoy's files: only what it knows.
RENDER = """
import dataclasses, json, sys
from pathlib import Path
from tollkeeper.up.stack import EnvoySettings, render  # which each version has there, wherever they are
given = {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(sys.argv[1]).items()}
known = {each.name for each in dataclasses.fields(EnvoySettings)}
render(EnvoySettings(**{name: value for name, value in given.items() if name in known}), Path(sys.argv[2]))
"""


class Versions(Stack):
    """Starts what is ours with `python`, and sets what that version knows."""

    python: Path = THIS

    def ask(self, script: str, *arguments: str) -> str:
        """In a directory without sources, which would be found before those of the environment."""
        command = [str(self.python), "-c", script, *arguments]
        with tempfile.TemporaryDirectory() as nowhere:
            environment = {**os.environ, **self._apart()}
            asked = subprocess.run(command, cwd=nowhere, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        return asked.stdout

    def _apart(self) -> dict[str, str]:
        """Another version has an environment of its own."""
        return {} if self.python == THIS else {"PYTHONPATH": ""}

    def migrate(self, settings: Settings) -> None:
        assert self._ours("migrate", [], as_environment(settings), signal.SIGTERM).wait(120) == 0

    def restart_admin(self) -> None:
        self.processes["admin"].stop()
        self._admin(self.settings)
        self._wait("admin")

    def _migrate(self, settings: Settings) -> None:
        self.migrate(settings)

    def _ours(
        self, command: str, options: Sequence[str], environment: Mapping[str, str], stop_signal: signal.Signals
    ) -> Process:
        known = {f"TOLLKEEPER_{name}".upper() for name in self.ask(KNOWN).split()}
        given = {name: value for name, value in environment.items() if name in known} | self._apart()
        started: list[str | Path] = [self.python, "-m", "tollkeeper", command, *options]
        log = self._log(command)
        log.parent.mkdir(parents=True, exist_ok=True)
        return Process(command, started, log, environment=given, stop_signal=stop_signal, directory=log.parent)

    def _render(self, settings: EnvoySettings, directory: Path) -> None:
        given = dataclasses.asdict(settings)
        del given["admin"]  # of Envoy, for `doctor`; not every version has it on a socket
        self.ask(RENDER, json.dumps(given, default=str), str(directory))


class Upgraded(Deployment):
    """A deployment of several versions, on stores of its own."""

    KIND = Versions

    def __init__(self, directory: Path, before: Path) -> None:
        self.before, Versions.python = before, before
        self.postgres, self.valkey = Postgres(directory / "postgres"), Valkey(directory / "valkey")
        urls = {"database_url": self.postgres.url, "redis_url": self.valkey.url}
        super().__init__(
            directory / "stack", settings={"surfaces": "none", "spares": True, "handover_seconds": 60.0}, **urls
        )

    @property
    def versions(self) -> Versions:
        assert isinstance(self.stack, Versions)
        return self.stack

    def migrate(self) -> None:
        Versions.python = THIS
        self.versions.migrate(self.settings)

    def forward(self) -> None:
        self._replace(THIS)

    def back(self) -> None:
        self._replace(self.before)

    def _replace(self, python: Path) -> None:
        Versions.python = python
        self.versions.sidecar(self.settings, "--replace")
        self.versions.restart_admin()

    def close(self) -> None:
        super().close()
        self.valkey.stop()
        self.postgres.stop()


STEPS: dict[str, Callable[[Upgraded], object]] = {
    "nothing": lambda _: None,
    "migrate by this version": Upgraded.migrate,
    "replace by this version": Upgraded.forward,
    "replace by the one before": Upgraded.back,
    "replace by this version again": Upgraded.forward,
}


def run(before: Path, rate: float) -> None:
    with public_directory() as directory:
        stack = Upgraded(directory, before)
        try:
            who = stack.tenant(tokens_per_minute=None)
            limit = {"tenant_id": who.tenant_id, "name": "day", "scope": "tenant", "unit": "tokens", "amount": 10**9}
            stack.admin.post("/limits", json={**limit, "kind": "fixed_window", "calendar": "day"}).raise_for_status()
            wait_for(lambda: True if stack.chat(who).status_code == 200 else None, "a whole stack", 60)
            answered = 1
            for name, step in STEPS.items():
                load = OpenLoop(stack, who, rate, BEFORE + AFTER)
                time.sleep(BEFORE)
                step(stack)
                found = load.result()
                answered += sum(count for status, count in found["statuses"].items() if status == "200")
                print(line(name, found), flush=True)
                time.sleep(3.0)  # for spares to be warm again
            print(checked(stack, who, answered))
        finally:
            stack.close()


def checked(stack: Upgraded, who: Credential, answered: int) -> str:
    rows = stack.usage_when(who, answered)
    done = sum(row["status"] == 200 for row in rows)
    audit = wait_for(lambda: _without_drift(stack, who), "budgets as the ledger", 60)
    assert done == answered, f"{answered} answers, {done} rows"
    return f"{answered} answers, {done} rows of the ledger; {audit['audited']} budgets, none differs"


def _without_drift(stack: Upgraded, who: Credential) -> Any:
    audit = stack.admin.get("/budgets/audit", params={"tenant_id": who.tenant_id}).json()
    return None if audit["drifting"] else audit


@contextmanager
def installed(version: str) -> Iterator[Path]:
    if Path(version).is_file():
        yield Path(version)
        return
    with checked_out(version) as tree:
        yield tree.python


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade.under_load", description=__doc__)
    parser.add_argument("before", help="the commit before, or the Python of an environment that has it")
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second")
    given = parser.parse_args()
    with installed(given.before) as python:
        run(python, given.rate)


if __name__ == "__main__":
    main()
