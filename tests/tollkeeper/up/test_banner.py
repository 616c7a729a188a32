"""The banner names its stores, without their passwords, and no token of the operator's own."""

from pathlib import Path

import pytest

from tollkeeper.config import read_settings
from tollkeeper.up.banner import banner, shown
from tollkeeper.up.stack import DEV_ADMIN_TOKEN, UpOptions

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


@pytest.mark.parametrize(
    ("token", "said"), [(DEV_ADMIN_TOKEN, DEV_ADMIN_TOKEN), ("secret-of-mine-0123456789", "$TOLLKEEPER_ADMIN_TOKEN")]
)
def test_only_the_token_that_everybody_knows_is_printed(tmp_path: Path, token: str, said: str) -> None:
    text = banner(read_settings(admin_token=token), UpOptions("127.0.0.1:10000", tmp_path))
    assert f"admin token: {said}\n" in text
    assert f'"Authorization: Bearer {said}"' in text
    assert said == token or token not in text
