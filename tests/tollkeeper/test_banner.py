"""The banner names its stores, without their passwords."""

import pytest

from tollkeeper.up.banner import shown

SHOWN = {
    "redis://:pw@127.0.0.1:6379/0": "redis://127.0.0.1:6379/0",
    "unix://:pw@/tmp/x.sock?db=0": "unix:///tmp/x.sock?db=0",
    "unix:///tmp/x.sock?password=pw&db=0": "unix:///tmp/x.sock?db=0",
    "postgresql://tollkeeper:pw@h:5432/db?sslpassword=pw": "postgresql://tollkeeper@h:5432/db",
    "postgresql://me:pw@/db?host=/tmp/x": "postgresql://me@/db?host=/tmp/x",
}


@pytest.mark.parametrize(("url", "said"), SHOWN.items())
def test_addresses_of_stores_have_no_password(url: str, said: str) -> None:
    assert shown(url) == said
