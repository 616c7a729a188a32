"""Entries that are read from bytes are those that protobuf reads."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from protos.envoy.extensions.common.ratelimit.v3.ratelimit_pb2 import RateLimitDescriptor
from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest
from ratelimit import entries
from ratelimit.entries import HEAD, TAIL, EntryReader
from tests.ratelimit.rls import message

LEASE_ID = "01936b3f-6c00-7abc-8def-0123456789ab"
USUAL = {
    "log": "text",
    "policy": '["t","k","",0]' * 10,
    "method": "POST",
    "path": "/v1/chat/completions",
    "lease_id": LEASE_ID,
    "end_user_id": "-",
    "content_length": "120",
    "asked": '{"model":"m"}',
}
TEXTS = st.one_of(st.text(max_size=200), st.text("\n\x12\x08$lease_id", max_size=40))


def spelled(texts: dict[str, str]) -> RateLimitDescriptor:
    return RateLimitDescriptor(entries=[RateLimitDescriptor.Entry(key=key, value=texts[key]) for key in texts])


def by_protobuf(whole: bytes) -> dict[str, str] | None:
    """The entries of the only descriptor of this domain."""
    try:
        request = RateLimitRequest.FromString(whole)
    except DecodeError:
        return None
    if request.domain != "tollkeeper" or len(request.descriptors) != 1:
        return None
    return {each.key: each.value for each in request.descriptors[0].entries}


class Counted:
    """Protobuf's parser, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, descriptor: bytes) -> dict[str, str] | None:
        self.asked += 1
        try:
            return {each.key: each.value for each in RateLimitDescriptor.FromString(descriptor).entries}
        except DecodeError:
            return None


@pytest.fixture
def parse() -> Counted:
    return Counted()


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"end_user_id": "bob"},
        {"end_user_id": "b" * 64},
        {"content_length": "1"},
        {"content_length": "33554432"},
        {"asked": "-"},
        *({"asked": "x" * size} for size in (100, 118, 119, 120, 127, 128, 129, 4096, 16_200, 17_000)),
        {"path": "/" + "p" * 7000},
    ],
)
def test_a_head_is_parsed_once(parse: Counted, other: dict[str, str]) -> None:
    reader = EntryReader("tollkeeper", parse)
    for n in range(3):
        texts = USUAL | other | {"lease_id": f"{LEASE_ID[:-1]}{n}"}
        assert reader.read(message(spelled(texts))) == texts
    assert parse.asked == 1


@given(st.fixed_dictionaries(dict.fromkeys(USUAL, TEXTS)), st.permutations([*USUAL]), st.integers(0, 7))
@example({**USUAL, "asked": "é"}, [*USUAL], 7)
@example({**USUAL, "end_user_id": "é"}, [*USUAL], 7)
def test_whatever_is_said_it_is_protobufs_or_nothing(texts: dict[str, str], order: list[str], given: int) -> None:
    said = {name: texts[name] for name in order[:given]}
    whole = message(spelled({**{name: USUAL[name] for name in USUAL if name not in said}, **said}))
    assert EntryReader("tollkeeper", Counted()).read(whole) in (None, by_protobuf(whole))


def test_of_a_message_that_was_bent_nothing_is_guessed(parse: Counted) -> None:
    reader, whole = EntryReader("tollkeeper", parse), message(spelled(USUAL))
    assert reader.read(whole) == USUAL
    for at in range(len(whole)):
        for other in {0, 1, 0x0A, 0x12, 0x7F, 0x80, 0xFF, whole[at] ^ 1, whole[at] + 1 & 0xFF} - {whole[at]}:
            bent = whole[:at] + bytes((other,)) + whole[at + 1 :]
            assert reader.read(bent) in (None, by_protobuf(bent)), (at, other)
    for end in range(len(whole)):
        assert reader.read(whole[:end]) is None
    assert reader.read(whole + whole) is None


def test_an_entry_that_is_not_ours_is_not_passed_over(parse: Counted) -> None:
    texts = {**USUAL, "end_user_ie": "-"}
    whole = message(spelled({name: texts[name] for name in (*HEAD, "lease_id", "end_user_ie", *TAIL[2:])}))
    assert EntryReader("tollkeeper", parse).read(whole) is None


@pytest.mark.parametrize("domain", ["", "toll", "tollkeeper.uploads", "tollkeepes"])
def test_another_domain_is_left_alone(parse: Counted, domain: str) -> None:
    assert EntryReader("tollkeeper", parse).read(message(spelled(USUAL), domain=domain)) is None


def test_what_is_kept_is_bounded(parse: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MAX_KEPT", 2000)
    reader = EntryReader("tollkeeper", parse)
    for n in range(100):
        texts = USUAL | {"path": f"/{n}"}
        assert reader.read(message(spelled(texts))) == texts
        assert sum(map(len, reader._heads)) == reader._kept <= 2000
    long = USUAL | {"path": "/" + "p" * entries.MAX_HEAD}
    assert reader.read(message(spelled(long))) == long
    assert reader._kept <= 2000


def test_envoy_is_configured_to_say_them_in_this_order() -> None:
    config: Any = yaml.safe_load(Path("envoy/filters/ratelimit.yaml").read_text())
    asked = [
        [next(iter(action.values()))["descriptor_key"] for action in limits["actions"]]
        for limits in found(config, "rate_limits")
    ]
    assert asked == [[*HEAD, *TAIL, "cache"]]


def found(config: Any, name: str) -> list[Any]:
    """What stands under this name, wherever it is."""
    if isinstance(config, list):
        return [each for part in config for each in found(part, name)]
    if isinstance(config, dict):
        return [each for key, part in config.items() for each in (part if key == name else found(part, name))]
    return []
