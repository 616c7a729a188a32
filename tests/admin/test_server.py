"""The API as a process: starts, says clearly why it cannot, stops when told to."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from admin.access.principals import NoAdminToken
from admin.server import CannotListen, listen, serve
from tests.admin.conftest import TOKEN, wait_until
from tests.web import NO_TLS, WEB
from tollkeeper.up.process import free_port

PROGRAM = """
import sys
from admin.server import serve
serve("127.0.0.1", int(sys.argv[1]), database_url=sys.argv[2], redis_url=sys.argv[3], admin_token=sys.argv[4])
"""


def healthy(port: int) -> bool:
    try:
        return WEB.get(f"http://127.0.0.1:{port}/api/v1/health").status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def served(database_url_sync: str, redis_url: str) -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    port = free_port()
    command = [sys.executable, "-c", PROGRAM, str(port), database_url_sync, redis_url, TOKEN]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."}) as process:
        try:
            wait_until(lambda: healthy(port), 30)
            yield port, process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_told_to(served: tuple[int, "subprocess.Popen[str]"], number: signal.Signals) -> None:
    port, process = served
    headers = {"authorization": f"Bearer {TOKEN}"}
    with httpx.Client(verify=NO_TLS, headers=headers) as kept_alive:
        assert kept_alive.get(f"http://127.0.0.1:{port}/api/v1/tenants").status_code == 200
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert not healthy(port)


def test_a_port_that_is_taken_is_said_clearly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"cannot listen on 127\.0\.0\.1:{port}: the port is taken.*--admin"):
            listen("127.0.0.1", port)


def test_an_ipv6_address_is_written_in_brackets() -> None:
    with listen("[::1]", 0) as listener:
        assert listener.family == socket.AF_INET6


def test_an_address_that_is_not_ours_is_said_clearly() -> None:
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1:1"):
        listen("192.0.2.1", 1)


def test_without_a_token_it_does_not_start() -> None:
    with pytest.raises(NoAdminToken, match="TOLLKEEPER_ADMIN_TOKEN"):
        serve("127.0.0.1", 0, database_url="", redis_url="", admin_token="")


def test_answers_are_not_held_back_for_an_acknowledgement() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
