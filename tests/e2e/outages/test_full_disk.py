"""A disk that is full, under each thing that writes: it says so, loses nothing, and goes on once there is room."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.conftest import public_directory
from tests.e2e.deployment import Deployment, wait_for
from tests.e2e.envoys import another_envoy
from tests.e2e.load import Load
from tests.e2e.outages.test_backup import DAY, LIMIT, budgets_are_as_the_ledger
from tests.e2e.outages.test_crash import workers
from tests.e2e.outages.test_several import another_sidecar, status
from tests.full_disk import Disk, disk
from tests.web import WEB
from tollkeeper.__main__ import app
from tollkeeper.config import as_environment

FULL = "No space left on device"


@dataclass
class Place:
    """Its sidecar's data are on `data`, the file of models' clusters on `other`."""

    stack: Deployment
    data: Disk
    other: Disk

    def run(self, *arguments: object) -> Result:
        return CliRunner().invoke(app, [*map(str, arguments)], env=as_environment(self.stack.settings))

    def log(self) -> str:
        return (self.stack.directory / "logs/sidecar.log").read_text()


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with ExitStack() as stops:
        directory = stops.enter_context(public_directory())
        data, other = (stops.enter_context(disk(directory / name)) for name in ("data", "other"))
        settings = {"data_dir": data.path / "sidecar", "model_clusters": other.path / "models.yaml"}
        stack = Deployment(directory / "stack", settings=settings)
        stops.callback(stack.close)
        yield Place(stack, data, other)


@pytest.mark.parametrize("victim", ["authz", "ratelimit"])
def test_what_the_sidecar_keeps_while_postgres_is_away_and_a_process_is_killed(place: Place, victim: str) -> None:
    """The spool, the checkpoint and what is in flight."""
    stack, who = place.stack, place.stack.tenant()
    assert stack.admin.post("/limits", json={**LIMIT, "tenant_id": who.tenant_id, **DAY}).is_success
    postgres = stack.processes["postgres"]
    with Load(stack, who) as load:
        load.during(0.5)
        place.data.fill()
        postgres.pause()
        try:
            load.during(1.0)
            os.kill(workers(stack)[victim], signal.SIGKILL)
            load.during(2.0)
        finally:
            postgres.resume()
        load.during(1.0)
        assert place.data.is_full
        place.data.make_room()
        before = len(load.answers)
        wait_for(lambda: True if 200 in list(load.answers.values())[before:] else None, "recovery", 40)
    ran = sorted(name for name, status in load.answers.items() if status == 200)
    rows = [row for row in stack.usage_when(who, len(ran)) if row["status"] == 200]
    assert sorted(row["request_id"] for row in rows) == ran
    budgets_are_as_the_ledger(stack, who)
    wait_for(lambda: True if not stack.redis().zcard(f"tollkeeper:leases:{{{who.tenant_id}}}") else None, "no lease")
    assert "the checkpoint of the access log cannot be kept" in place.log()


def test_a_sidecar_that_starts_on_it_serves(place: Place) -> None:
    """Its sockets, what says that it holds them, and all that it keeps are there."""
    stack, who, full = place.stack, place.stack.tenant(), place.data.path / "another"
    full.mkdir()
    (own := stack.directory / "another").mkdir()
    sockets = {"authz_socket": full / "a.sock", "ratelimit_socket": full / "r.sock"}
    asked: dict[str, Any] = {name.removesuffix("_socket"): (f"unix:{path}",) for name, path in sockets.items()}
    place.data.fill()
    with ExitStack() as stops:
        stops.callback(place.data.make_room)
        stops.enter_context(another_sidecar(stack, own, data_dir=full / "data", **sockets))
        url = stops.enter_context(another_envoy(stack, own, stack.stub_url, **asked))
        assert [status(url, who) for _ in range(3)] == [200] * 3
        assert place.data.is_full
        stack.usage_when(who, 3)
    said = (own / "sidecar.log").read_text()
    assert "this supervisor is not written down" in said
    assert "the key for seals cannot be kept" in said
    assert "Traceback" not in said


def test_a_models_endpoint(place: Place) -> None:
    """Envoy has it as soon as there is room; until then the log says once why not."""
    stack, who, name = place.stack, place.stack.tenant(), "mock-model-elsewhere"
    place.other.fill()
    try:
        body = {"name": name, "endpoint": f"{stack.stub_url}/v1"}
        assert stack.admin.post("/models", json=body).status_code == 201
        wait_for(lambda: True if "models.yaml cannot be written" in place.log() else None, "what is wrong")
        wait_for(lambda: True if warned(stack) else None, "the warning")
        assert stack.chat(who, model=name).status_code == 503
        assert stack.chat(who).status_code == 200
    finally:
        place.other.make_room()
    wait_for(lambda: True if stack.chat(who, model=name).status_code == 200 else None, "its server")
    assert not warned(stack)
    assert place.log().count("models.yaml cannot be written") == 1
    assert [path.name for path in place.other.path.glob(".models.yaml*")] == []


def warned(stack: Deployment) -> bool:
    return "models.yaml cannot be written" in WEB.get(f"http://{stack.settings.metrics_listen}/readyz").text


def test_envoys_files(place: Place) -> None:
    """Those before stay whole."""
    out = place.other.path / "envoy"
    assert place.run("envoy", "render", "--out", out).exit_code == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    place.other.fill()
    failed = place.run("envoy", "render", "--out", out, "--idle-timeout", 30)
    place.other.make_room()
    assert failed.exit_code == 1
    assert FULL in failed.output
    assert str(out) in failed.output
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_a_backup(place: Place) -> None:
    """It says what the disk refused, and leaves nothing that looks like one."""
    target = place.other.path / "of-today"
    place.other.fill()
    failed = place.run("backup", "create", target)
    left = [path.name for path in place.other.path.glob("of-today*")]
    place.other.make_room()
    assert failed.exit_code == 1
    assert f"of-today.part: {FULL}" in failed.output
    assert left == []
    assert place.run("backup", "create", target).exit_code == 0
    assert place.run("backup", "verify", target).exit_code == 0
