import tomllib
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from grpc._cython import cygrpc  # type: ignore[attr-defined]
from structlog.testing import capture_logs

from serving.completion_queue import contract
from serving.engine import EngineKind, choose

BOTH = ["unix:/run/s.sock", "127.0.0.1:0"]


def test_the_grpcio_that_runs_has_what_the_engine_uses() -> None:
    assert contract.missing(cygrpc) == []
    assert contract.problems() == []
    assert contract.failed_trial() == []


def test_the_tested_version_is_the_pinned_one_and_the_running_one() -> None:
    pyproject = tomllib.loads(Path("pyproject.toml").read_text())
    assert f"grpcio=={contract.TESTED_VERSION}" in pyproject["project"]["dependencies"]
    assert grpc.__version__ == contract.TESTED_VERSION


@pytest.mark.parametrize("name", contract.NEEDED)
def test_each_missing_name_is_reported(name: str) -> None:
    owner, _, attribute = name.partition(".")
    members = {member: getattr(cygrpc, member) for member in dir(cygrpc)}
    if attribute:
        rest = {member: True for member in dir(members[owner]) if member != attribute}
        crippled = SimpleNamespace(**members | {owner: SimpleNamespace(**rest)})
    else:
        crippled = SimpleNamespace(**{member: value for member, value in members.items() if member != owner})
    assert contract.missing(crippled) == [name]


def test_a_trial_that_fails_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho assertion failed >&2\nkill -ABRT $$\n")
    broken.chmod(0o755)
    assert contract.failed_trial(str(broken)) == [f"a trial on grpcio {grpc.__version__} failed (-6): assertion failed"]


@pytest.mark.parametrize(
    ("kind", "addresses", "problems", "chosen", "warnings"),
    [
        ("auto", BOTH, [], "completion_queue", 0),
        ("auto", BOTH, ["Server.request_call"], "threads", 1),
        ("auto", BOTH[:1], ["Server.request_call"], "http2", 0),
        ("threads", BOTH[:1], [], "threads", 0),
        ("completion_queue", BOTH[:1], ["Server.request_call"], "completion_queue", 0),
    ],
)
def test_auto_takes_ours_for_unix_sockets_and_falls_back_with_a_warning(
    kind: EngineKind, addresses: list[str], problems: list[str], chosen: EngineKind, warnings: int
) -> None:
    with capture_logs() as events:
        assert choose(kind, addresses, problems) == chosen
    assert [event["problems"] for event in events if event["log_level"] == "warning"] == [problems] * warnings


def test_on_tcp_auto_is_the_completion_queue_here() -> None:
    assert choose("auto", BOTH) == "completion_queue"
