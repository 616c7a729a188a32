"""A sidecar whose stores refuse what its settings say is not ready, and says why; metrics tell of both stores."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, generate_latest

from tollkeeper.config import read_settings
from tollkeeper.slices.shared import Shared


@contextmanager
def shared_of(directory: Path, redis_url: str, database_url: str) -> Iterator[Shared]:
    """What the processes of a sidecar begin with."""
    with ExitStack() as stops:
        yield Shared(read_settings(data_dir=directory, redis_url=redis_url, database_url=database_url), stops)


def test_it_is_not_ready_with_wrong_credentials(tmp_path: Path, redis_url: str, database_url_sync: str) -> None:
    parts = urlsplit(redis_url)
    wrong = parts._replace(netloc=f"nobody:wrong@{parts.netloc}").geturl()
    with shared_of(tmp_path, wrong, database_url_sync) as shared:
        assert shared.readiness()["credentials"] is False
        assert "redis refuses what TOLLKEEPER_REDIS_URL says" in shared.warnings()[0]


def test_metrics_tell_of_stores_and_of_the_process(tmp_path: Path, redis_url: str, database_url_sync: str) -> None:
    with shared_of(tmp_path, redis_url, database_url_sync) as shared:
        assert shared.readiness()["credentials"] is True
        registry = CollectorRegistry()
        registry.register(shared.metrics)
        lines = generate_latest(registry).decode().splitlines()
    assert 'tollkeeper_store_up{store="postgres"} 1.0' in lines
    assert 'tollkeeper_store_up{store="redis"} 1.0' in lines
    assert any(line.startswith("tollkeeper_build_info{version=") for line in lines)
    (resident,) = (line for line in lines if line.startswith("tollkeeper_process_resident_bytes "))
    assert float(resident.split()[1]) > 1_000_000
