"""Clients of the sidecar's TCP port that do not shake hands as they should: nobody fills its log that way."""

import socket
import sys
from pathlib import Path

import trustme

from tests.e2e.attacks.conftest import SECRET
from tests.e2e.deployment import Deployment
from tests.serving.certificates import issue
from tollkeeper.up.process import Process, free_port

CLIENTS = 20


def test_clients_that_speak_no_tls_are_not_logged(stack: Deployment, tmp_path: Path) -> None:
    """In a sidecar that nothing was forked for: what gRPC writes is settled when it is loaded."""
    address, metrics, log = ("127.0.0.1", free_port()), f"127.0.0.1:{free_port()}", tmp_path / "log"
    environment = {
        "TOLLKEEPER_REDIS_URL": stack.redis_url,
        "TOLLKEEPER_DATABASE_URL": stack.database_url,
        "TOLLKEEPER_METRICS_LISTEN": metrics,
        "TOLLKEEPER_AUTHZ_SOCKET": str(tmp_path / "authz.sock"),
        "TOLLKEEPER_RATELIMIT_SOCKET": str(tmp_path / "ratelimit.sock"),
        "TOLLKEEPER_DATA_DIR": str(tmp_path / "data"),
        "TOLLKEEPER_ACCESS_LOG_FILE": "none",
        "TOLLKEEPER_SPARES": "false",
        "TOLLKEEPER_HANDOVER_SECONDS": "0",
        "TOLLKEEPER_GRPC_LISTEN": f"{address[0]}:{address[1]}",
        "TOLLKEEPER_GRPC_SECRET": SECRET,
        "TOLLKEEPER_GRPC_TLS_DIR": str(issue(trustme.CA(), tmp_path / "tls", "sidecar.test")),
    }
    sidecar = Process("sidecar", [sys.executable, "-m", "tollkeeper", "sidecar", "authz"], log, environment=environment)
    try:
        sidecar.wait_until(lambda: '"serving"' in log.read_text())
        for _ in range(CLIENTS):
            with socket.create_connection(address, timeout=10) as client:
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                client.shutdown(socket.SHUT_WR)
                while client.recv(1000):  # what it says to that; then it closes the connection
                    pass
        lines = log.read_text().splitlines()
        assert [line for line in lines if not line.startswith("{")] == []
    finally:
        sidecar.kill()
