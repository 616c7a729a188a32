"""What is said of stores that do not answer, and of those that never will."""

from collections import Counter
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis import Redis

from store.postgres import open_postgres
from store.redis import open_redis_async
from store.watch import MISSES, POSTGRES, REDIS, StoreWatch, probes

NOWHERE = "redis://127.0.0.1:1/0"
SECRET = "wrong-and-never-shown"


async def looked(redis_url: str, database_url: str, times: int = 1, missed: Counter[str] | None = None) -> StoreWatch:
    """After a look at both, or several; `missed` counts the questions without an answer."""
    missed = Counter() if missed is None else missed
    redis, pool = open_redis_async(redis_url, timeout=5.0), await open_postgres(database_url, timeout=5.0)
    watch = StoreWatch(probes(redis, pool), lambda store: missed.update([store]))
    try:
        for _ in range(times):
            await watch.look()
    finally:
        await redis.aclose()
        pool.terminate()
    assert SECRET not in str(watch.warnings)
    return watch


async def test_stores_that_answer(redis_url: str, database_url: str) -> None:
    watch = await looked(redis_url, database_url)
    assert watch.up == {REDIS: 1.0, POSTGRES: 1.0}
    assert (watch.warnings, watch.refused) == ([], frozenset())


async def test_a_store_that_is_away_may_come_back(redis_url: str, database_url: str) -> None:
    missed: Counter[str] = Counter()
    watch = await looked(NOWHERE, database_url, MISSES, missed)
    assert (watch.up, missed) == ({REDIS: 0.0, POSTGRES: 1.0}, {REDIS: MISSES})
    assert watch.warnings[0].startswith("redis does not answer (")
    assert watch.refused == frozenset()


async def test_a_store_that_refuses_what_the_settings_say(redis_url: str, database_url: str) -> None:
    parts = urlsplit(redis_url)
    wrong = parts._replace(netloc=f"nobody:{SECRET}@{parts.netloc}").geturl()
    watch = await looked(wrong, database_url + "_of_nobody")
    assert watch.refused == {REDIS, POSTGRES}
    redis, postgres = watch.warnings
    assert redis.startswith("redis refuses what TOLLKEEPER_REDIS_URL says (AuthenticationError: ")
    assert postgres.startswith("postgres refuses what TOLLKEEPER_DATABASE_URL says (InvalidCatalogNameError: ")


async def test_a_wrong_password_without_a_user(redis_url: str, database_url: str) -> None:
    parts = urlsplit(redis_url)
    wrong = parts._replace(netloc=f":{SECRET}@{parts.netloc}").geturl()
    with Redis.from_url(redis_url) as admin:
        admin.config_set("requirepass", "right")
        try:
            watch = await looked(wrong, database_url, MISSES)
        finally:
            admin.config_set("requirepass", "")
    assert watch.refused == {REDIS}
    assert watch.warnings[0].startswith("redis refuses what TOLLKEEPER_REDIS_URL says (AuthenticationError: ")


@pytest.mark.parametrize(
    ("command", "undo", "error"),
    [
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), "ReadOnlyError"),
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0"), "OutOfMemoryError"),
    ],
)
async def test_a_redis_that_answers_and_takes_no_writes(
    redis_url: str, database_url: str, command: tuple[str, ...], undo: tuple[str, ...], error: str
) -> None:
    with Redis.from_url(redis_url) as admin:
        admin.execute_command(*command)
        try:
            watch = await looked(redis_url, database_url, MISSES)
        finally:
            admin.execute_command(*undo)
    assert (watch.up[REDIS], watch.refused) == (0.0, frozenset())  # it may take them again
    assert watch.warnings[0].startswith(f"redis takes no writes ({error}: ")


async def test_to_ask_leaves_nothing(redis_url: str, database_url: str) -> None:
    await looked(redis_url, database_url)
    with Redis.from_url(redis_url) as admin:
        assert admin.keys("tollkeeper:*") == []


async def test_a_database_without_the_schema(redis_url: str, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    watch = await looked(redis_url, database_url)
    assert watch.refused == {POSTGRES}
    assert watch.warnings[0].endswith(": run `tollkeeper migrate`")


@pytest.mark.parametrize("store", [REDIS, POSTGRES])
async def test_it_is_over_when_the_store_answers_again(store: str) -> None:
    answers = [*[OSError("gone")] * MISSES, None]

    async def ask() -> None:
        if (error := answers.pop(0)) is not None:
            raise error

    missed: list[str] = []
    watch = StoreWatch({store: ask}, missed.append)
    await watch.look()
    assert watch.warnings == []  # it may just have been busy
    await watch.look()
    assert watch.warnings == [f"{store} does not answer (OSError: gone)"]
    await watch.look()
    assert (watch.warnings, watch.up, missed) == ([], {store: 1.0}, [store] * MISSES)
