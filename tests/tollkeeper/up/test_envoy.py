"""An Envoy that ends by itself is started again by `up`; one that always does ends it, with the reason."""

from pathlib import Path

from tollkeeper.up.process import Process
from tollkeeper.up.stack import REVIVALS, Stack, UpOptions, wait_while_healthy


def stack_of(directory: Path, shell: str, told: list[str]) -> Stack:
    """With nothing in it but an Envoy that does what `shell` says."""
    stack = Stack(UpOptions("127.0.0.1:0", directory), {}, told.append)
    stack._keep("envoy", Process("envoy", ["/bin/sh", "-c", shell], directory / "envoy.log"), lambda: True)
    return stack


def test_one_that_ended_once_runs_again(tmp_path: Path) -> None:
    told: list[str] = []
    shell = f"[ -e {tmp_path}/was ] && exec sleep 60; touch {tmp_path}/was; exit 3"
    stack = stack_of(tmp_path, shell, told)
    assert wait_while_healthy(stack, lambda: bool(told) and stack.processes["envoy"].running()) is None
    assert told == ["Envoy again, which ended (exit 3)"]
    stack.processes["envoy"].kill()


def test_one_that_always_ends_is_given_up(tmp_path: Path) -> None:
    told: list[str] = []
    failure = wait_while_healthy(stack_of(tmp_path, "echo no room; exit 1", told), lambda: False)
    assert failure is not None
    assert failure.startswith("envoy ended (exit 1): ")
    assert "no room" in failure
    assert len(told) == REVIVALS
