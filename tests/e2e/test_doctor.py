"""`tollkeeper doctor` on a running stack: nothing wrong with it, and each fault in a sentence with what to do."""

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import yaml

from tests.e2e.deployment import Deployment
from tests.warm import program
from tollkeeper.config import as_environment
from tollkeeper.doctor.command import examine
from tollkeeper.doctor.envoy import GRPC_LOG
from tollkeeper.doctor.finding import WRONG
from tollkeeper.metrics_http import get
from tollkeeper.up.process import Process, free_port
from tollkeeper.wheels import envoy_binary


def said(stack: Deployment, **changes: Any) -> list[str]:
    """What is found with other settings than those of the stack."""
    found = examine(stack.settings.model_copy(update=changes))
    return [f"{each.level}: {each.part}: {each.says}" for each in found]


def run(stack: Deployment, **changes: Any) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, **as_environment(stack.settings.model_copy(update=changes))}
    command = [program(), "doctor", "--json"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_a_stack_that_works_has_nothing_wrong(stack: Deployment) -> None:
    assert stack.chat(stack.tenant()).status_code == 200
    done = run(stack)
    assert (done.returncode, json.loads(done.stdout)) == (0, []), done.stdout + done.stderr


def test_a_wrong_password_of_redis(stack: Deployment) -> None:
    secret = "wrong-and-never-shown"
    done = run(stack, redis_url=f"unix://{urlsplit(stack.redis_url).path}?password={secret}")
    (found,) = [each for each in json.loads(done.stdout) if each["level"] == WRONG]
    assert done.returncode == 1
    assert found["part"] == "redis"
    assert found["says"].startswith("redis refuses what TOLLKEEPER_REDIS_URL says (")
    assert "TOLLKEEPER_REDIS_URL" in found["do"]
    assert secret not in done.stdout + done.stderr


def test_a_schema_of_the_version_before(stack: Deployment) -> None:
    async def change(statement: str) -> None:
        connection = await asyncpg.connect(stack.database_url)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(change("DELETE FROM schema_migrations WHERE name = '0020_jobs'"))
    try:
        assert said(stack) == ["wrong: postgres: its schema lacks 0020_jobs"]
    finally:
        asyncio.run(change("INSERT INTO schema_migrations (name) VALUES ('0020_jobs')"))


def test_a_postgres_that_only_reads(stack: Deployment) -> None:
    only_reads = f"{stack.database_url}?options=-c%20default_transaction_read_only%3Don"
    assert said(stack, database_url=only_reads) == [
        "wrong: postgres: its transactions only read (default_transaction_read_only), so usage waits on disk"
    ]


def test_directories_sockets_and_space(stack: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    away = tmp_path / "away.sock"
    found = said(stack, data_dir=file, access_log_file=tmp_path / "none.jsonl", authz_socket=away)
    assert f"wrong: files: {file} is no directory" in found
    assert f"wrong: files: Envoy has not made {tmp_path}/none.jsonl" in found
    assert f"wrong: files: nobody answers at {away} (No such file or directory)" in found
    (found_space,) = said(stack, spool_max_mb=10**9)
    assert found_space.startswith(f"doubtful: files: {stack.settings.data_dir} has ")


def test_a_sidecar_and_an_envoy_that_do_not_answer(stack: Deployment) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    assert said(stack, metrics_listen=nowhere, envoy_admin=nowhere) == [
        f"wrong: envoy: it does not answer at {nowhere}",
        f"wrong: sidecar: nobody answers at {nowhere}",
    ]


@contextmanager
def another_envoy(stack: Deployment, directory: Path, change: Callable[[Any], None]) -> Iterator[str]:
    """Its admin address: with the stack's configuration, in which `change` changes the connection manager."""
    config = yaml.safe_load((stack.directory / "envoy" / "envoy.yaml").read_text())
    (listener,) = config["static_resources"]["listeners"]
    listener["address"]["socket_address"]["port_value"] = free_port()
    change(listener["filter_chains"][0]["filters"][0]["typed_config"])
    address = f"127.0.0.1:{free_port()}"
    host, _, port = address.rpartition(":")
    config["admin"] = {"address": {"socket_address": {"address": host, "port_value": int(port)}}}
    (directory / "envoy.yaml").write_text(yaml.safe_dump(config))
    command: list[str | Path] = [envoy_binary(), "-c", directory / "envoy.yaml", "--disable-hot-restart"]
    process = Process("envoy", [*command, "--concurrency", "1"], directory / "envoy.log")
    try:
        process.wait_until(lambda: (get(address, "/ready") or (0, b""))[0] == 200)
        yield address
    finally:
        process.stop()


def without_stream(manager: Any) -> None:
    """As two lists `access_log` in one file leave it."""
    manager["access_log"] = [each for each in manager["access_log"] if GRPC_LOG not in each["typed_config"]["@type"]]


def of_another_version(manager: Any) -> None:
    (file,) = [each for each in manager["access_log"] if each["name"] == "envoy.access_loggers.file"]
    del file["typed_config"]["log_format"]["json_format"]["decision"]
    manager["http_filters"] = [each for each in manager["http_filters"] if each["name"] != "tollkeeper.uploads"]


def in_another_order(manager: Any) -> None:
    filters = manager["http_filters"]
    names = [each["name"] for each in filters]
    one, other = names.index("tollkeeper.guard"), names.index("tollkeeper.authz")
    filters[one], filters[other] = filters[other], filters[one]


def that_lets_pass(manager: Any) -> None:
    """As somebody sets it who fears an outage more than a bill."""
    found = {each["name"]: each["typed_config"] for each in manager["http_filters"] if "typed_config" in each}
    found["tollkeeper.authz"]["failure_mode_allow"] = True
    policy = next(each for each in found["tollkeeper.ratelimit"]["rate_limits"][0]["actions"] if "metadata" in each)
    policy["metadata"]["metadata_key"]["key"] = "mine"
    found["tollkeeper.ratelimit"]["timeout"] = "5s"


def half_off(manager: Any) -> None:
    switch = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}
    (host,) = manager["route_config"]["virtual_hosts"]
    host["routes"][-1]["typed_per_filter_config"] = {"tollkeeper.authz": switch}
    (guard,) = [each for each in manager["http_filters"] if each["name"] == "tollkeeper.guard"]
    guard["disabled"] = True


def of_somebody_elses(manager: Any) -> None:
    """Local replies and a route as they were before Tollkeeper came."""
    errors = {"comparison": {"op": "GE", "value": {"default_value": 400, "runtime_key": "mine"}}}
    mine = {"filter": {"status_code_filter": errors}}
    manager["local_reply_config"]["mappers"].insert(0, mine)
    (host,) = manager["route_config"]["virtual_hosts"]
    del host["routes"][-1]["route"]["timeout"]


def without_local_replies(manager: Any) -> None:
    del manager["local_reply_config"]


CASES = [
    (
        that_lets_pass,
        [
            "the filter tollkeeper.authz is not this version's: failure_mode_allow is True, not unset",
            "the filter tollkeeper.ratelimit is not this version's: "
            "rate_limits[0].actions[1].metadata.metadata_key.key is mine, not envoy.filters.http.ext_authz",
            "it waits 5 s for tollkeeper.ratelimit, while a request may be queued for 30",
        ],
    ),
    (
        half_off,
        [
            "has tollkeeper.guard disabled, and its other filters not",
            'the route {"prefix": "/"} switches tollkeeper.authz alone: it is refused, or not counted',
        ],
    ),
    (
        of_somebody_elses,
        [
            "has local replies ahead of Tollkeeper's, which take their refusals",
            "has routes to tollkeeper_upstream that cut every answer after 15s, Envoy's default",
        ],
    ),
    (without_local_replies, ["has no local replies of Tollkeeper: what should be 403, 404 or 503 is a 429"]),
    (without_stream, ["has no gRPC access log tollkeeper, so nothing is settled until leases expire"]),
    (of_another_version, ["has no filter tollkeeper.uploads", "lacks decision: it is of another version"]),
    (in_another_order, ["has its filters as tollkeeper.authz, tollkeeper.guard, "]),
]


@pytest.mark.parametrize(("change", "expected"), CASES, ids=[change.__name__ for change, _ in CASES])
def test_an_envoy_that_is_set_up_otherwise(
    stack: Deployment, tmp_path: Path, change: Callable[[Any], None], expected: list[str]
) -> None:
    with another_envoy(stack, tmp_path, change) as address:
        found = said(stack, envoy_admin=address)
    assert len(found) == len(expected)
    for text, sentence in zip(found, expected, strict=True):
        assert text.split(": ")[1] == "envoy"
        assert sentence in text
