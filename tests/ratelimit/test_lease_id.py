import uuid

import pytest

from ratelimit.lease_id import mint_lease_id, timestamp_of


@pytest.mark.parametrize("now_ms", [0, 1, 1_795_230_000_123, 2**48 - 1])
def test_a_lease_id_is_a_uuid7_of_its_time(now_ms: int) -> None:
    lease_id = mint_lease_id(now_ms)
    parsed = uuid.UUID(lease_id)
    assert str(parsed) == lease_id
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert timestamp_of(lease_id) == now_ms


def test_lease_ids_do_not_repeat() -> None:
    assert len({mint_lease_id(5) for _ in range(20_000)}) == 20_000


@pytest.mark.parametrize(
    "text",
    ["", "x", str(uuid.UUID(int=0)), "63770074-33e3-4eaf-95d2-468c99c3de3d", "zzzzzzzz-zzzz-7zzz-8zzz-zzzzzzzzzzzz"],
)
def test_other_ids_have_no_timestamp(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a lease id|invalid literal"):
        timestamp_of(text)
