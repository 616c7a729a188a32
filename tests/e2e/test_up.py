"""`tollkeeper up` as a new user meets it: the banner and its commands, the second start, the end, what can go wrong."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import public_directory
from tests.warm import program
from tollkeeper.up.process import free_port
from tollkeeper.up.stack import accepts

READY_SECONDS = 60.0
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")


class Up:
    """A `tollkeeper up` on free ports, with its state in `directory`, further options and variables; called where a
    package lies that is called as one of ours."""

    def __init__(self, directory: Path, *more: str, **variables: str) -> None:
        self.listen, self.admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self._output = directory.with_suffix(f".{time.monotonic_ns()}")
        options = ["--listen", self.listen, "--admin", self.admin, "--data-dir", str(directory)]
        options += ["--metrics", f"127.0.0.1:{free_port()}"]
        where = directory.with_name("where it is called")
        (where / "admin").mkdir(parents=True, exist_ok=True)
        (where / "admin" / "__init__.py").write_text("raise ImportError('somebody else')")
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tollkeeper", "up", *options, *more],
                env={**os.environ, **variables}, stdout=output, stderr=subprocess.STDOUT, cwd=where,
            )  # fmt: skip
        deadline = time.monotonic() + READY_SECONDS
        while "Ctrl-C" not in self.output() and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)

    def output(self) -> str:
        return self._output.read_text()

    def family(self) -> set[int]:
        return family_of(self.process.pid)

    def close(self) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGINT)

    def end(self, with_signal: signal.Signals) -> int:
        self.process.send_signal(with_signal)
        return self.process.wait(30)


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    with public_directory() as directory:
        yield directory / "state"


@pytest.fixture(scope="module")
def up(state: Path) -> Iterator[Up]:
    """The first start."""
    running = Up(state)
    yield running
    running.close()


@pytest.fixture(scope="module")
def done(up: Up) -> str:
    """What the banner's commands print."""
    assert "Tollkeeper is up" in up.output(), up.output()
    commands = up.output().split("in another terminal:")[1].split("Ctrl-C")[0]
    return subprocess.run(["bash", "-c", commands], capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.fixture(scope="module")
def again(up: Up, done: str, state: Path) -> Iterator[Up]:
    """A second start, on the state of the first, where the environment names a proxy that is away."""
    if up.process.poll() is None:
        up.end(signal.SIGINT)
    running = Up(state, **{name: f"http://127.0.0.1:{free_port()}" for name in PROXIES}, no_proxy="")
    yield running
    if running.process.poll() is None:
        running.end(signal.SIGTERM)


def family_of(ancestor: int) -> set[int]:
    """The pids of everything that it started."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found, generation = set(), {ancestor}
    while generation:
        generation = {pid for pid, parent in parents.items() if parent in generation}
        found |= generation
    return found


def gone(pids: set[int], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.1)
    return False


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_banner_s_commands_work(done: str) -> None:
    assert '"chat.completion"' in done


def test_a_second_stack_on_the_same_state_is_refused(up: Up, state: Path) -> None:
    second = Up(state)
    assert second.process.wait(60) == 1
    assert re.search(r"^tollkeeper: .*state is in use by another .tollkeeper up.*--data-dir", second.output(), re.M)


def test_ctrl_c_ends_it_whole(up: Up, done: str) -> None:
    family = up.family()
    assert len(family) >= 8
    assert up.end(signal.SIGINT) == 0
    assert gone(family)


def test_a_second_start_finds_the_state(again: Up) -> None:
    answer = subprocess.run(
        ["curl", "-sS", "-H", "Authorization: Bearer dev-admin-token", f"http://{again.admin}/api/v1/tenants"],
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert "my-team" in answer.stdout


def test_an_envoy_that_dies_is_started_again(again: Up) -> None:
    (envoy,) = (pid for pid in again.family() if b"envoy.yaml" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(envoy, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while "Envoy again" not in again.output() or not accepts(again.listen):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    answer = subprocess.run(
        ["curl", "-sS", f"http://{again.listen}/v1/models"], capture_output=True, text=True, timeout=30, check=True
    )
    assert "API key" in answer.stdout
    assert again.process.poll() is None


def test_kill_9_leaves_nothing_behind(again: Up) -> None:
    family = again.family()
    assert len(family) >= 8
    again.end(signal.SIGKILL)
    assert gone(family, 30)


def run_up(*options: str) -> subprocess.CompletedProcess[str]:
    command = [program(), "up", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_taken_port_is_one_clear_line(tmp_path: Path, host: str) -> None:
    family, shown = (socket.AF_INET6, f"[{host}]") if ":" in host else (socket.AF_INET, host)
    with socket.create_server((host, 0), family=family) as taken:
        address = f"{shown}:{taken.getsockname()[1]}"
        done = run_up("--listen", address, "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"tollkeeper: cannot listen on {address}: Address already in use; choose another with --listen"
    ]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--listen", "10000", "--listen: '10000' must be host:port"),
        ("--upstream", "localhost:8000", "upstream: "),
        ("--admin", "nowhere", "TOLLKEEPER_ADMIN_LISTEN: must be HOST:PORT"),
        ("--redis-url", "localhost", "TOLLKEEPER_REDIS_URL: must be a URL"),
        ("--database-url", "localhost", "TOLLKEEPER_DATABASE_URL: must be a URL"),
    ],
)
def test_a_bad_option_is_one_clear_line(tmp_path: Path, option: str, value: str, message: str) -> None:
    done = run_up(option, value, "--data-dir", str(tmp_path))
    assert done.returncode != 0
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("where", ["/proc/nowhere", __file__])
def test_a_directory_that_cannot_be_is_one_clear_line(where: str) -> None:
    done = run_up("--listen", f"127.0.0.1:{free_port()}", "--data-dir", where)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"tollkeeper: {where}: ")
    assert line.endswith("--data-dir chooses another")


@pytest.mark.parametrize("part", ["Postgres", "the sidecar", "Envoy"])
def test_ctrl_c_while_it_starts_ends_it_whole_without_a_complaint(public_path: Path, part: str) -> None:
    options = ["--listen", f"127.0.0.1:{free_port()}", "--admin", f"127.0.0.1:{free_port()}"]
    options += ["--metrics", f"127.0.0.1:{free_port()}", "--data-dir", str(public_path / "state")]
    command = [sys.executable, "-m", "tollkeeper", "up", *options]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
    with subprocess.Popen(command, text=True, **pipes) as starting:
        assert starting.stdout is not None
        while f"starting {part} …\n" != starting.stdout.readline():
            assert starting.poll() is None
        family = family_of(starting.pid)
        os.killpg(starting.pid, signal.SIGINT)  # as a terminal does: all that have not left its group
        output, errors = starting.communicate(timeout=30)
    assert (starting.returncode, output.splitlines()[-1], errors) == (0, "stopped before it was up", "")
    assert gone(family)


def test_the_admin_needs_a_token() -> None:
    command = [sys.executable, "-m", "tollkeeper", "admin"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("tollkeeper: TOLLKEEPER_ADMIN_TOKEN: ")
