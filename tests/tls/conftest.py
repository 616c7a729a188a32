"""Stores with TLS, and the certificates of both sides."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from tests.conftest import public_directory
from tests.serving.certificates import issue
from tests.tls.servers import INITDB, REDIS_SERVER, TlsPostgres, TlsRedis
from tollkeeper.migrations import run_migrations

CLIENT = "sidecar.test"


class Stores(NamedTuple):
    """`ours` and `other` issue certificates: of ours are those of the stores."""

    ours: trustme.CA
    other: trustme.CA
    redis: TlsRedis
    cluster: TlsRedis
    postgres: TlsPostgres
    client: Path

    def client_of(self, issuer: trustme.CA, trusts: trustme.CA, directory: Path) -> Path:
        return issue(issuer, directory, CLIENT, trusts=trusts)


@pytest.fixture(scope="session")
def stores() -> Iterator[Stores]:
    if REDIS_SERVER is None or INITDB is None:
        pytest.skip("there are no servers with TLS; .ci/tls-servers fetches them")
    ours, other = trustme.CA(), trustme.CA()
    with public_directory() as root:
        client = issue(ours, root / "client", CLIENT)
        redis = TlsRedis(issue(ours, root / "redis", "localhost"))
        cluster = TlsRedis(issue(ours, root / "cluster", "localhost", "127.0.0.1"), cluster=True)
        postgres = TlsPostgres(issue(ours, root / "postgres", "localhost"))
        try:
            cluster.own_all_slots(client)
            run_migrations(postgres.url(client))
            yield Stores(ours, other, redis, cluster, postgres, client)
        finally:
            for server in (redis, cluster, postgres):
                server.process.kill()
