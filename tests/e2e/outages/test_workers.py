"""Several processes of each kind behind one Envoy: budgets, counts and accounts are those of one sidecar."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from accesslog.writing.spool import Spool
from tenancy.values.lease_id import NO_ENVOY, envoy_of
from tests.accesslog.entries import row
from tests.conftest import public_directory
from tests.e2e.deployment import MODEL, Credential, Deployment, wait_for
from tests.e2e.envoys import another_envoy
from tests.e2e.load import Load
from tests.e2e.outages.test_crash import nothing_is_lost
from tests.e2e.outages.test_takeover import reserved
from tests.web import NO_TLS, WEB
from tollkeeper.plan import all_numbered

WORKERS = 2
# What a sidecar with one process more could not write before it ended.
LEFT = row(tenant_id="left-in-a-spool")
IN_FLIGHT = "tollkeeper_ratelimit_leases_in_flight"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}


@pytest.fixture(scope="module")
def several() -> Iterator[Deployment]:
    with public_directory() as directory:
        left = Spool(directory / "stack" / "sidecar" / f"spool-{WORKERS + 1}")
        assert left.append([LEFT])
        left.close()
        # Enough Envoy workers, each with a log stream of its own, that not all of these end in the first process.
        deployment = Deployment(directory / "stack", settings={"workers": WORKERS, "spares": True}, concurrency=8)
        yield deployment
        deployment.close()


def by_process(stack: Deployment, name: str) -> dict[str, float]:
    """A metric of each process that shows it; of several labels the sum."""
    found: dict[str, float] = {}
    for line in stack.metrics().splitlines():
        if line.startswith(f"{name}{{") and (process := re.search(r'process="([^"]+)"', line)):
            found[process[1]] = found.get(process[1], 0.0) + float(line.split()[-1])
    return found


@contextmanager
def stream(url: str, who: Credential) -> Iterator[None]:
    """A request that runs for as long as the test does."""
    headers = {**who.headers, "x-stub-tokens": "400", "x-stub-tokens-per-second": "4"}
    body = {**BODY, "max_tokens": 400, "stream": True}
    with WEB.stream("POST", f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200
        yield


def burst(stack: Deployment, who: Credential, count: int) -> list[int]:
    async def ask() -> list[int]:
        limits = httpx.Limits(max_connections=count)
        async with httpx.AsyncClient(
            verify=NO_TLS, base_url=f"http://{stack.envoy_address}", limits=limits, timeout=30
        ) as many:
            posts = (many.post("/v1/chat/completions", json=BODY, headers=who.headers) for _ in range(count))
            return [answer.status_code for answer in await asyncio.gather(*posts)]

    return asyncio.run(ask())


def test_all_processes_share_the_work_and_one_budget(several: Deployment) -> None:
    who = several.tenant(tokens_per_minute=None, requests_per_minute=25)
    statuses = burst(several, who, 100)
    assert (statuses.count(200), statuses.count(429)) == (25, 75)
    for service in ("authz", "ratelimit"):
        served = by_process(several, f"tollkeeper_{service}_decisions_total")
        names = [service, *(f"{service}-{number}" for number in range(2, WORKERS + 1))]
        assert min(served[name] for name in names) >= 1
        assert sum(served.values()) == sum(served[name] for name in names)
    wait_for(lambda: True if sum(row["requests"] for row in several.usage(who)) >= 100 else None, "the rows")
    assert sum(row["requests"] for row in several.usage(who)) == 100


def test_a_request_whose_entry_reaches_another_process_is_over_for_its_own_too(several: Deployment) -> None:
    who = several.tenant()
    with Load(several, who, clients=8, pause=0.0) as load:
        load.during(2.0)
        assert sum(by_process(several, IN_FLIGHT).values()) > 0
    assert set(load.answers.values()) == {200}
    # Redis would tell only of those that are in flight for half a minute.
    wait_for(
        lambda: True if not sum(by_process(several, IN_FLIGHT).values()) else None,
        "nothing in flight",
        10,
    )
    assert len(several.usage_when(who, len(load.answers))) == len(load.answers)


def test_the_file_log_is_read_once_and_brings_only_what_no_stream_brought(several: Deployment) -> None:
    who = several.tenant()
    assert set(burst(several, who, 200)) == {200}
    several.usage_when(who, 200)
    streamed = by_process(several, "tollkeeper_accesslog_entries_total")
    assert streamed["ratelimit-2"] > 0  # else this shows nothing
    waiting = "tollkeeper_accesslog_lines_waiting"
    wait_for(lambda: True if not by_process(several, waiting)["ratelimit"] else None, "every line done")
    assert sum(by_process(several, "tollkeeper_accesslog_backfilled_entries_total").values()) == 0
    assert set(by_process(several, waiting)) == {"ratelimit", "ratelimit-2"}


def test_what_ran_through_one_of_two_envoys_that_was_killed_holds_no_slot(
    several: Deployment, public_path: Path
) -> None:
    """Whichever processes have its streams and its requests."""
    who, others = several.tenant(max_in_flight=7), several.tenant()
    authz, ratelimit = (
        [f"unix:{path}" for path in all_numbered(socket, WORKERS)]
        for socket in (several.settings.authz_socket, several.settings.ratelimit_socket)
    )
    beside = another_envoy(several, public_path, several.stub_url, authz=authz, ratelimit=ratelimit)
    with beside as other, ExitStack() as stops:
        stops.enter_context(stream(other, who))
        assert set(burst(several, others, 100)) == {200}  # log streams of all its workers, in both processes
        for _ in range(6):
            stops.enter_context(stream(f"http://{several.envoy_address}", who))
        (name,) = {envoy_of(str(row["id"])) for row in several.usage_when(others, 100)}
        assert name != NO_ENVOY
        assert min(by_process(several, IN_FLIGHT).values()) > 0
        several.processes["envoy"].kill()
        assert WEB.post(f"{other}/v1/chat/completions", json=BODY, headers=who.headers).status_code == 429
        wait_for(lambda: True if len(reserved(several, who)) == 6 else None, "their rows", 40)
        assert sum(by_process(several, IN_FLIGHT).values()) == 1
        with several.redis() as redis:
            assert redis.zcard(f"tollkeeper:leases:{{{who.tenant_id}}}") == 1
        several.stack.envoy(several.settings, several.stub_url)
        assert several.chat(who).status_code == 200


def test_rows_that_a_process_left_which_is_no_more_reach_the_ledger(several: Deployment) -> None:
    query = "SELECT id FROM usage WHERE tenant_id = $1"
    found = wait_for(lambda: several.rows(query, LEFT.tenant_id) or None, "the row that was left")
    assert [str(each["id"]) for each in found] == [LEFT.id]


def test_kill_9_of_all_of_them_loses_no_usage(several: Deployment) -> None:
    nothing_is_lost(several)
