"""What is said in a log entry counts only if this deployment said it."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from structlog.testing import capture_logs

from accesslog.entry import Decision, LogEntry, Undecided, decision_in, decision_of
from accesslog.file_log.line import read_line
from accesslog.metrics import FORGED, UNSEALED, UNTIMELY, AccessLogMetrics
from accesslog.service import read_entry
from accesslog.trust import FUTURE_SECONDS, PAST_SECONDS, UNSEALED_SECONDS, WARN_SECONDS, Trust
from ratelimit.tenants.sealed import BETWEEN, MOST_COUNT, SEALED, as_text, text_to_seal
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.seal import DECISION, LEASE, Seal, key_of
from tests.accesslog.entries import CHAT_USAGE, decision, earlier_line, entry, line, proto, said

KEYS = [key_of("s" * 32)]
NOW = time.time()
LEASE_ID = mint_lease_id(int(NOW * 1000))
OTHERS: dict[str, Any] = {"reserved_tokens": 7, "input_estimate": 8, "output_cap": 9, "images": 2, "inference": False}


class Court:
    """A Trust on a clock that a test moves, of a deployment that sealed from the start."""

    def __init__(self, age: float = UNSEALED_SECONDS) -> None:
        self.now, self.metrics = NOW, AccessLogMetrics()
        seals = Seal(KEYS, DECISION), Seal(KEYS, LEASE)
        self.trust = Trust(*seals, NOW - age, self.metrics, clock=lambda: self.now)

    def counts(self) -> dict[str, float]:
        return {reason: n for reason, n in self.metrics.distrusted.counts.items() if n}


def sealed(*, earlier: bool = False, **changes: Any) -> dict[str, Any]:
    """`earlier`: as Envoy is told each field by itself."""
    told: dict[str, Any] = decision(**{"lease_id": LEASE_ID, **changes})
    text = text_to_seal(told.items()) if earlier else str(said(told)).partition(" ")[2]
    return {**told, "seal": Seal(KEYS, DECISION).of(text)}


def read(told: dict[str, Any] | None, *, earlier: bool = False, **fields: Any) -> LogEntry | Undecided:
    """By both logs the same."""
    found = entry(told, CHAT_USAGE, **fields)
    by_file = read_line(earlier_line(found) if earlier else line(found))
    assert by_file is not None
    assert read_entry(proto(found, earlier=earlier)) == by_file
    return by_file


@pytest.mark.parametrize("earlier", [False, True])
def test_what_was_said_here_is_believed(earlier: bool) -> None:
    court = Court()
    found = read(sealed(earlier=earlier), earlier=earlier)
    assert court.trust.sift(found) == found
    assert court.counts() == {}
    assert court.trust.warnings == []


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("name", SEALED)
def test_what_was_changed_is_not(name: str, earlier: bool) -> None:
    court = Court()
    changed = mint_lease_id(int(NOW * 1000)) if name == "lease_id" else OTHERS.get(name, "changed")
    assert court.trust.sift(read({**sealed(earlier=earlier), name: changed}, earlier=earlier)) is None
    assert court.counts() == {FORGED: 1}


def test_each_reason_is_counted_every_time_and_logged_once() -> None:
    court = Court()
    with capture_logs() as logs:
        for _ in range(3):
            assert court.trust.sift(read({**sealed(), "seal": "0" * 32})) is None
            assert court.trust.sift(read(decision(lease_id=LEASE_ID))) is None
    assert court.counts() == {FORGED: 3, UNSEALED: 3}
    assert [each["reason"] for each in logs] == [FORGED, UNSEALED]
    assert len(court.trust.warnings) == 2
    court.now += WARN_SECONDS + 1
    assert court.trust.warnings == []


def test_what_the_version_before_decided_is_believed_for_a_day() -> None:
    court, old = Court(age=0), read(decision(lease_id=LEASE_ID))
    forged = read({**sealed(), "seal": "0" * 32})
    assert (court.trust.sift(old), court.trust.sift(forged)) == (old, None)
    court.now += UNSEALED_SECONDS
    assert court.trust.sift(old) is None


@pytest.mark.parametrize("seconds", [-PAST_SECONDS - 60, FUTURE_SECONDS + 60])
def test_a_request_of_another_time_is_not_believed(seconds: float) -> None:
    court = Court(age=0)
    for made in (sealed, decision):
        assert court.trust.sift(read(made(lease_id=mint_lease_id(int((NOW + seconds) * 1000))))) is None
    assert court.counts() == {UNTIMELY: 2}


def test_nothing_is_given_back_for_who_does_not_know_the_seal_of_the_id() -> None:
    court = Court()
    undecided: dict[str, Any] = {"begun": LEASE_ID, "tenant_id": "acme", "begun_seal": Seal(KEYS, LEASE).of(LEASE_ID)}
    assert court.trust.sift(read(None, **undecided)) == Undecided(LEASE_ID, "acme", undecided["begun_seal"])
    for wrong in (None, "0" * 32, Seal(KEYS, DECISION).of(LEASE_ID)):
        assert court.trust.sift(read(None, **{**undecided, "begun_seal": wrong})) is None
    other = sealed(lease_id=mint_lease_id(int(NOW * 1000)))
    whole, part = read(other, **undecided), read(other, **{**undecided, "begun_seal": None})
    assert isinstance(whole, LogEntry)
    assert court.trust.sift(whole) == whole
    assert court.trust.sift(part) == replace(whole, undecided=None)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(["-", "", BETWEEN, "é\u2028"])
COUNTS = st.integers(0, 10**15) | st.sampled_from([0, MOST_COUNT, MOST_COUNT + 1])


@given(st.fixed_dictionaries({}, optional={
    name: COUNTS if type(value) is int else st.booleans() if type(value) is bool else TEXTS
    for name, value in SEALED.items() if name not in ("lease_id", "tenant_id")
}))  # fmt: skip
def test_whatever_is_said_is_heard_as_it_was_sealed(values: dict[str, Any]) -> None:
    fields = {"lease_id": LEASE_ID, "tenant_id": "acme", **values}
    court, seal = Court(), Seal(KEYS, DECISION)
    whole = as_text(seal, tuple(fields.items()))
    heard = decision_in(json.loads(json.dumps(whole)))
    assert isinstance(heard, Decision)
    found = read(sealed())
    assert isinstance(found, LogEntry)
    assert court.trust.sift(replace(found, decision=heard, said=whole)) is not None
    fields["seal"] = seal.of(text_to_seal(fields.items()))
    by_itself = decision_of(json.loads(json.dumps({name: value for name, value in fields.items() if value})))
    assert isinstance(by_itself, Decision)
    assert replace(by_itself, seal="") == heard
    assert court.trust.sift(replace(found, decision=by_itself, said="")) is not None
