"""What is refused before its body is read, on a real Redis."""

import json
import time
from collections.abc import Callable

import pytest

from ratelimit.commit.fallback import FailureMode
from ratelimit.tenants.account import Account
from ratelimit.tenants.uploads import DOMAIN
from ratelimit.uploads import MEBIBYTE, UNSAID, VALUES_A_MICRO
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.policy import Policy
from tests.ratelimit.conftest import Slice
from tests.ratelimit.rls import Told, ask, descriptor, message
from tests.ratelimit.stores import requests, tokens

TENANT = Policy("acme", "key-1", "user-1", limits=(tokens(1_000_000), requests(3)))


def new_id() -> str:
    return mint_lease_id(time.time_ns() // 1_000_000)


def upload(policy: Policy | None, size: int | None = MEBIBYTE, **entries: str) -> bytes:
    said = {"asked": "", "lease_id": new_id(), "content_length": "" if size is None else str(size)}
    return message(descriptor(policy, **(said | entries)), domain=DOMAIN)


def decide(ratelimit: Slice, policy: Policy, lease_id: str, size: int = MEBIBYTE, **asked: object) -> Told:
    read = json.dumps({"model": "m", "max_tokens": "1", "length": size, **asked})
    return ratelimit.tell(ask(policy, lease_id=lease_id, content_length=str(size), asked=read))


def test_a_look_takes_nothing_and_the_decision_ends_it(ratelimit: Slice) -> None:
    lease_id = new_id()
    told = ratelimit.tell(upload(TENANT, lease_id=lease_id))
    assert (told.ok, told.metadata, told.headers, told.body) == (True, {}, {}, "")
    assert ratelimit.peek(Account.of(TENANT)) == [1_000_000, 3]
    assert ratelimit.uploads.size == MEBIBYTE
    assert decide(ratelimit, TENANT, lease_id).ok
    assert ratelimit.uploads.size == 0


def test_who_has_nothing_left_is_refused_by_name(ratelimit: Slice) -> None:
    for _ in range(3):
        assert ratelimit.tell(ask(TENANT)).ok
    told = ratelimit.tell(upload(TENANT, end_user_id="bob"))
    assert not told.ok
    lease_id = told.metadata.pop("lease_id")
    assert lease_id
    assert "'admission':'refused'" in told.metadata.pop("decision")
    assert told.metadata == {
        "tenant_id": "acme",
        "key_id": "key-1",
        "user_id": "user-1",
        "end_user_id": "bob",
        "admission": "refused",
        "denied": "429",
        "limit": "tenant:requests:86400s",
    }
    assert "remaining 0" in told.body
    assert int(told.headers["retry-after"]) > 0
    assert ratelimit.uploads.size == 0


def test_what_was_refused_a_moment_ago_is_refused_unread_if_it_is_as_large(ratelimit: Slice) -> None:
    policy = Policy("acme", "key-1", "user-1", limits=(tokens(1000),))
    lease_id = new_id()
    assert ratelimit.tell(upload(policy, lease_id=lease_id)).ok
    assert not decide(ratelimit, policy, lease_id, max_tokens="2000").ok
    assert [ratelimit.tell(upload(policy, size)).ok for size in (MEBIBYTE, MEBIBYTE - 1)] == [False, True]
    assert ratelimit.tell(upload(Policy("acme", "key-2", "user-1", limits=policy.limits))).ok


def test_uploads_take_up_slots(ratelimit: Slice) -> None:
    policy = Policy("acme", "key-1", "user-1", max_in_flight=2)
    ids = [new_id() for _ in range(4)]
    assert all(ratelimit.tell(upload(policy, lease_id=each)).ok for each in ids)
    assert ratelimit.tell(upload(policy)).metadata["limit"] == "tenant:in_flight"
    assert ratelimit.tell(upload(policy, None, method="GET")).ok  # counted apart
    ratelimit.uploads.end(ids[0])
    assert ratelimit.tell(upload(policy)).ok


def test_what_takes_long_to_read_is_kept_to_a_pace(ratelimit: Slice) -> None:
    policy = Policy("acme", "key-1", "user-1")
    for _ in range(2):
        lease_id = new_id()
        assert ratelimit.tell(upload(policy, lease_id=lease_id)).ok
        decide(ratelimit, policy, lease_id, body="invalid", values=600_000 * VALUES_A_MICRO)
    told = ratelimit.tell(upload(policy))
    assert told.metadata["limit"] == "tenant:reading"
    assert "retry-after" in told.headers


@pytest.mark.parametrize("size", [33 * MEBIBYTE, 10**30])
def test_a_body_that_is_too_long(ratelimit: Slice, size: int) -> None:
    told = ratelimit.tell(upload(TENANT, size))
    assert (told.metadata["denied"], told.metadata["reason"]) == ("413", "too_long")


def test_one_that_does_not_say_its_length_counts_as_the_longest_until_it_is_there(ratelimit: Slice) -> None:
    lease_id = new_id()
    assert ratelimit.tell(upload(TENANT, None, lease_id=lease_id)).ok
    assert ratelimit.uploads.size == UNSAID
    assert ratelimit.tell(ask(TENANT, lease_id=lease_id, content_length="", asked='{"model":"m"}')).ok
    assert ratelimit.uploads.size == 0


def test_without_redis_the_body_is_read_and_then_decided(open_slice: Callable[..., Slice]) -> None:
    away = open_slice("redis://127.0.0.1:1/0", mode=FailureMode.DENY)
    lease_id = new_id()
    assert away.tell(upload(TENANT, lease_id=lease_id)).ok
    assert decide(away, TENANT, lease_id).metadata["denied"] == "503"
    assert away.uploads.size == 0


def test_without_a_policy_nothing_is_read(ratelimit: Slice) -> None:
    assert not ratelimit.tell(upload(None)).ok
