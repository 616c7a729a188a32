"""TLS to Redis and Postgres: verified on both sides; what is wrong is said in a sentence, and files are read anew."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from serving.tls_files import CA, KEY
from store.postgres import open_postgres
from store.redis import open_redis, open_redis_async
from store.tls import redis_context
from store.watch import POSTGRES, REDIS, StoreWatch, probes
from tests.tls.conftest import Stores
from tests.upgrade.running import wait_for
from tollkeeper.config import BadSettings, read_settings
from tollkeeper.up.process import Process, free_port

SECONDS = 10.0
BOTH = {REDIS, POSTGRES}
NOT_TRUSTED = (
    "redis is not trusted: its certificate is not what TOLLKEEPER_REDIS_URL asks for ({})",
    "postgres is not trusted: its certificate is not what TOLLKEEPER_DATABASE_URL asks for ({})",
)
NO_FILE = (
    "redis is not asked, since TOLLKEEPER_REDIS_URL names a file for TLS that cannot be used (ssl_ca_certs={})",
    "postgres is not asked, since TOLLKEEPER_DATABASE_URL names a file for TLS that cannot be used (sslrootcert={})",
)


async def looked(redis_url: str, database_url: str) -> StoreWatch:
    redis, pool = open_redis_async(redis_url, timeout=SECONDS), await open_postgres(database_url, timeout=SECONDS)
    watch = StoreWatch(probes(redis, pool))
    try:
        await watch.look()
    finally:
        await redis.aclose()
        pool.terminate()
    return watch


async def test_both_sides_show_certificates(stores: Stores) -> None:
    for redis in (stores.redis, stores.cluster):
        watch = await looked(redis.url(stores.client), stores.postgres.url(stores.client))
        assert (set(watch.up.values()), watch.warnings) == ({1.0}, [])
        assert open_redis(redis.url(stores.client), timeout=SECONDS).set("a", "b")


def by_ip(url: str) -> str:
    return url.replace("localhost", "127.0.0.1")


@pytest.mark.parametrize(
    ("client", "changed", "sentences", "why"),
    [
        ("foreign", str, NOT_TRUSTED, "self-signed certificate in certificate chain"),
        ("right", by_ip, NOT_TRUSTED, "IP address mismatch, certificate is not valid for '127.0.0.1'."),
        ("none", str, NO_FILE, "{}/ca.crt: No such file or directory"),
    ],
)
async def test_what_is_wrong_is_a_sentence(
    stores: Stores, tmp_path: Path, client: str, changed: Callable[[str], str], sentences: tuple[str, str], why: str
) -> None:
    stores.client_of(stores.ours, stores.ours, tmp_path / "right")
    stores.client_of(stores.ours, stores.other, tmp_path / "foreign")
    urls = [changed(store.url(tmp_path / client)) for store in (stores.redis, stores.postgres)]
    watch = await looked(*urls)
    assert watch.warnings == [each.format(why.format(tmp_path / client)) for each in sentences]
    assert watch.refused == BOTH
    with pytest.raises((RedisConnectionError, OSError)):
        open_redis(urls[0], timeout=SECONDS).ping()


async def test_a_certificate_of_another_ca_is_refused_by_both(stores: Stores, tmp_path: Path) -> None:
    stranger = stores.client_of(stores.other, stores.ours, tmp_path / "stranger")
    watch = await looked(stores.redis.url(stranger), stores.postgres.url(stranger))
    assert set(watch.up.values()) == {0.0}


def test_the_ca_of_a_url_is_the_only_one_and_is_read_once(stores: Stores) -> None:
    def context() -> object:
        with open_redis(stores.redis.url(stores.client), timeout=SECONDS) as client:
            return redis_context(client.connection_pool.make_connection())

    first = context()
    assert len(first.get_ca_certs()) == 1  # type: ignore[attr-defined]
    assert context() is first


def test_options_that_would_be_ignored_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_REDIS_URL", "rediss://localhost/0?ssl_ciphers=none")
    with pytest.raises(BadSettings, match="ssl_ciphers: no such option of TLS"):
        read_settings()


def test_migrate_says_so(stores: Stores, tmp_path: Path) -> None:
    url = stores.postgres.url(stores.client_of(stores.ours, stores.other, tmp_path / "client"))
    command, environment = (
        [sys.executable, "-m", "tollkeeper", "migrate"],
        {**os.environ, "TOLLKEEPER_DATABASE_URL": url},
    )
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    why = NOT_TRUSTED[1].format("self-signed certificate in certificate chain")
    assert (ended.returncode, ended.stderr) == (1, f"tollkeeper: cannot migrate the database: {why}\n")


def test_a_sidecar_says_so_and_needs_no_restart(stores: Stores, tmp_path: Path) -> None:
    client = stores.client_of(stores.ours, stores.other, tmp_path / "client")
    metrics, log = f"127.0.0.1:{free_port()}", tmp_path / "log"
    environment = {
        "TOLLKEEPER_REDIS_URL": stores.redis.url(client),
        "TOLLKEEPER_DATABASE_URL": stores.postgres.url(client),
        "TOLLKEEPER_METRICS_LISTEN": metrics,
        "TOLLKEEPER_AUTHZ_SOCKET": str(tmp_path / "authz.sock"),
        "TOLLKEEPER_RATELIMIT_SOCKET": str(tmp_path / "ratelimit.sock"),
        "TOLLKEEPER_DATA_DIR": str(tmp_path / "data"),
        "TOLLKEEPER_ACCESS_LOG_FILE": "none",
        "TOLLKEEPER_SPARES": "false",
        "TOLLKEEPER_REDIS_TIMEOUT_MS": "1000",
        "TOLLKEEPER_HANDOVER_SECONDS": "0",
    }
    sidecar = Process("sidecar", [sys.executable, "-m", "tollkeeper", "sidecar", "authz"], log, environment=environment)
    try:
        sentences = [each.format("self-signed certificate in certificate chain") for each in NOT_TRUSTED]
        wait_for(lambda: set(sentences) <= set(ready(metrics)[1]), "the sentences on /readyz")
        assert ready(metrics)[0] == 503
        assert all(sentence in log.read_text() for sentence in sentences)
        stores.client_of(stores.ours, stores.ours, client)
        wait_for(lambda: ready(metrics) == (200, []), "ready with the right CA")
    finally:
        sidecar.kill()


def ready(address: str) -> tuple[int, list[str]]:
    """Status and warnings of /readyz; 0 before it answers."""
    try:
        with urllib.request.urlopen(f"http://{address}/readyz") as answer:
            return answer.status, json.load(answer)["warnings"]
    except HTTPError as error:
        return error.code, json.load(error)["warnings"]
    except OSError:
        return 0, []


async def test_while_files_cannot_be_used_those_before_stay_in_use(stores: Stores, tmp_path: Path) -> None:
    client = stores.client_of(stores.ours, stores.ours, tmp_path / "client")
    redis_url, database_url = stores.redis.url(client), stores.postgres.url(client)
    assert (await looked(redis_url, database_url)).refused == set()
    (client / KEY).write_text("")  # half of it is written
    with capture_logs() as logs:
        for _ in range(2):  # with connections of their own
            assert (await looked(redis_url, database_url)).refused == set()
    events = [log["event"] for log in logs]
    assert events.count("the certificates before stay in use") == 2  # once for each store
    (client / CA).unlink()
    assert (await looked(redis_url, database_url)).refused == set()
    stores.client_of(stores.ours, stores.other, client)  # all of it, and then it counts
    assert (await looked(redis_url, database_url)).refused == BOTH
