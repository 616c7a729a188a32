"""The resolver chain while Redis, Postgres or both are gone, hang, and come back."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from redis import asyncio as aio

from store.migrate import migrate
from tests.proxy import TcpProxy
from tests.tenancy.people import People
from tests.tenancy.resolving.chain import IN_OUTAGES, Chain, open_chain, word
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.valkey import Valkey

NO_SUCH = "00" * 32


@pytest.fixture
async def chain(database_url: str, redis_url: str) -> AsyncIterator[Chain]:
    async with open_chain(database_url, redis_url, IN_OUTAGES) as chain:
        yield chain


def fail(proxy: TcpProxy, how: str) -> None:
    {"up": proxy.restore, "cut": proxy.cut, "frozen": proxy.freeze}[how]()


UP, DOWN = "up", ("cut", "frozen")


@pytest.mark.parametrize("of_redis", [UP, *DOWN])
@pytest.mark.parametrize("of_postgres", [UP, *DOWN])
@pytest.mark.parametrize("connected", [False, True])
async def test_each_state_of_the_stores_has_its_answer(
    chain: Chain, people: People, of_redis: str, of_postgres: str, connected: bool
) -> None:
    """`connected`: pooled connections from before the outage are still thought to be alive."""
    in_redis, in_postgres, in_process, too_old = [await people.issue() for _ in range(4)]
    await chain.ask(too_old.hash)
    chain.clock.now += 45
    await chain.ask(in_process.hash)
    await chain.ask(in_redis.hash)
    chain.resolver.invalidate(in_redis.hash)
    if not connected:
        chain.redis.cut()
        chain.postgres.cut()
        await asyncio.sleep(0.1)  # for the proxies to close what is open
        chain.redis.restore()
        chain.postgres.restore()
    chain.clock.now += 16  # nothing is fresh any more
    await _forget_in_redis(chain, too_old.hash, in_process.hash)
    fail(chain.redis, of_redis)
    fail(chain.postgres, of_postgres)
    answers = {
        "in redis": await chain.ask(in_redis.hash),
        "in postgres": await chain.ask(in_postgres.hash),
        "no such": await chain.ask(NO_SUCH),
        "in process": await chain.ask(in_process.hash),
        "too old": await chain.ask(too_old.hash),
    }
    found, unknown, unavailable = "found 1", "unknown", "unavailable"
    if of_postgres == UP:
        expected = [found, found, unknown, found, found]
    elif of_redis == UP:
        expected = [found, unavailable, unavailable, unavailable, unavailable]
    else:
        expected = [unavailable, unavailable, unavailable, found, unavailable]
    assert list(answers.values()) == expected, answers


async def _forget_in_redis(chain: Chain, *hashes: str) -> None:
    async with aio.Redis(port=chain.redis.port) as direct:
        await direct.delete(*(f"tollkeeper:key:{key_hash}" for key_hash in hashes))


@pytest.mark.parametrize("how", DOWN)
async def test_an_entry_outlives_both_stores_by_sixty_seconds_of_age(chain: Chain, people: People, how: str) -> None:
    key = await people.issue()
    await chain.ask(key.hash)
    fail(chain.redis, how)
    fail(chain.postgres, how)
    for age, answer in ((15, "found 1"), (30, "found 1"), (59.9, "found 1"), (60, "unavailable"), (90, "unavailable")):
        chain.clock.now = 1000 + age
        assert await chain.ask(key.hash) == answer, age
    chain.redis.restore()
    chain.postgres.restore()
    chain.clock.now += 2
    assert await chain.ask(key.hash) == "found 1"


async def test_a_stale_answer_stands_for_a_second(chain: Chain, people: People) -> None:
    key = await people.issue()
    await chain.ask(key.hash)
    chain.redis.cut()
    chain.postgres.cut()
    chain.clock.now += 20
    assert word(chain.resolver.peek(key.hash, chain.clock())) == "nothing"
    assert await chain.ask(key.hash) == "found 1"
    assert word(chain.resolver.peek(key.hash, chain.clock() + 0.9)) == "found 1"
    assert word(chain.resolver.peek(key.hash, chain.clock() + 1.0)) == "nothing"


async def test_a_revoked_key_is_not_served_stale(chain: Chain, people: People) -> None:
    key = await people.issue()
    await chain.ask(key.hash)
    chain.resolver.invalidate(key.hash)
    chain.redis.cut()
    chain.postgres.cut()
    assert await chain.ask(key.hash) == "unavailable"


async def test_a_lost_subscription_leaves_what_a_double_outage_needs(chain: Chain, people: People) -> None:
    key = await people.issue()
    await chain.ask(key.hash)
    chain.resolver.subscribed()
    chain.redis.cut()
    chain.postgres.cut()
    assert await chain.ask(key.hash) == "found 1"


@pytest.mark.parametrize("how", DOWN)
async def test_while_stores_hang_callers_do_not_wait_in_turn(chain: Chain, people: People, how: str) -> None:
    known = await people.issue()
    await chain.ask(known.hash)
    fail(chain.redis, how)
    fail(chain.postgres, how)
    chain.clock.now += 20
    began = asyncio.get_running_loop().time()
    assert set(await asyncio.gather(*(chain.ask(f"{n:064}") for n in range(200)))) == {"unavailable"}
    assert {await chain.ask(known.hash) for _ in range(200)} == {"found 1"}
    assert asyncio.get_running_loop().time() - began < 20  # 400 turns of 0.9 s would be six minutes
    assert chain.source.loads < 40


async def test_a_hanging_redis_is_asked_once_a_second(chain: Chain, people: People) -> None:
    keys = [await people.issue() for _ in range(5)]
    chain.redis.freeze()
    assert [await chain.ask(key.hash) for key in keys] == ["found 1"] * 5
    assert chain.metrics.errors.counts["redis"] == 1
    chain.clock.now += 1
    chain.resolver.subscribed()
    assert [await chain.ask(key.hash) for key in keys] == ["found 1"] * 5
    assert chain.metrics.errors.counts["redis"] == 2
    chain.redis.thaw()
    chain.clock.now += 1
    chain.resolver.subscribed()
    before = chain.source.loads
    assert [await chain.ask(key.hash) for key in keys] == ["found 1"] * 5
    assert [await chain.ask(key.hash) for key in keys] == ["found 1"] * 5
    assert chain.source.loads == before + 5  # Redis had missed them
    chain.resolver.subscribed()
    assert [await chain.ask(key.hash) for key in keys] == ["found 1"] * 5
    assert chain.source.loads == before + 5  # and has them now


class Servers:
    """A Valkey and a Postgres of a test's own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.valkey = Valkey(directory / "valkey")
        self.postgres = Postgres(directory / "postgres", None, "fsync=off")

    def restart_valkey(self) -> None:
        self.valkey = Valkey(self._directory / "valkey", self.valkey.port)

    def restart_postgres(self) -> None:
        self.postgres = Postgres(self._directory / "postgres", self.postgres.port, "fsync=off")

    def signal_postgres(self, what: signal.Signals) -> None:
        """To the postmaster and to the backends, each a process and a session of its own."""
        pid = self.postgres.process.pid
        backends = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, backends)):
            os.kill(each, what)

    def stop(self) -> None:
        if self.postgres.process.running():
            self.signal_postgres(signal.SIGCONT)
        for server in (self.valkey, self.postgres):
            server.process.resume()
            server.stop()


