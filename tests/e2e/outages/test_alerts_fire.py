"""Real faults of a running stack fire the alerts that are meant for them, in a real Prometheus, which end with them."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alerts.prometheus import NONE, asked, program, scraping
from tests.conftest import public_directory
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.e2e.metering.test_explain_refusals import explanation
from tests.e2e.outages.test_crash import workers
from tests.e2e.outages.test_takeover import children, tell
from tollkeeper.up.stack import accepts

ALERTS = Path(__file__).parents[3] / "alerts.yml"
PACE = 0.5
# What waits for seconds that a test need not wait for.
THRESHOLDS = {
    "ledger_lag_seconds > 60": "ledger_lag_seconds > 2",
    "silent_seconds > 10": "silent_seconds > 2",
}
# Of a test's Redis, which is not meant to last.
ALWAYS = {"TollkeeperStoreMayLoseBudgets"}


def hurried() -> str:
    """The shipped rules on shorter times: the same metrics, labels and comparisons."""
    text = ALERTS.read_text()
    for shipped, short in THRESHOLDS.items():
        assert text.count(shipped) == 1
        text = text.replace(shipped, short)
    text = re.sub(r"\[\d+m\]", "[20s]", re.sub(r"for: \w+", "for: 1s", text))
    assert yaml.safe_load(text)
    return text


class Watched:
    def __init__(self, stack: Deployment, url: str) -> None:
        self.stack, self._url, self.who = stack, url, stack.tenant(tokens_per_minute=None)

    def firing(self) -> dict[str, Any]:
        """Labels, by alert."""
        found = asked(self._url, "alerts")["alerts"]
        return {each["labels"]["alertname"]: each["labels"] for each in found if each["state"] == "firing"}

    def wait(self, *names: str, **labels: str) -> None:
        """Until they fire, the last with these labels."""

        def fire() -> bool | None:
            found = self.firing()
            return True if set(names) <= found.keys() and labels.items() <= found[names[-1]].items() else None

        wait_for(fire, f"{names} among {self.firing()}", 60)

    def wait_for_silence(self, *names: str) -> None:
        wait_for(lambda: None if set(names) & self.firing().keys() else True, f"the end of {names}", 60)

    def send(self, count: int, who: Credential | None = None) -> list[int]:
        return [self.stack.chat(who or self.who).status_code for _ in range(count)]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    rules = tmp_path / "alerts.yml"
    rules.write_text(hurried())
    with public_directory() as directory:
        stack = Deployment(directory / "stack")
        targets = {"tollkeeper": stack.settings.metrics_listen, "tollkeeper-admin": stack.settings.admin_metrics_listen}
        try:
            with scraping(tmp_path, targets, PACE, rules) as url:
                yield Watched(stack, url)
        finally:
            stack.close()


@pytest.mark.skipif(program("prometheus") is None, reason=NONE)  # .ci/run brings it, from Debian
def test_faults_fire_their_alerts_and_an_end_of_them_ends_those(watched: Watched) -> None:
    stack = watched.stack
    assert set(watched.send(5)) == {200}
    wait_for(lambda: asked(watched._url, "targets")["activeTargets"] or None, "a scrape")
    no_log_then_log(watched)
    assert watched.firing().keys() <= ALWAYS
    store_away(watched, "postgres", "TollkeeperLedgerBehind")
    watched.wait_for_silence("TollkeeperStoreDown", "TollkeeperLedgerBehind")
    store_away(watched, "valkey", "TollkeeperCannotDecide", wait=503)
    watched.wait_for_silence("TollkeeperStoreDown")
    without_authz(watched)
    stack.processes["admin"].stop()
    stack.processes["sidecar"].stop()
    watched.wait("TollkeeperDown", "TollkeeperAdminDown")


def no_log_then_log(watched: Watched) -> None:
    """Envoy without its access log, as one that is pasted beside another."""
    file = watched.stack.directory / "envoy/envoy.yaml"
    whole = file.read_text()
    config = yaml.safe_load(whole)
    for listener in config["static_resources"]["listeners"]:
        for chain in listener["filter_chains"]:
            for each in chain["filters"]:
                del each["typed_config"]["access_log"]
    for text, sends in ((yaml.safe_dump(config), True), (whole, False)):
        file.write_text(text)
        watched.stack.processes["envoy"].stop()
        watched.stack.stack.revive_envoy()
        wait_for(lambda: accepts(watched.stack.envoy_address) or None, "Envoy")
        if sends:
            watched.send(25)
            watched.wait("TollkeeperLogSilent")
    assert watched.send(1) == [200]
    watched.wait_for_silence("TollkeeperLogSilent")


def without_authz(watched: Watched) -> None:
    """Envoy itself refuses what no authz answers; the access log tells why, afterwards."""
    stack, supervisor = watched.stack, watched.stack.processes["sidecar"].pid
    authz = workers(stack)["authz"]
    os.kill(supervisor, signal.SIGSTOP)  # and so it makes no other
    try:
        os.kill(authz, signal.SIGKILL)
        refused = stack.chat(watched.who)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "tollkeeper_unavailable")
    finally:
        os.kill(supervisor, signal.SIGCONT)
    found = wait_for(lambda: explanation(stack, refused.headers["x-request-id"]), "the explanation")
    assert found["decision"] == "refused with 503: authz did not answer Envoy"
    counted = 'tollkeeper_accesslog_unanswered_requests_total{process="ratelimit",service="authz"} 1.0'
    wait_for(lambda: True if counted in stack.metrics() else None, counted)


def store_away(watched: Watched, part: str, alert: str, wait: int = 200) -> None:
    pid = watched.stack.processes[part].pid
    store = {"valkey": "redis"}.get(part, part)
    os.kill(pid, signal.SIGSTOP)  # and so a postmaster makes no others
    stopped = [pid, *children(pid)]
    tell(stopped, signal.SIGSTOP)
    try:
        assert wait in watched.send(10)
        watched.wait(alert, "TollkeeperStoreDown", store=store)
    finally:
        tell(stopped, signal.SIGCONT)
