from pathlib import Path

import pytest

from tollkeeper.plan import SERVICES, Worker, all_numbered, plan

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
    assert plan(services, workers) == wanted


def test_the_first_process_has_the_plain_names() -> None:
    assert [worker.name for worker in plan(SERVICES, 2)] == ["authz", "authz-2", "ratelimit", "ratelimit-2"]
    assert all_numbered(Path("/run/authz.sock"), 3) == [
        Path("/run/authz.sock"),
        Path("/run/authz-2.sock"),
        Path("/run/authz-3.sock"),
    ]
