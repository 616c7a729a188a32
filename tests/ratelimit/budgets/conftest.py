"""Each of the port's implementations in turn."""

import pytest

from tests.ratelimit.stores import Store, memory_store, redis_store


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return memory_store()
    return redis_store(request.getfixturevalue("redis_url"))
