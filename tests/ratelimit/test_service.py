"""ShouldRateLimit as Envoy calls it."""

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence

import grpc
import pytest

from protos.envoy.extensions.common.ratelimit.v3.ratelimit_pb2 import RateLimitDescriptor
from ratelimit.budgets.port import LeaseName, Settled, Settlement
from ratelimit.budgets.rule import Used
from ratelimit.service import PATH, Decider, RatelimitService
from ratelimit.tenants.account import Account
from ratelimit.tenants.decider import wall_clock_ms
from serving.call import Answer, Call, Malformed
from store.redis import open_redis
from tenancy.values.lease_id import is_recent, mint_lease_id
from tenancy.values.policy import Policy
from tenancy.values.secret import mint_secret
from tests.ratelimit.conftest import Slice
from tests.ratelimit.rls import Told, WaitingCall, ask, descriptor, message
from tests.ratelimit.stores import requests, tokens
from tests.serving.conftest import Server, eventually

TENANT = Policy("acme", "key-1", "user-1", limits=(tokens(500), requests(50)))
HOSTILE = 'm"}\r\nx-injected: yes\r\n{"a":"\u2028é\\'


def test_an_admitted_request_is_told_who_it_is_and_what_is_left(ratelimit: Slice) -> None:
    before_ms = time.time_ns() // 1_000_000
    told = ratelimit.tell(ask(TENANT, max_tokens="32", end_user_id="bob"))
    assert told.ok
    lease_id = told.metadata.pop("lease_id")
    assert before_ms <= uuid.UUID(lease_id).int >> 80 <= time.time_ns() // 1_000_000
    assert told.metadata == {
        "tenant_id": "acme",
        "key_id": "key-1",
        "user_id": "user-1",
        "end_user_id": "bob",
        "model": "m",
        "admission": "fast",
        "reserved_tokens": 132,
        "input_estimate": 100,
        "output_cap": 32,
        "inference": True,
    }
    assert told.headers["x-ratelimit-limit-tokens"] == "500"
    assert told.headers["x-ratelimit-remaining-tokens"] == "368"
    assert told.headers["x-ratelimit-limit-requests"] == "50"
    assert told.headers["x-ratelimit-remaining-requests"] == "49"
    assert set(told.headers) == {"x-admission", "x-queue-ms"} | {
        f"x-ratelimit-{what}-{unit}" for what in ("limit", "remaining", "reset") for unit in ("tokens", "requests")
    }
    assert told.body == ""


def test_a_settled_request_costs_what_it_used(ratelimit: Slice) -> None:
    told = ratelimit.tell(ask(TENANT, max_tokens="32"))
    settlement = Settlement("acme", told.metadata["lease_id"], Used(40))
    assert ratelimit.budgets.settle([settlement, settlement]) == [Settled.SETTLED, Settled.GONE]
    assert ratelimit.peek(Account.of(TENANT)) == [460, 49]


def test_a_request_that_does_not_fit_is_told_when_it_will(ratelimit: Slice) -> None:
    ratelimit.tell(ask(TENANT, max_tokens="300"))
    told = ratelimit.tell(ask(TENANT, max_tokens="300"))
    assert not told.ok
    assert (told.metadata["denied"], told.metadata["limit"]) == ("429", "tenant:tokens:86400s")
    assert told.metadata["admission"] == "refused"
    assert told.metadata["tenant_id"] == "acme"
    assert uuid.UUID(told.metadata["lease_id"]).int >> 80 > 0
    assert "reserved_tokens" not in told.metadata
    assert told.headers["content-type"] == "application/json"
    assert told.headers["x-ratelimit-remaining-tokens"] == "100"
    assert 0 < int(told.headers["retry-after"]) <= 86_400
    assert json.loads(told.body)["error"]["code"] == "rate_limit_exceeded"


def test_a_request_without_a_bound_fits_a_full_budget_of_any_size(ratelimit: Slice) -> None:
    policy = Policy("small", "key-1", limits=(tokens(20),))
    assert ratelimit.tell(ask(policy, max_tokens="-")).metadata["reserved_tokens"] == 20
    assert ratelimit.tell(ask(policy, max_tokens="-")).metadata["denied"] == "429"


@pytest.mark.parametrize(
    ("entries", "status", "code"),
    [
        ({"body": "invalid"}, "400", "invalid_body"),
        ({"model": "other"}, "403", "model_not_allowed"),
        ({"model": "-"}, "403", "model_required"),
        ({"model": "gone"}, "404", "model_not_found"),
        ({"model": HOSTILE}, "403", "model_not_allowed"),
        ({"max_tokens": "1000000"}, "429", "request_too_large"),
    ],
)
def test_each_refusal_has_its_status_and_an_openai_error(
    ratelimit: Slice, entries: dict[str, str], status: str, code: str
) -> None:
    policy = Policy("acme", "key-1", models_allowed=("m", "gone"), limits=(tokens(500),))
    told = ratelimit.tell(ask(policy, **entries))
    assert not told.ok
    assert (told.metadata["denied"], told.metadata["admission"]) == (status, "refused")
    assert told.metadata["tenant_id"] == "acme"
    assert told.metadata.get("reason") == {"model_required": "model_not_allowed", "request_too_large": None}.get(
        code, code
    )
    assert json.loads(told.body)["error"]["code"] == code
    assert "retry-after" not in told.headers
    assert ratelimit.peek(Account.of(policy)) == [500]


