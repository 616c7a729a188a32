"""The usual answer says what any other admission says."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitResponse
from ratelimit.answer_bytes import Field, serialize
from ratelimit.tenants.account import Account
from ratelimit.tenants.estimates.estimate import Estimate
from ratelimit.tenants.request import fields_of
from ratelimit.tenants.routes.kind import Kind
from ratelimit.tenants.screening import Priced
from ratelimit.tenants.sealed import AS_FIELDS, AS_TEXT, MOST_COUNT, ids_of, metadata_of, object_of
from ratelimit.tenants.sealed import DECISION as TEXT
from ratelimit.tenants.usual import Usual, is_usual, told_of
from tenancy.values.admission import Admission
from tenancy.values.policy import Policy
from tenancy.values.seal import DECISION, Seal

LEASE_ID = "01936b3f-6c00-7abc-8def-0123456789ab"
SEAL = Seal([b"k" * 32], DECISION)
NAMES = st.one_of(st.sampled_from(["", "-", "m", "%s", "a%d/\x1f%%"]), st.text(max_size=12))
COUNTS = st.one_of(st.just(0), st.integers(0, MOST_COUNT))
ESTIMATES = st.builds(
    Estimate, tokens=COUNTS, input_tokens=COUNTS, output_cap=COUNTS, uncorrected=st.one_of(st.none(), COUNTS)
)
PRICED = st.builds(
    Priced, ESTIMATES, NAMES, st.booleans(), st.sampled_from([*Kind]), st.sampled_from(["", "cjk", "hangul"])
)
USER = NAMES.filter(lambda name: name != "-")  # which is said where none is named


@given(PRICED, NAMES, USER, st.text(max_size=12), st.one_of(st.none(), st.just(SEAL)), st.booleans())
@example(Priced(Estimate(44, 12, 32), "m", True), "", "", "user", SEAL, True)
def test_it_says_what_any_admission_does(
    priced: Priced, alias: str, end_user_id: str, user_id: str, seal: Seal | None, alone: bool
) -> None:
    policy = Policy("te%sant", "key", user_id)
    account = Account.of(policy, head=serialize(None, ids_of(policy), (), b""))
    fields = fields_of(LEASE_ID, end_user_id, priced)
    more: list[Field] = [("alias", alias), ("rename", "other"), ("retries", 2)]
    own = {"lease_id", "end_user_id", "input_estimate", "output_cap", "uncorrected", "script"}
    usual = Usual.of(account, [*(field for field in fields if field[0] not in own), *more])
    headers = [("x-ratelimit-remaining-tokens", "12")]
    fields += [("admission", Admission.FAST), ("reserved_tokens", priced.estimate.tokens), *more]
    text = read(usual.answer(LEASE_ID, end_user_id, priced, seal, headers, alone=alone))
    fields.insert(1, AS_TEXT)
    metadata = metadata_of(seal, ids_of(policy), fields, alone=alone)
    also = read(serialize(True, metadata, headers, b"") + told_of(Admission.FAST))
    assert said_in(text, seal) == said_in(also, seal)
    del text.dynamic_metadata[TEXT], also.dynamic_metadata[TEXT]
    assert text == also


def said_in(response: RateLimitResponse, seal: Seal | None) -> dict[str, object]:
    """What is not zero in the text of the decision, which has a seal."""
    text = str(response.dynamic_metadata[TEXT])
    given, _, sealed = text.partition(" ")
    assert seal is None or seal.fits(given, sealed)
    return {name: value for name, value in json.loads(object_of(text)).items() if value}


def read(message: bytes) -> RateLimitResponse:
    """The order of headers does not matter."""
    response = RateLimitResponse.FromString(message)
    response.response_headers_to_add.sort(key=lambda header: header.key)
    return response


def test_what_is_particular_is_left_to_the_other_way() -> None:
    assert is_usual(AS_TEXT, LEASE_ID, Priced(Estimate(44, 12, 32), "m", True))
    assert not is_usual(AS_FIELDS, LEASE_ID, Priced(Estimate(44, 12, 32), "m", True))
    assert not is_usual(AS_TEXT, LEASE_ID, Priced(Estimate(44, 12, 0, 0, 1), "m", True, Kind.DRAWS))
    assert not is_usual(AS_TEXT, LEASE_ID, Priced(Estimate(MOST_COUNT + 1, 12, MOST_COUNT), "m", True))
    assert not is_usual(AS_TEXT, LEASE_ID + "0", Priced(Estimate(44), "m", True))
