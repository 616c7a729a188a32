"""alerts.yml: expressions that Prometheus reads, on metrics that a running sidecar shows, each with its section."""

import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tests.e2e.deployment import Deployment

ROOT = Path(__file__).parents[2]
RULES: list[Any] = yaml.safe_load((ROOT / "alerts.yml").read_text())["groups"][0]["rules"]
SELECTOR = re.compile(r"(tollkeeper_\w+)(?:\{(\w+)=\"(\w+)\"\})?")
SECTIONS = dict(re.findall(r"^## (\w+)\n\n(.*?)(?=^## |\Z)", (ROOT / "docs/runbook.md").read_text(), re.M | re.S))


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_is_on_what_there_is_and_has_its_page(stack: Deployment, rule: Any) -> None:
    promql_parser.parse(rule["expr"])  # ValueError
    shown = [*stack.metrics().splitlines(), *stack.admin_metrics().splitlines()]
    for name, label, value in SELECTOR.findall(rule["expr"]):
        wanted = f'{label}="{value}"' if label else ""
        assert any(re.match(rf"{name}[{{ ]", line) and wanted in line for line in shown), (name, wanted)
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
    for part in ("Means:", "Users feel:", "Do:", "Over when"):
        assert f"**{part}**" in SECTIONS[rule["alert"]]


def test_the_runbook_has_no_section_without_an_alert() -> None:
    assert set(SECTIONS) == {rule["alert"] for rule in RULES}


def test_prometheus_loads_the_alerts() -> None:
    assert yaml.safe_load((ROOT / "prometheus.yml").read_text())["rule_files"] == ["/etc/prometheus/alerts.yml"]
    volumes = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["prometheus"]["volumes"]
    assert "./alerts.yml:/etc/prometheus/alerts.yml:ro" in volumes