@pytest.mark.parametrize("policy", [None, "-", "", "{}", "[]", "[1,2]", "null", '["a","k","",1,1,null,null,[["x"]]]'])
def test_without_a_readable_policy_nothing_passes(ratelimit: Slice, policy: str | None) -> None:
    told = ratelimit.tell(ask(policy))
    assert not told.ok
    assert told.metadata["denied"] == "503"
    assert json.loads(told.body)["error"]["type"] == "server_error"


@pytest.mark.parametrize(
    "other",
    [
        message(descriptor(TENANT), domain="other"),
        message(descriptor(TENANT), domain=""),
        message(),
        message(descriptor(TENANT), descriptor(TENANT)),
    ],
)
def test_another_shape_of_call_is_malformed(ratelimit: Slice, other: bytes) -> None:
    with pytest.raises(Malformed):
        ratelimit.service.should_rate_limit(other, WaitingCall())


def test_each_domain_has_its_decider() -> None:
    asked: list[tuple[str, object]] = []

    def decider(name: str) -> Decider:
        def decide(descriptors: Sequence[Mapping[str, str]], call: Call) -> Answer:
            asked.append((name, [*descriptors]))
            return name.encode()

        return decide

    service = RatelimitService({name: decider(name) for name in ("one", "two")})
    both = [RateLimitDescriptor(entries=[RateLimitDescriptor.Entry(key=key, value=key.upper())]) for key in "ab"]
    assert service.should_rate_limit(message(*both, domain="two"), WaitingCall()) == b"two"
    assert service.should_rate_limit(message(domain="one"), WaitingCall()) == b"one"
    assert asked == [("two", [{"a": "A"}, {"b": "B"}]), ("one", [])]
    with pytest.raises(Malformed):
        service.should_rate_limit(message(domain="three"), WaitingCall())


def test_what_a_client_writes_stays_in_its_place(ratelimit: Slice) -> None:
    policy = Policy("acme", "key-1", models_allowed=("m",), limits=(tokens(500),))
    told = ratelimit.tell(ask(policy, model=HOSTILE, path="/v1/chat/completions?" + HOSTILE, end_user_id=HOSTILE))
    error = json.loads(told.body)["error"]
    assert "\r" not in error["message"]
    assert told.metadata["end_user_id"] == HOSTILE
    assert told.metadata["model"].isprintable()
    assert all("\n" not in text and "\r" not in text for pair in told.headers.items() for text in pair)


def test_what_a_client_writes_comes_back_from_a_lease_as_it_was(ratelimit: Slice) -> None:
    path = "/v1/responses/\u2028é?secret=1"  # other hostile characters are no path that is served
    told = ratelimit.tell(ask(TENANT, method="GET", path=path, end_user_id=HOSTILE))
    assert told.ok
    assert ratelimit.budgets.settle([Settlement("acme", told.metadata["lease_id"], Used(40))]) == [Settled.SETTLED]
    assert ratelimit.peek(Account.of(TENANT)) == [460, 49]


def test_labels_that_a_client_chooses_are_cut(ratelimit: Slice) -> None:
    told = ratelimit.tell(ask(TENANT, end_user_id="b" * 5000, path="/" + "p" * 60_000))
    assert told.metadata["end_user_id"] == "b" * 256


def test_a_key_among_what_a_client_writes_is_not_kept(ratelimit: Slice) -> None:
    secret = mint_secret()
    path = f"/v1/responses/{secret}"
    for entries in ({"model": secret}, {"method": "GET", "path": path}, {"model": "m"}):
        told = ratelimit.tell(ask(TENANT, end_user_id=f"u {secret}", **entries))
        assert told.metadata["end_user_id"] == "u sk_removed"
        assert secret not in str(told.metadata)
    with open_redis(ratelimit.url, timeout=1.0) as client:
        kept = [client.get(name) for name in client.scan_iter("tollkeeper:lease:*")]
    assert any(b"/v1/responses/sk_removed" in lease for lease in kept)
    assert not any(secret.encode() in lease for lease in kept)


