"""The sidecar and the management API, as they show themselves: ready or not, and which version each runs."""

import json
import re
from collections.abc import Iterator

from serving.process_metrics import own_version
from store.watch import REDIS
from tollkeeper.config import Settings
from tollkeeper.doctor.finding import Finding, doubtful, wrong
from tollkeeper.doctor.stores import RISKS
from tollkeeper.metrics_http import get

BUILD = re.compile(r'^tollkeeper_build_info\{[^}]*version="([^"]*)"', re.MULTILINE)


def findings(settings: Settings) -> Iterator[Finding]:
    yield from _process("sidecar", settings.metrics_listen, "TOLLKEEPER_METRICS_LISTEN")
    if settings.admin_metrics_listen:
        yield from _process("admin", settings.admin_metrics_listen, "TOLLKEEPER_ADMIN_METRICS_LISTEN")


def _process(name: str, address: str, setting: str) -> Iterator[Finding]:
    ready, metrics = get(address, "/readyz"), get(address, "/metrics")
    if ready is None or metrics is None:
        do = f"start `tollkeeper {name}`, or set {setting} to where it shows itself"
        yield wrong(name, f"nobody answers at {address}", do)
        return
    said = json.loads(ready[1])
    if waits := sorted(part for part, is_ready in said["parts"].items() if not is_ready):
        yield wrong(name, f"it is not ready: {', '.join(waits)}", "see what else is said here, and its log")
    for text in said["warnings"]:
        if text in RISKS:
            yield doubtful(REDIS, *RISKS[text])
        else:
            yield doubtful(name, text, "see docs/runbook.md")
    if other := sorted(set(BUILD.findall(metrics[1].decode())) - {own_version()}):
        says = f"it runs {', '.join(other)}, while this is {own_version()}"
        yield doubtful(name, says, "bring both to one version (docs/install/upgrading.md)")
