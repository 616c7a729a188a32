"""The management API over TLS: who gets through, replaced certificates, and clients that never shake hands."""

import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from admin.tls import MAX_HANDSHAKES
from serving.tls_files import CA, CHAIN, KEY
from tests.serving.certificates import issue
from tests.upgrade.running import wait_for
from tollkeeper.up.process import Process, free_port
from tollkeeper.up.valkey import Valkey

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
HEALTH = b"GET /api/v1/health HTTP/1.1\r\nhost: a\r\n\r\n"
TOKEN = "dev-admin-token"


class Api(NamedTuple):
    port: int
    server: Path
    client: Path
    log: Path

    def context(self, client: Path | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=(client or self.client) / CA)
        if client:
            context.load_cert_chain(client / CHAIN, client / KEY)
        return context

    def connect(self, client: Path | None) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return self.context(client).wrap_socket(plain, server_hostname="localhost")

    def command(self, **settings: object) -> "subprocess.CompletedProcess[str]":
        given = {"API_URL": f"https://localhost:{self.port}", "ADMIN_TOKEN": TOKEN, **settings}
        environment = {**os.environ, **{f"TOLLKEEPER_{name}": str(value) for name, value in given.items()}}
        asked = [sys.executable, "-m", "tollkeeper", "tenant", "list"]
        return subprocess.run(asked, check=False, capture_output=True, text=True, env=environment)


def answer(connection: ssl.SSLSocket) -> bytes:
    connection.sendall(HEALTH)
    return connection.recv(65536)[:12]


@pytest.fixture
def api(database_url_sync: str, valkey: Valkey, tmp_path: Path) -> Iterator[Api]:
    ours = trustme.CA()
    server, client = issue(ours, tmp_path / "server", "localhost"), issue(ours, tmp_path / "client", "operator")
    found = Api(free_port(), server, client, tmp_path / "log")
    environment = {
        "TOLLKEEPER_DATABASE_URL": database_url_sync,
        "TOLLKEEPER_REDIS_URL": valkey.url,
        "TOLLKEEPER_ADMIN_TOKEN": TOKEN,
        "TOLLKEEPER_ADMIN_LISTEN": f"127.0.0.1:{found.port}",
        "TOLLKEEPER_ADMIN_TLS_DIR": str(server),
        "TOLLKEEPER_ADMIN_CLIENT_CA": str(server / CA),
    }
    process = Process("admin", [sys.executable, "-m", "tollkeeper", "admin"], found.log, environment=environment)
    try:
        wait_for(lambda: listens(found.port), "the management API")
        yield found
    finally:
        process.stop()


def is_closed(connection: socket.socket) -> bool:
    connection.settimeout(5)  # half of what a handshake may take
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def refused(api: Api, client: Path | None) -> bool:
    try:
        with api.connect(client) as connection:
            return answer(connection) == b""
    except OSError:  # ssl.SSLError is one
        return True


def test_who_gets_through_and_with_which_certificates(api: Api, tmp_path: Path) -> None:
    stranger = issue(trustme.CA(), tmp_path / "stranger", "operator")
    (stranger / CA).write_bytes((api.client / CA).read_bytes())
    with socket.create_connection(("127.0.0.1", api.port), timeout=30) as plain:
        plain.sendall(HEALTH)
        assert not plain.recv(100).startswith(b"HTTP")
    assert refused(api, None)
    assert refused(api, stranger)
    listed = api.command(API_CA=api.client / CA, API_TLS_DIR=api.client)
    assert listed.returncode == 0, listed.stderr
    assert "certificate verify failed" in api.command(API_TLS_DIR=api.client).stderr
    assert api.command(API_CA="/none").stderr.startswith("tollkeeper: TOLLKEEPER_API_CA: not to be used: ")

    with ExitStack() as opened:  # as many as may be, none of which says anything
        waiting = [socket.create_connection(("127.0.0.1", api.port), timeout=30) for _ in range(MAX_HANDSHAKES + 1)]
        for each in waiting:
            opened.enter_context(each)
        with api.connect(api.client) as connection:
            assert answer(connection) == b"HTTP/1.1 200"
        waiting[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            waiting[-1].recv(1)  # it may still shake hands
        assert is_closed(waiting[0])

    with api.connect(api.client) as before:
        (api.server / KEY).write_text("")  # half of it is written
        with api.connect(api.client) as still:
            assert answer(still) == b"HTTP/1.1 200"
        assert "the certificates before stay in use" in api.log.read_text()
        old, other = issue(trustme.CA(), tmp_path / "old", "operator"), trustme.CA()
        for name in (CHAIN, KEY):
            (old / name).write_bytes((api.client / name).read_bytes())
        (old / CA).write_bytes(other.cert_pem.bytes())
        issue(other, api.server, "localhost")
        issue(other, api.client, "operator")
        with api.connect(api.client) as after:
            assert answer(after) == b"HTTP/1.1 200"
            assert after.getpeercert(True) != before.getpeercert(True)
        assert refused(api, old)
        assert answer(before) == b"HTTP/1.1 200"

        expired = other.issue_cert("localhost", not_before=LONG_AGO, not_after=LONG_AGO + timedelta(days=1))
        (api.server / KEY).write_bytes(expired.private_key_pem.bytes())
        (api.server / CHAIN).write_bytes(b"".join(each.bytes() for each in expired.cert_chain_pems))
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
            api.connect(api.client)
