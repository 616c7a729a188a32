"""Which finished requests teach how far estimates of the input are off."""

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from accesslog.entry import decision_of
from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitResponse
from ratelimit.answer_bytes import serialize
from ratelimit.tenants.estimates.corrections import Correction, Corrections
from ratelimit.tenants.estimates.estimate import NOT_TEXT, Estimate
from ratelimit.tenants.request import fields_of
from ratelimit.tenants.screening import Priced
from tests.accesslog.entries import decision, entry, metered
from tests.accesslog.stack import Stack
from tests.tenancy.values.test_lease_id import LEASE_ID

REPORTED = metered(prompt_tokens=150, completion_tokens=30)
TEACH = {
    "what was not corrected": ({"input_estimate": 100}, {}, "", 1),
    "what was": ({"input_estimate": 130, "uncorrected": 100}, {}, "", 1),
    "another kind of route": ({"input_estimate": 100, "kind": "embeds"}, {}, "embeds", 1),
    "not text alone": ({"input_estimate": 900, "uncorrected": NOT_TEXT}, {}, "", 0),
    "a client that left": ({"input_estimate": 100}, {"response_flags": "DC", "usage": None}, "", 0),
    "no report": ({"input_estimate": 100}, {"usage": metered(completion_tokens=30)}, "", 0),
    "a failure": ({"input_estimate": 100}, {"status": 400}, "", 0),
    "no model": ({"input_estimate": 100, "inference": False, "kind": "stored"}, {}, "", 0),
    "refused": ({"input_estimate": 100, "admission": "refused", "denied": "429"}, {"status": 429}, "", 0),
}


@pytest.mark.parametrize(("uncorrected", "text"), [(None, 130), (100, 100), (0, 0)])
def test_what_an_answer_says_of_its_text_is_what_is_learned_from(uncorrected: int | None, text: int) -> None:
    """Also that there is other than text, though an answer leaves zeros out."""
    estimate = Estimate(140, 130, 10, uncorrected=uncorrected)
    fields = [*fields_of(LEASE_ID, "", Priced(estimate, "m", True)), ("tenant_id", "t")]
    answer = RateLimitResponse.FromString(serialize(True, fields, (), b""))
    found = decision_of(MessageToDict(answer.dynamic_metadata))
    assert found is not None
    assert found.text_estimate == text


@pytest.mark.parametrize(("decided", "fields", "kind", "reports"), TEACH.values(), ids=TEACH.keys())
def test_what_teaches(stack: Stack, decided: dict[str, Any], fields: dict[str, Any], kind: str, reports: int) -> None:
    corrections = Corrections()
    stack.restart(corrections=corrections)
    usage = fields.pop("usage", REPORTED)
    stack.stream([entry(decision(**decided), usage, **fields)])
    assert corrections.all() == [Correction("mock-model", kind, 1000, 1)] * reports


def test_each_script_teaches_for_itself(stack: Stack) -> None:
    corrections = Corrections()
    stack.restart(corrections=corrections)
    scripts = ("indic", "", "one that nobody knows")
    stack.stream([entry(decision(input_estimate=100, script=script), REPORTED) for script in scripts])
    learned = [("", 2), ("indic", 1)]
    assert corrections.all() == [Correction("mock-model", "", 1000, reports, script) for script, reports in learned]
