"""What Envoy is told of a decision, what its seal covers, and how the access log reads it.  Pure.

An Envoy with this version's files logs a decision as one text, all of which is sealed, and reads a few fields beside
it; it says so with an entry of its descriptor.  Any other Envoy is told each field by itself: it may be of the version
before, and so may sidecars that read its logs.  What the seal covers there is fixed, as one version seals what another
reads.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter

import msgspec

from ratelimit.answer_bytes import Field
from tenancy.values.policy import Policy
from tenancy.values.seal import Seal

MOST_COUNT = 10**12  # the greatest count that is believed; a greater one is read as 0
BETWEEN = "\x1f"
# With the value of each if it is absent.  Only the last may contain BETWEEN: it is what a client chose.
SEALED: Mapping[str, str | int | bool] = {
    "lease_id": "",
    "tenant_id": "",
    "key_id": "",
    "user_id": "",
    "model": "",
    "admission": "",
    "reserved_tokens": 0,
    "input_estimate": 0,
    "output_cap": 0,
    "inference": False,
    "denied": "",
    "limit": "",
    "limits": "",
    "kind": "",
    "images": 0,
    "reason": "",
    "end_user_id": "",
}
# What differs from one answer to the next, in their order.
_TEXT = BETWEEN.join(["%s"] * len(SEALED))
_values = itemgetter(*SEALED)
_COUNTS = tuple(name for name, value in SEALED.items() if type(value) is int)
_counts = itemgetter(*_COUNTS)
LOG, TEXT = "log", "text"  # the entry's name and value
DECISION = "decision"  # the field that is the text
ALONE: Field = (LOG, "file")  # Envoy leaves the request out of its log stream
AS_TEXT: Field = ("", False)
AS_FIELDS: Field = ("", "")
# What Envoy itself reads; with an upstream of the request's own, scripts read more.
_READ = frozenset({
    LOG, "admission", "denied", "limit", "rename", "path_model", "priority", "rpc_id", "cache_ticket", "cache_bytes",
})  # fmt: skip
_UPSTREAM = "upstream"
_READ_BY_SCRIPTS = _READ | {
    _UPSTREAM, "retries", "timeout_ms", "model", "alias", "mcp", "tools", "tenant_id", "key_id", "inference",
}  # fmt: skip
_NOT_LOGGED = frozenset({"tools", "cache_ticket", "cache_bytes", "mcp", "retries", "timeout_ms"})
# In a line of JSON each double quote would have to be escaped.
_QUOTES = bytes.maketrans(b"\"'", b"'\"")
_encode = msgspec.json.Encoder().encode


def ids_of(policy: Policy) -> tuple[tuple[str, str], ...]:
    """The fields that every answer to a policy's requests carries."""
    return ("tenant_id", policy.tenant_id), ("key_id", policy.key_id), ("user_id", policy.user_id)


def sealed_text(values: tuple[str | int | bool, ...]) -> str:
    """The sealed text, from the values in the order of SEALED as a log brings them."""
    return _TEXT % values


def text_to_seal(*said: Iterable[Field]) -> str:
    """The sealed text, from the fields of an answer."""
    fields = dict(SEALED)
    for each in said:
        fields.update(each)
    if max(_counts(fields)) > MOST_COUNT:
        fields |= {name: 0 for name in _COUNTS if fields[name] > MOST_COUNT}  # type: ignore[operator] # a count
    values = _values(fields)
    if "-" in values:  # which a log writes for an absent value
        values = tuple("" if value == "-" else value for value in values)
    return sealed_text(values)


def form_of(entries: Mapping[str, str]) -> Field:
    """The second of the fields of an answer, which says nothing to Envoy: in which form it is told."""
    return AS_TEXT if entries.get(LOG) == TEXT else AS_FIELDS


def is_as_text(fields: Sequence[Field]) -> bool:
    return fields[1] is AS_TEXT


def metadata_of(
    seal: Seal | None, ids: Sequence[tuple[str, str]], fields: Sequence[Field], *, alone: bool
) -> Sequence[Field]:
    """The fields as Envoy is told them, sealed; `ids` are left out where each is told by itself, because these are the
    same for all requests of a policy.  `alone`: whether only the file log reports the end of the request."""
    more = (ALONE,) if alone else ()
    if not is_as_text(fields):
        return (*fields, *more, ("seal", seal.of(text_to_seal(ids, fields)))) if seal else (*fields, *more)
    said = (*more, *fields, *ids)
    return [(DECISION, as_text(seal, said)), *read_by_envoy(said)]


def read_by_envoy(said: Sequence[Field]) -> list[Field]:
    names = _READ_BY_SCRIPTS if any(name == _UPSTREAM for name, _ in said) else _READ
    return [each for each in said if each[0] in names]


def as_text(seal: Seal | None, said: Sequence[Field]) -> str:
    """The seal, a space, and a JSON object of what is not empty, with either kind of quotes in place of the other.  In
    the order of `said`."""
    found = {name: value for name, value in said if value and value != "-" and name not in _NOT_LOGGED}
    text = _encode(found).translate(_QUOTES).decode()
    return f"{seal.of(text) if seal else ''} {text}"


def object_of(text: str) -> bytes:
    """The JSON object in a text that `as_text` made."""
    return text.partition(" ")[2].encode(errors="replace").translate(_QUOTES)
