import uuid

import pytest

from tenancy.values.lease_id import (
    NO_ENVOY,
    RECENT_MS,
    envoy_of,
    is_envoy,
    is_lease_id,
    is_recent,
    lease_time,
    mint_lease_id,
)

LEASE_ID = "01936b3f-6c00-7abc-8def-0123456789ab"
NO_LEASE_IDS = [
    "",
    "x" * 36,
    LEASE_ID.upper(),
    LEASE_ID + "\n",
    "01936b3f-6c00-4abc-8def-0123456789ab",  # version 4
    "01936b3f-6c00-7abc-cdef-0123456789ab",  # another variant
    "00000000-0000-7abc-8def-0123456789ab",  # 1970
    "ffffffff-ffff-7abc-8def-0123456789ab",  # the year 10889
]


@pytest.mark.parametrize("now_ms", [0, 1, 1_795_230_000_123, 2**48 - 1])
def test_a_lease_id_is_a_uuid7_of_its_time(now_ms: int) -> None:
    lease_id = mint_lease_id(now_ms)
    parsed = uuid.UUID(lease_id)
    assert str(parsed) == lease_id
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == now_ms  # RFC 9562: the first 48 bits


def test_a_lease_id_carries_its_time() -> None:
    """The example of RFC 9562, appendix A.6."""
    assert lease_time("017f22e2-79b0-7cc3-98c4-dc0c0c07398f").isoformat() == "2022-02-22T19:22:22+00:00"


def test_a_lease_id_says_which_envoy_its_request_came_through() -> None:
    ids = {envoy: mint_lease_id(1_795_230_000_123, envoy) for envoy in ("0001", "fff1", NO_ENVOY)}
    assert all(is_lease_id(lease_id) and envoy_of(lease_id) == envoy for envoy, lease_id in ids.items())
    assert envoy_of(mint_lease_id(5)) == NO_ENVOY
    assert [is_envoy(name) for name in ("0a1f", "", "0A1F", "0a1f0", "0a1", "é123", "0a1f\n")] == [True] + [False] * 6


def test_lease_ids_do_not_repeat() -> None:
    assert len({mint_lease_id(5) for _ in range(20_000)}) == 20_000


@pytest.mark.parametrize("text", NO_LEASE_IDS)
def test_other_ids_are_no_lease_ids(text: str) -> None:
    assert not is_lease_id(text)


def test_an_id_of_another_time_is_not_recent() -> None:
    now_ms = 1_795_230_000_123
    ids = {at: mint_lease_id(now_ms + at) for at in (-RECENT_MS - 1, -RECENT_MS, 0, RECENT_MS - 1, RECENT_MS)}
    assert [is_recent(each, now_ms) for each in ids.values()] == [False, True, True, True, False]
    assert not is_recent(ids[0][:-1] + "x", now_ms)
    assert not is_recent("-", now_ms)