def test_every_outcome_is_counted(ratelimit: Slice) -> None:
    for one in (ask(TENANT), ask(TENANT, max_tokens="9999"), ask(TENANT, model="gone"), ask("-")):
        ratelimit.tell(one)
    counts = {outcome: n for outcome, n in ratelimit.metrics.decisions.counts.items() if n}
    assert counts == {"fast": 1, "over_limit": 1, "model_not_found": 1, "unavailable": 1}


def test_fifty_at_once_for_a_budget_of_five_admit_five(ratelimit: Slice, serve: Server) -> None:
    policy = Policy("five", "key-1", limits=(tokens(500),))
    served = serve(*ratelimit.service.methods())
    calls = [served.start(PATH, ask(policy)) for _ in range(50)]
    told = [Told.read(call.result()) for call in calls]
    assert sum(one.ok for one in told) == 5
    assert {one.metadata.get("denied") for one in told} == {None, "429"}
    assert len({one.metadata["lease_id"] for one in told}) == 50
    assert ratelimit.peek(Account.of(policy)) == [0]


def test_two_sidecars_share_a_budget(open_slice: Callable[..., Slice], redis_url: str) -> None:
    first, second = (open_slice(redis_url, timeout=1.0) for _ in range(2))
    policy = Policy("five", "key-1", limits=(tokens(500),))
    calls = [sidecar.start(ask(policy)) for _ in range(25) for sidecar in (first, second)]
    assert sum(call.told().ok for call in calls) == 5


def test_a_malformed_message_is_an_invalid_argument(ratelimit: Slice, serve: Server) -> None:
    served = serve(*ratelimit.service.methods())
    assert served.code(PATH, b"\xff\xff")[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert served.code(PATH, message())[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert Told.read(served.call(PATH, ask(TENANT))).ok


def test_callers_who_leave_do_not_disturb_the_others(ratelimit: Slice, serve: Server) -> None:
    served = serve(*ratelimit.service.methods())
    calls = [served.start(PATH, ask(TENANT, max_tokens="0", content_length="4")) for _ in range(40)]
    for call in calls[::2]:
        call.cancel()  # type: ignore[no-untyped-call]
    assert all(Told.read(call.result()).ok for call in calls[1::2])
    eventually(lambda: Told.read(served.call(PATH, ask(TENANT, content_length="4"))).ok)
    assert ratelimit.metrics.failures.counts == {"": 0}


def test_each_request_counts_once_in_a_batch(ratelimit: Slice) -> None:
    policy = Policy("many", "key-1", limits=(requests(10_000),))
    calls = [ratelimit.start(ask(policy)) for _ in range(600)]
    assert all(call.told().ok for call in calls)
    assert ratelimit.peek(Account.of(policy)) == [9_400]


def test_what_was_reserved_for_a_caller_who_left_is_given_back(ratelimit: Slice) -> None:
    ratelimit.start(ask(TENANT, max_tokens="32"), left=True).told()
    account = Account.of(TENANT)
    eventually(lambda: ratelimit.peek(account) == [500, 50])


def test_the_lease_is_taken_under_the_id_that_authz_gave(ratelimit: Slice) -> None:
    lease_id = new_id()
    assert ratelimit.tell(ask(TENANT, model="gone", lease_id=lease_id)).metadata["lease_id"] == lease_id
    assert ratelimit.tell(ask(TENANT, lease_id=lease_id)).metadata["lease_id"] == lease_id
    assert ratelimit.budgets.release([LeaseName("acme", lease_id)]) == [Settled.SETTLED]


@pytest.mark.parametrize("given", ["", "-", "mine", "01936b3f-6c00-7abc-8def-0123456789ab"], ids=range(4))
def test_without_an_id_of_now_ratelimit_mints_its_own(ratelimit: Slice, given: str) -> None:
    minted = ratelimit.tell(ask(TENANT, lease_id=given)).metadata["lease_id"]
    assert minted != given
    assert is_recent(minted, wall_clock_ms())


def test_a_request_that_is_asked_about_twice_does_not_take_the_first_lease(ratelimit: Slice) -> None:
    lease_id = new_id()
    first, second = (ratelimit.tell(ask(TENANT, lease_id=lease_id)).metadata["lease_id"] for _ in range(2))
    assert first == lease_id != second
    assert ratelimit.budgets.release([LeaseName("acme", each) for each in (first, second)]) == [Settled.SETTLED] * 2


def test_an_end_that_comes_ahead_of_its_request_gives_back_what_it_takes(ratelimit: Slice) -> None:
    lease_id, account = new_id(), Account.of(TENANT)
    ratelimit.in_flight.end_undecided([lease_id])
    ratelimit.tell(ask(TENANT, lease_id=lease_id))
    eventually(lambda: ratelimit.peek(account) == [500, 50])
    assert len(ratelimit.in_flight) == 0
    assert ratelimit.budgets.release([LeaseName("acme", lease_id)]) == [Settled.GONE]


def new_id() -> str:
    return mint_lease_id(wall_clock_ms())
