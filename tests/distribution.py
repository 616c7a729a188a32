"""How `make test` gives the tests to its workers: file by file, long ones early and apart from one another.

What starts whole stacks waits much: beside it others compute.  The files that share a stack go to one worker, which
starts it once.
"""

import gc
from collections.abc import Generator
from typing import Any

import pytest

LONG = ("tests/e2e/", "tests/faults/", "tests/upgrade/", "tests/formats/test_large.py", "tests/admin/test_fuzz.py")
# The first that fits counts.
SHARE_A_STACK = (
    (
        "tests/e2e/metering/",
        "tests/e2e/attacks/test_uploads.py",
        "tests/e2e/fairness/",
        "tests/e2e/joining/",
        "tests/e2e/outages/test_revocation.py",
        "tests/e2e/test_admin_metrics.py",
        "tests/e2e/test_alerts.py",
        "tests/e2e/test_dashboard.py",
        "tests/e2e/test_doctor.py",
        "tests/e2e/test_envoy_versions.py",
        "tests/e2e/test_runtime.py",
        "tests/e2e/test_slots.py",
    ),
    ("tests/e2e/attacks/", "tests/e2e/control_planes/"),
    ("tests/e2e/cache/",),
)
# Of the whole run: after it no long file begins.
EARLY = 0.7


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays until the end: the collector need not walk through it, neither now nor later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def scope(nodeid: str) -> str:
    """What one worker runs in one go: a file, or the first of the places that share a stack."""
    return next((places[0] for places in SHARE_A_STACK if nodeid.startswith(places)), nodeid.split("::", 1)[0])


def places(scopes: list[str]) -> dict[str, float]:
    """Where in the run each begins, from 0 to 1."""
    long = [each for each in scopes if each.startswith(LONG)]
    short = [each for each in scopes if not each.startswith(LONG)]
    found = {each: EARLY * index / len(long) for index, each in enumerate(long)}
    return found | {each: (index + 0.5) / len(short) for index, each in enumerate(short)}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        begins = places(list(dict.fromkeys(scope(item.nodeid) for item in items)))
        items.sort(key=lambda item: begins[scope(item.nodeid)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadFileScheduling

    class ByScope(LoadFileScheduling):  # type: ignore[misc] # without types
        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid)

    return ByScope(config, log)
