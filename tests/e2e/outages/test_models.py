"""`kill -9` of the sidecar and of Envoy while a model's endpoint changes: nothing goes where it should not."""

import asyncio
import json
import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from stub_model import StubOptions, running
from tenancy.values.endpoint import parse_endpoint
from tenancy.values.upstream import cluster_of
from tests.conftest import public_directory
from tests.e2e.deployment import MODEL, Credential, Deployment, wait_for
from tests.e2e.load import Load
from tests.e2e.outages.test_crash import workers
from tests.web import WEB
from tollkeeper.envoy.health import ask

ALL = StubOptions(models=("",), recorded=100_000)
# What ends just before the sidecar is killed, and has no line in the file yet as Envoy is killed too, is known by its
# lease alone, and gets its row as that ends.
SHORT_LEASES = {"lease_seconds": 20, "idle_timeout_seconds": 18}


def test_no_request_goes_to_a_wrong_endpoint_unchecked_or_uncounted() -> None:
    with ExitStack() as stack:
        directory = stack.enter_context(public_directory())
        urls = {name: stack.enter_context(running(ALL)) for name in ("one", "two")}
        secrets = Path(directory) / "secrets"
        secrets.mkdir()
        for name in urls:
            (secrets / name).write_text(f"secret-of-{name}")
        settings = {"spares": True, "model_credentials_dir": secrets, **SHORT_LEASES}
        place = Deployment(Path(directory) / "stack", settings=settings)
        stack.callback(place.close)
        who, model_id = place.tenant(), register(place, to("one", urls))
        wait_for(lambda: (place.chat(who), came(urls["one"]))[1] or None, "the first endpoint")
        WEB.delete(f"{place.stub_url}/stub/requests")  # what came before the sidecar knew of it
        with Load(place, who, clients=3) as load:
            for step, name in enumerate(("two", "one", "two", "one")):
                change(place, model_id, to(name, urls))
                if step == 1:
                    for pid in workers(place).values():
                        os.kill(pid, signal.SIGKILL)
                if step == 2:
                    place.processes["envoy"].kill()
                    place.stack.envoy(place.settings, place.stub_url)
                wait_for(lambda: 200 in load.during(0.2).values() or None, f"answers after {name}", 40)
                seen = len(came(urls[name]))
                wait_for(lambda: len(came(urls[name])) > seen or None, f"requests at {name}", 40)  # noqa: B023
        assert set(load.answers.values()) <= {200, 503, 0}
        at = {name: came(url) for name, url in urls.items()}
        for name, requests in at.items():
            assert {json.loads(each["body"])["model"] for each in requests} == {f"for-{name}"}
            assert {each["headers"].get("x-tenant-id") for each in requests} == {who.tenant_id}
            assert {each["headers"]["authorization"] for each in requests} == {f"Bearer secret-of-{name}"}
        assert [each for each in place.seen_upstream() if each["method"] == "POST"] == []
        ran = sum(map(len, at.values()))
        counted = """SELECT count(*) AS n FROM usage
                     WHERE tenant_id = $1 AND admission <> 'refused' AND (status = 200 OR usage_source = 'reserved')"""
        wait_for(lambda: place.rows(counted, who.tenant_id)[0]["n"] >= ran or None, "a row for each", 60)
        assert_the_last_good_configuration_outlives_both(place, who, urls["one"])
        logs = [*(place.directory / "logs").iterdir(), place.directory / "access.jsonl"]
        assert {"sidecar.log", "envoy.log", "admin.log"} < {path.name for path in logs}
        assert not [path for path in logs if b"secret-of-" in path.read_bytes()]


def assert_the_last_good_configuration_outlives_both(place: Deployment, who: Credential, url: str) -> None:
    """An Envoy that starts while no sidecar is there has the model's endpoint, and passes nothing to it."""
    place.processes["sidecar"].stop()
    place.processes["envoy"].kill()
    place.stack.envoy(place.settings, place.stub_url)
    before = len(came(url))
    assert place.chat(who).status_code == 503
    hosts = wait_for(lambda: asyncio.run(ask(str(place.settings.envoy_admin))).get(cluster_of(MODEL)), "its cluster")
    assert [*hosts] == [parse_endpoint(url).authority]
    assert len(came(url)) == before
    place.stack.sidecar(place.settings)
    wait_for(lambda: place.chat(who).status_code == 200 or None, "answers again")
    assert len(came(url)) > before


def to(name: str, urls: dict[str, str]) -> dict[str, Any]:
    return {
        "name": MODEL,
        "endpoint": urls[name],
        "upstream_name": f"for-{name}",
        "retries": 0,
        "credential": f"file:{name}",
    }


def register(place: Deployment, fields: dict[str, Any]) -> str:
    answer = place.admin.post("/models", json=fields)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def change(place: Deployment, model_id: str, fields: dict[str, Any]) -> None:
    answer = place.admin.put(f"/models/{model_id}", json=fields)
    assert answer.status_code == 200, answer.text


def came(url: str) -> list[dict[str, Any]]:
    return [each for each in WEB.get(f"{url}/stub/requests").json() if each["method"] == "POST"]
