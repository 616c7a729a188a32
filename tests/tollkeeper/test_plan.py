from importlib import import_module
from pathlib import Path

import pytest

from tollkeeper.config import read_settings
from tollkeeper.plan import SERVICES, Worker, all_numbered, plan
from tollkeeper.slices.table import GROUPS, socket_of

LOGGED = ("ratelimit", "accesslog")


@pytest.mark.parametrize(
    ("services", "workers", "wanted"),
    [
        (SERVICES, 1, [Worker("authz", 1, ("authz",)), Worker("ratelimit", 1, SERVICES, tcp=True)]),
        (("authz",), 1, [Worker("authz", 1, ("authz",), tcp=True)]),
        (("accesslog",), 1, [Worker("ratelimit", 1, ("accesslog",), tcp=True)]),
        (
            SERVICES,
            2,
            [
                Worker("authz", 1, ("authz",)),
                Worker("authz", 2, ("authz",)),
                Worker("ratelimit", 1, LOGGED),
                Worker("ratelimit", 2, SERVICES, tcp=True),
            ],
        ),
    ],
)
def test_each_service_has_its_processes_and_the_last_one_answers_on_tcp(
    services: tuple[str, ...], workers: int, wanted: list[Worker]
) -> None:
    assert plan(services, workers, tcp=True) == wanted
    assert {worker.services for worker in plan(services, workers)} <= {("authz",), LOGGED, ("accesslog",)}
    assert not any(worker.tcp for worker in plan(services, workers))


def test_the_first_process_has_the_plain_names() -> None:
    assert [worker.name for worker in plan(SERVICES, 2)] == ["authz", "authz-2", "ratelimit", "ratelimit-2"]
    assert all_numbered(Path("/run/authz.sock"), 3) == [
        Path("/run/authz.sock"),
        Path("/run/authz-2.sock"),
        Path("/run/authz-3.sock"),
    ]


def test_every_service_has_a_file_that_wires_it_and_one_group_with_a_socket() -> None:
    assert [service for group in GROUPS.values() for service in group] == list(SERVICES)
    assert all(callable(import_module(f"tollkeeper.slices.{service}").wire) for service in SERVICES)
    assert [socket_of(group, read_settings()).name for group in GROUPS] == ["authz.sock", "ratelimit.sock"]
