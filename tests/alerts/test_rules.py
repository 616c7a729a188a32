"""alerts.yml as Prometheus reads it: each alert fires when it should, and only then (rules.yml, admin_rules.yml)."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alerts.prometheus import NONE, program

ROOT = Path(__file__).parents[2]
UNIT_TESTS = [Path(__file__).parent / name for name in ("rules.yml", "admin_rules.yml")]
ALERTS = [rule["alert"] for rule in yaml.safe_load((ROOT / "alerts.yml").read_text())["groups"][0]["rules"]]
needs_promtool = pytest.mark.skipif(program("promtool") is None, reason=NONE)  # .ci/run brings it, from Debian


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "--lint-fatal", "alerts.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
        ("test", "rules", *map(str, UNIT_TESTS)),
    ],
    ids=["rules", "configuration", "unit tests"],
)
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([str(program("promtool")), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_seen_to_fire_and_not_to(alert: str) -> None:
    tests: list[Any] = [test for file in UNIT_TESTS for test in yaml.safe_load(file.read_text())["tests"]]
    seen = [each for test in tests for each in test["alert_rule_test"] if each["alertname"] == alert]
    assert any(each["exp_alerts"] for each in seen)
    assert any(not each["exp_alerts"] for each in seen)
