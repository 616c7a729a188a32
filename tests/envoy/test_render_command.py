"""`tollkeeper envoy render` refuses durations that do not fit the sidecar's."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tollkeeper.envoy.commands import envoy_app

UNFIT = [
    (("--idle-timeout", "90000"), "idle_timeout: 90000 does not fit the sidecar: TOLLKEEPER_IDLE_TIMEOUT_SECONDS: "),
    (("--ratelimit-timeout", "0.05"), "ratelimit_timeout: 0.05 must be more than the 0.05 s of TOLLKEEPER_REDIS_"),
]


def render(out: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(envoy_app, ["render", "--upstream", "http://model:8000", "--out", str(out), *options])
    return result.exit_code, result.output


@pytest.mark.parametrize(("options", "said"), UNFIT)
def test_durations_that_do_not_fit_are_refused(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    code, output = render(tmp_path, *options)
    assert code == 1
    assert said in output
    assert not (tmp_path / "envoy.yaml").exists()


def test_the_idle_timeout_is_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_IDLE_TIMEOUT_SECONDS", "42")
    assert render(tmp_path)[0] == 0
    assert "stream_idle_timeout: 42s" in (tmp_path / "envoy.yaml").read_text()
    monkeypatch.setenv("TOLLKEEPER_LEASE_SECONDS", "30")
    assert render(tmp_path)[0] == 1
