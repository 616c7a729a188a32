"""The whole of authz on real stores: Check requests in, what Envoy would do out."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import structlog
from google.protobuf.message import DecodeError

from authz.service import AuthzService
from tenancy.postgres.records import PostgresRecordSource
from tenancy.redis.records import RedisRecordCache
from tenancy.resolving.resolver import Resolver
from tenancy.values.key_record import KeyRecord
from tenancy.values.lease_id import NO_ENVOY, envoy_of, is_recent
from tenancy.values.policy import Policy
from tests.authz.conversation import Answer, HeldCall, check_request
from tests.authz.sidecar import Sidecar, bearer

NO_SUCH_KEY = "sk_" + "0" * 48


@pytest.fixture
def sidecar(database_url_sync: str, redis_url: str) -> Iterator[Sidecar]:
    sidecar = Sidecar(database_url_sync, redis_url)
    yield sidecar
    sidecar.close()


def test_a_valid_key_is_admitted_with_its_identity(sidecar: Sidecar) -> None:
    key = sidecar.issue()
    answer = sidecar.check(bearer(key))
    assert answer.status == 200
    assert answer.headers == {"x-tenant-id": "acme", "x-key-id": key.id, "x-fairshare-group": "default"}
    assert sorted(answer.removed) == [
        "api-key",
        "authorization",
        "x-admission",
        "x-api-key",
        "x-end-user-id",
        "x-queue-ms",
        "x-user-id",
    ]
    policy = Policy.load(answer.metadata.pop("policy"))
    lease_id = answer.metadata.pop("lease_id")
    assert is_recent(lease_id, int(sidecar.now.timestamp() * 1000))
    assert answer.metadata == {"tenant_id": "acme", "key_id": key.id, "user_id": "", "end_user_id": ""}
    assert policy == Policy("acme", key.id)


def test_each_request_has_an_id_of_its_own(sidecar: Sidecar) -> None:
    key = sidecar.issue()
    assert len({sidecar.check(bearer(key)).metadata["lease_id"] for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("said", "named"), [("1a2b", "1a2b"), ("1a2b3c", NO_ENVOY), ("xxxx", NO_ENVOY), (True, NO_ENVOY), (None, NO_ENVOY)]
)
def test_the_id_of_a_request_names_the_envoy_that_asked(sidecar: Sidecar, said: str | bool | None, named: str) -> None:
    key = sidecar.issue()
    ids = [sidecar.check(bearer(key), envoy=said).metadata["lease_id"] for _ in range(2)]  # looked up, and known
    assert [envoy_of(lease_id) for lease_id in ids] == [named, named]


def test_a_hit_answers_at_once_with_the_same_answer(sidecar: Sidecar) -> None:
    key = sidecar.issue()
    call = HeldCall()
    request = check_request(bearer(key))
    assert sidecar.service.check(request, call) is None
    first, again = call.message(), sidecar.service.check(request, HeldCall())
    assert isinstance(again, bytes)
    ids = [Answer.read(each).metadata["lease_id"].encode() for each in (first, again)]
    assert first.replace(ids[0], ids[1]) == again
    assert sidecar.tenancy.hits.counts["process"] == 1
    assert sidecar.tenancy.hits.counts["postgres"] == 1


def test_the_key_of_a_user_carries_the_user(sidecar: Sidecar) -> None:
    key = sidecar.issue(user_id="ann")
    answer = sidecar.check(bearer(key))
    assert answer.headers["x-user-id"] == "ann"
    assert answer.metadata["user_id"] == "ann"
    assert "x-user-id" not in answer.removed


@pytest.mark.parametrize("user_id", [None, "ann"])
def test_nothing_that_a_client_claims_survives(sidecar: Sidecar, user_id: str | None) -> None:
    key = sidecar.issue(user_id=user_id)
    names = ("x-tenant-id", "x-key-id", "x-user-id", "x-fairshare-group", "x-end-user-id")
    sent = bearer(key, x_api_key=key.secret, api_key=key.secret) | dict.fromkeys(names, "spoofed") | {"accept": "*/*"}
    received = sidecar.check(sent).upstream(sent)
    assert received == {
        "x-tenant-id": "acme",
        "x-key-id": key.id,
        "x-fairshare-group": "default",
        "x-end-user-id": "spoofed",  # from x-user-id: a label under the name of a label
        "accept": "*/*",
        **({"x-user-id": user_id} if user_id else {}),
    }
    del sent["x-user-id"]
    assert "x-end-user-id" not in sidecar.check(sent).upstream(sent)


def test_end_users_of_one_key_do_not_mix(sidecar: Sidecar) -> None:
    key = sidecar.issue()
    for end_user, expected in (("one", "one"), ("two\n", "two"), ("", ""), ("%C3%A9", "%C3%A9")):
        answer = sidecar.check(bearer(key, x_user_id=end_user))
        assert answer.headers.get("x-end-user-id", "") == expected
        assert answer.metadata["end_user_id"] == expected
        assert ("x-end-user-id" in answer.removed) == (expected == "")
        assert "x-user-id" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status", "outcome"),
    [
        ({}, 401, "missing"),
        ({"authorization": f"Bearer {NO_SUCH_KEY}"}, 401, "unknown"),
        ({"authorization": "Bearer not-one-of-ours"}, 401, "unknown"),
        ({"authorization": "Bearer two words"}, 401, "malformed"),
        ({"authorization": "Bearer " + "k" * 16384}, 401, "malformed"),
        ({"authorization": f"Bearer {NO_SUCH_KEY}", "x-api-key": "other"}, 401, "several"),
        ({"authorization": f"Bearer {NO_SUCH_KEY}", "x-other": "v" * 16384}, 401, "unknown"),
    ],
)
def test_a_refusal(sidecar: Sidecar, headers: dict[str, str], status: int, outcome: str) -> None:
    answer = sidecar.check(headers)
    assert answer.status == status
    assert answer.headers == {"content-type": "application/json", "www-authenticate": "Bearer"}
    assert json.loads(answer.body)["error"]["code"] == "invalid_api_key"
    for value in headers.values():
        assert value.removeprefix("Bearer ") not in answer.body
    assert answer.metadata == {}
    assert sidecar.metrics.decisions.counts[outcome] == 1


def test_a_valid_key_among_16_kib_of_other_headers_is_admitted(sidecar: Sidecar) -> None:
    key = sidecar.issue()
    assert sidecar.check(bearer(key, x_other="v" * 16384)).status == 200


def test_a_disabled_key_is_forbidden(sidecar: Sidecar) -> None:
    answer = sidecar.check(bearer(sidecar.issue(disabled=True)))
    assert answer.status == 403
    assert json.loads(answer.body)["error"]["code"] == "api_key_disabled"


def test_a_deleted_key_is_unknown(sidecar: Sidecar) -> None:
    key = sidecar.issue()
    assert sidecar.check(bearer(key)).status == 200
    sidecar.loop.run(sidecar.people.delete(key))
    sidecar.redis_do("FLUSHALL")
    sidecar.resolver.invalidate(key.hash)
    assert sidecar.check(bearer(key)).status == 401
    assert sidecar.metrics.decisions.counts["unknown"] == 1


def test_a_cached_key_expires_on_the_second(sidecar: Sidecar) -> None:
    key = sidecar.issue(expires_at=sidecar.now + timedelta(seconds=10))
    assert sidecar.check(bearer(key)).status == 200
    sidecar.now += timedelta(seconds=9.9)
    assert sidecar.check(bearer(key)).status == 200
    sidecar.now += timedelta(seconds=0.1)
    answer = sidecar.check(bearer(key, x_user_id="end"))
    assert answer.status == 401
    assert "expired" in answer.body
    assert sidecar.tenancy.hits.counts["postgres"] == 1


def test_an_expired_key_is_refused_at_its_first_use(sidecar: Sidecar) -> None:
    assert sidecar.check(bearer(sidecar.issue(expires_at=sidecar.now - timedelta(days=1)))).status == 401


def test_a_truncated_message_is_a_decode_error(sidecar: Sidecar) -> None:
    with pytest.raises(DecodeError):
        sidecar.service.check(check_request({"authorization": "Bearer x"})[:-3], HeldCall())


def test_neither_store_answers_503_with_a_body() -> None:
    sidecar = Sidecar("postgresql://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1/0")
    try:
        answer = sidecar.check({"x-api-key": NO_SUCH_KEY})
        assert answer.status == 503
        assert json.loads(answer.body)["error"]["code"] == "service_unavailable"
        assert answer.headers["retry-after"] == "1"
        assert sidecar.metrics.decisions.counts["unavailable"] == 1
    finally:
        sidecar.close()


def test_a_record_in_redis_that_nobody_can_read_is_replaced_from_postgres(sidecar: Sidecar) -> None:
    key = sidecar.issue()
    name = f"tollkeeper:key:{key.hash}"
    sidecar.redis_do("SET", name, '{"version":1,"key_id":5}')
    assert sidecar.check(bearer(key)).status == 200
    assert json.loads(sidecar.redis_do("GET", name))["key_id"] == key.id


def test_a_fault_of_our_own_is_503_never_200(sidecar: Sidecar) -> None:
    def faulty(_: KeyRecord) -> bytes:
        raise LookupError("a bug")

    resolver = Resolver(PostgresRecordSource(sidecar.pool), RedisRecordCache(sidecar.redis), faulty, sidecar.tenancy)
    sidecar.service = AuthzService(resolver, sidecar.models, sidecar.loop, sidecar.metrics)
    assert sidecar.check(bearer(sidecar.issue())).status == 503


def test_no_log_line_holds_a_secret(sidecar: Sidecar) -> None:
    key = sidecar.issue()
    with structlog.testing.capture_logs() as lines:
        sidecar.check(bearer(key))
        sidecar.check({"x-api-key": NO_SUCH_KEY})
        sidecar.check({"x-api-key": "mal formed"})
    assert [line["event"] for line in lines] == ["Tenant validated", "Invalid API key"]
    for secret in (key.secret, key.hash, NO_SUCH_KEY, "mal formed"):
        assert secret not in str(lines)


def test_a_refusal_is_in_the_words_of_the_api_that_was_called(sidecar: Sidecar) -> None:
    answer = sidecar.check({"x-api-key": NO_SUCH_KEY}, path="/v1/messages")
    assert (answer.status, json.loads(answer.body)) == (
        401,
        {"type": "error", "error": {"type": "authentication_error", "message": "Invalid API key"}},
    )
