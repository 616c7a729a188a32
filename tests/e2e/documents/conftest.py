"""One fresh `tollkeeper up`, against which the pages' command blocks run, each page as one script."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.conftest import public_directory
from tests.e2e.test_up import Up
from tests.jq import path_with_jq
from tests.web import NO_TLS
from tollkeeper.up.stack import DEV_ADMIN_TOKEN

BIN = Path(sys.executable).parent
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
        self._path = f"{BIN}{os.pathsep}{path_with_jq(directory)}"

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
    return Shell(
        directory, {**HOSTS, "127.0.0.1:9090": up.admin, "127.0.0.1:10000": up.listen, "/etc": f"{directory}/etc"}
    )


@pytest.fixture(scope="package")
def operator(up: Up) -> dict[str, str]:
    """What the commands need to reach the management API."""
    return {"TOLLKEEPER_API_URL": f"http://{up.admin}", "TOLLKEEPER_ADMIN_TOKEN": DEV_ADMIN_TOKEN}


@pytest.fixture(autouse=True)
def nothing_left(operator: dict[str, str]) -> Iterator[None]:
    """Each page finds the deployment as `make up` leaves it."""
    yield
    headers = {"authorization": f"Bearer {DEV_ADMIN_TOKEN}"}
    with httpx.Client(
        base_url=f"{operator['TOLLKEEPER_API_URL']}/api/v1", headers=headers, timeout=30, verify=NO_TLS
    ) as api:
        for kind in ("models", "mcp-servers", "tenants"):
            (found,) = (
                value for value in api.get(f"/{kind}").raise_for_status().json().values() if isinstance(value, list)
            )
            for each in sorted(found, key=lambda item: not item.get("targets")):  # aliases first
                api.delete(f"/{kind}/{each['id']}").raise_for_status()
