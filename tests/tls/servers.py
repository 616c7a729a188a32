"""A Redis and a Postgres that speak TLS only, and want a certificate of their clients: Debian's, since those of the
wheels are built without TLS.  `.ci/tls-servers` fetches them; without them the tests are skipped.
"""

import os
import subprocess
import time
from pathlib import Path
from urllib.parse import urlencode

from redis import Redis

from serving.tls_files import CA, CHAIN, KEY
from tests.cluster import SLOTS, free_pair
from tollkeeper.up.process import Process, free_port, unprivileged_user

FETCHED = Path(".venv/tls-servers").absolute()
HOST, USER = "localhost", "tollkeeper"


def located(place: str) -> Path | None:
    """On this machine, or fetched."""
    return next((path for root in (Path("/"), FETCHED) for path in sorted(root.glob(place))), None)


REDIS_SERVER, INITDB = located("usr/bin/redis-server"), located("usr/lib/postgresql/*/bin/initdb")


def environment() -> dict[str, str]:
    """With the libraries that were fetched."""
    return {"LD_LIBRARY_PATH": ":".join(str(path) for path in {file.parent for file in FETCHED.rglob("*.so*")})}


class TlsRedis:
    """`directory` has its certificates.  One that is a cluster has all slots by itself."""

    def __init__(self, directory: Path, *, cluster: bool = False) -> None:
        assert REDIS_SERVER is not None
        self.port, self._cluster = free_pair(), cluster
        command: list[str | Path] = [REDIS_SERVER, "--port", "0", "--tls-port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--tls-cert-file", directory / CHAIN, "--tls-key-file", directory / KEY]
        command += ["--tls-ca-cert-file", directory / CA, "--dir", directory, "--save", ""]
        command += ["--cluster-enabled", "yes", "--tls-cluster", "yes"] if cluster else []
        self.process = Process("redis", command, directory / "redis.log", environment=environment())
        self.process.wait_until(lambda: "Ready to accept" in (directory / "redis.log").read_text())

    def url(self, client: Path, **more: str) -> str:
        """For a client that has its files in `client`."""
        query = {"ssl_ca_certs": client / CA, "ssl_certfile": client / CHAIN, "ssl_keyfile": client / KEY, **more}
        return f"rediss{'+cluster' * self._cluster}://{HOST}:{self.port}/?{urlencode(query)}"

    def own_all_slots(self, client: Path) -> None:
        with Redis.from_url(self.url(client).replace("+cluster", ""), decode_responses=True) as connection:
            connection.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
            while connection.execute_command("CLUSTER", "INFO").count("cluster_state:ok") == 0:
                time.sleep(0.02)


class TlsPostgres:
    """`directory` has its certificates, and may be entered by everyone."""

    def __init__(self, directory: Path) -> None:
        assert INITDB is not None
        self._user, self.port, data = unprivileged_user(), free_port(), directory / "data"
        if self._user is not None:
            for each in (directory, *directory.iterdir()):
                os.chown(each, self._user, self._user)
        (directory / KEY).chmod(0o600)
        made = {**os.environ, **environment()}
        run: list[str | Path] = [INITDB, "-D", data, "-U", USER, "--auth=trust", "--no-sync", "--no-locale"]
        subprocess.run(run, check=True, capture_output=True, user=self._user, group=self._user, env=made, cwd=directory)
        (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n")
        settings = ["ssl=on", "fsync=off", "listen_addresses=127.0.0.1", f"port={self.port}"]
        settings += ["unix_socket_directories=", f"ssl_cert_file={directory / CHAIN}"]
        settings += [f"ssl_key_file={directory / KEY}", f"ssl_ca_file={directory / CA}"]
        self.process = Process(
            "postgres",
            [INITDB.with_name("postgres"), "-D", data, *(part for each in settings for part in ("-c", each))],
            directory / "postgres.log",
            user=self._user,
            environment=environment(),
            directory=directory,
        )
        self.process.wait_until(lambda: "ready to accept" in (directory / "postgres.log").read_text())

    def url(self, client: Path, **more: str) -> str:
        files = {"sslrootcert": client / CA, "sslcert": client / CHAIN, "sslkey": client / KEY}
        return (
            f"postgresql://{USER}@{HOST}:{self.port}/postgres?{urlencode({'sslmode': 'verify-full', **files, **more})}"
        )
