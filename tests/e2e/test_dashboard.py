"""grafana/dashboard.json: what its script makes, on metrics that there are, with answers from a real Prometheus."""

import json
import re
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from tests.alerts.dashboard import PATH, made
from tests.alerts.prometheus import NONE, program, result, scraping
from tests.alerts.prometheus import asked as ask
from tests.e2e.deployment import Deployment, wait_for

PANELS: list[Any] = [each for each in json.loads(PATH.read_text())["panels"] if each["type"] != "row"]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
NAME = re.compile(r"\btollkeeper_\w+")
# What a stack has nothing to show of, while nobody bounds it.
EMPTY = {"room of {{instance}}", "bound on all"}


def asked(target: dict[str, str]) -> str:
    """As Grafana sends it, with all instances chosen."""
    return target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")


def test_it_is_what_its_script_makes() -> None:
    assert PATH.read_text() == made()


def test_every_panel_asks_for_metrics_that_there_are(stack: Deployment) -> None:
    lines = [*stack.metrics().splitlines(), *stack.admin_metrics().splitlines()]
    shown = {re.split(r"[{ ]", line, maxsplit=1)[0] for line in lines}
    for panel in PANELS:
        for target in panel["targets"]:
            promql_parser.parse(asked(target))  # ValueError
            names = NAME.findall(target["expr"])
            assert names, panel["title"]
            assert set(names) <= shown, panel["title"]


@pytest.fixture
def prometheus(stack: Deployment, tmp_path: Path) -> Iterator[str]:
    """URL of one that has scraped the stack, through which requests have run, twice at least."""
    targets = {"tollkeeper": stack.settings.metrics_listen, "tollkeeper-admin": stack.settings.admin_metrics_listen}
    with scraping(tmp_path, targets, 1.0) as url:
        who = stack.tenant()
        assert stack.chat(who, {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}).status_code == 200
        stack.usage_when(who, 1)
        scraped = "min(count_over_time(up[1m])) > 2 and count(up == 1) == 2"
        wait_for(lambda: result(url, scraped) or None, "three scrapes of both", 60)
        yield url


@pytest.mark.skipif(program("prometheus") is None, reason=NONE)  # .ci/run brings it, from Debian
def test_prometheus_answers_every_panel(prometheus: str) -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            found = result(prometheus, asked(target))
            assert bool(found) is not (target["legendFormat"] in EMPTY), (panel["title"], target)
            labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert not found or any(labels <= each["metric"].keys() for each in found), (panel["title"], found)
    begun = time.time() - 600
    times = {"start": begun, "end": begun + 1200, "query": "tollkeeper_accesslog_request_seconds_bucket"}
    (series,) = ask(prometheus, f"query_exemplars?{urllib.parse.urlencode(times)}")
    assert TRACE in [each["labels"]["trace_id"] for each in series["exemplars"]]
    instances = {each["metric"]["instance"] for each in result(prometheus, "tollkeeper_build_info")}
    assert len(instances) == 2
