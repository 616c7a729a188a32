"""A port that another program holds is said in one sentence, with the setting that chooses another."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from serving.addresses import CannotListenError, prepare
from tollkeeper.up.process import free_port

CASES = [
    ("sidecar", "GRPC_LISTEN"),
    ("sidecar", "METRICS_LISTEN"),
    ("admin", "ADMIN_LISTEN"),
    ("admin", "ADMIN_METRICS_LISTEN"),
]


@pytest.mark.parametrize(("command", "setting"), CASES)
def test_it_is_said_once_and_nothing_is_started(tmp_path: Path, command: str, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = f"127.0.0.1:{holder.getsockname()[1]}"
        settings = {
            "METRICS_LISTEN": f"127.0.0.1:{free_port()}",
            "AUTHZ_SOCKET": f"{tmp_path}/authz.sock",
            "RATELIMIT_SOCKET": f"{tmp_path}/ratelimit.sock",
            "DATA_DIR": f"{tmp_path}/data",
            "GRPC_SECRET": "g" * 32,
            "ADMIN_TOKEN": "t" * 32,
            setting: taken,
        }
        environment = {**os.environ, **{f"TOLLKEEPER_{name}": value for name, value in settings.items()}}
        arguments = [sys.executable, "-m", "tollkeeper", command]
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    (line,) = (done.stdout + done.stderr).splitlines()
    assert f"cannot listen on {taken}: " in line
    assert f"TOLLKEEPER_{setting}" in line


def test_a_port_that_the_process_before_shares_is_not_taken() -> None:
    with socket.socket() as before:
        before.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        before.bind(("127.0.0.1", 0))
        before.listen()
        address = f"127.0.0.1:{before.getsockname()[1]}"
        prepare(address, takes_over=True)
        with pytest.raises(CannotListenError, match=f"cannot listen on {address}: Address already in use"):
            prepare(address)