async def test_real_servers_paused_killed_and_started_again(public_path: Path) -> None:
    servers = Servers(public_path)
    try:
        connection = await asyncpg.connect(servers.postgres.url)
        await migrate(connection)
        await connection.close()
        await _live_through(servers)
    finally:
        servers.stop()


async def _live_through(servers: Servers) -> None:
    people = People(servers.postgres.url)
    key, other = await people.issue(), await people.issue()
    async with open_chain(servers.postgres.url, servers.valkey.url, IN_OUTAGES) as chain:
        assert await chain.ask(key.hash) == "found 1"
        # Redis hangs: Postgres answers
        servers.valkey.process.pause()
        chain.clock.now += 15
        assert await chain.ask(key.hash) == "found 1"
        assert await chain.ask(other.hash) == "found 1"
        # both hang: what is known still serves, nothing else does
        servers.signal_postgres(signal.SIGSTOP)
        chain.clock.now += 15
        assert await chain.ask(key.hash) == "found 1"
        assert await chain.ask(NO_SUCH) == "unavailable"
        # Redis is back: what it holds is an answer
        servers.valkey.process.resume()
        chain.clock.now += 15
        assert await chain.ask(key.hash) == "found 1"
        assert chain.metrics.hits.counts["redis"] == 1
        # both are killed
        servers.valkey.process.kill()
        servers.signal_postgres(signal.SIGCONT)
        servers.postgres.process.kill()
        chain.clock.now += 15
        assert await chain.ask(key.hash) == "found 1"
        chain.clock.now += 60
        assert await chain.ask(key.hash) == "unavailable"
        # Redis starts again, with its data
        servers.restart_valkey()
        chain.clock.now += 2
        assert await chain.ask(key.hash) == "found 1"
        assert await chain.ask(NO_SUCH) == "unavailable"
        # Postgres starts again
        servers.restart_postgres()
        chain.clock.now += 2
        assert await chain.ask(NO_SUCH) == "unknown"
        # Redis lost its data
        servers.valkey.process.kill()
        chain.clock.now += 20
        assert await chain.ask(key.hash) == "found 1"
