"""One fresh `tollkeeper up`, against which the pages' command blocks run, each page as one script."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import public_directory
from tests.e2e.test_up import Up
from tests.jq import path_with_jq
from tests.warm import path_of_programs
from tollkeeper.up.stack import DEV_ADMIN_TOKEN

SECONDS = 100
TYPED = "a first password\na first password"  # where a command asks for one
CREDENTIAL = "FILES_TOKEN"  # that a page's MCP server is called with
# Hosts of the pages that are nowhere.
HOSTS = {"vllm.internal": "127.0.0.1", "search.internal": "127.0.0.1", "mcp.example.com": "127.0.0.1"}


class Shell:
    """A new user's: the programs of `make up`, a directory, and a deployment's addresses in place of the pages'."""

    def __init__(self, directory: Path, addresses: Mapping[str, str]) -> None:
        self.directory = directory
        self._addresses = addresses
        self._path = f"{path_of_programs()}{os.pathsep}{path_with_jq(directory)}"

    def run(self, script: str, **variables: str) -> str:
        """What it prints; each command must succeed.  What it has begun in the background ends with it."""
        for said, ours in self._addresses.items():
            script = script.replace(said, ours)
        command = ["bash", "-euo", "pipefail", "-c", script]
        environment = {**os.environ, **variables, "PATH": self._path}
        with (self.directory / "said").open("w+") as said_to, (self.directory / "typed").open("w+") as typed:
            print(TYPED, file=typed)
            typed.seek(0)
            process = subprocess.Popen(
                command, cwd=self.directory, env=environment, stdin=typed, stdout=said_to, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
            try:
                code = process.wait(SECONDS)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            said_to.seek(0)
            output = said_to.read()
        assert code == 0, f"{script}\n{output}"
        return output


@pytest.fixture(scope="package")
def up() -> Iterator[Up]:
    with public_directory() as directory:
        running = Up(directory / "state", **{"TOLLKEEPER_MODEL_CREDENTIAL_VARIABLES": CREDENTIAL, CREDENTIAL: "secret"})
        assert "Tollkeeper is up" in running.output(), running.output()
        yield running
        running.close()


@pytest.fixture(scope="package")
def shell(up: Up, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    directory = tmp_path_factory.mktemp("shell")
    (directory / "backups").mkdir()
    places = {name: f"{directory}{name}" for name in ("/etc", "/backups")}
    return Shell(directory, {**HOSTS, **places, "127.0.0.1:9090": up.admin, "127.0.0.1:10000": up.listen})


@pytest.fixture(scope="package")
def operator(up: Up) -> dict[str, str]:
    """What the commands need to reach the management API, and Postgres, of which `up` tells all but the password."""
    (state,) = re.findall(r"state and logs +(\S+)", up.output())
    (database_url,) = re.findall(r"Postgres +(postgresql:\S+)", up.output())
    password = (Path(state) / "postgres/home/password").read_text()
    database_url = database_url.replace("@", f":{password}@")
    reached = {"API_URL": f"http://{up.admin}", "ADMIN_TOKEN": DEV_ADMIN_TOKEN, "DATABASE_URL": database_url}
    return {f"TOLLKEEPER_{name}": value for name, value in reached.items()}
