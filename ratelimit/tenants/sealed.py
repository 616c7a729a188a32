"""What the seal of a decision covers, for the process that decides and for one that hears of it from a log.  Pure.

Fixed, because one version seals what another reads, in both directions.  A field that is added later is covered by a
second seal, or by none.
"""

from collections.abc import Iterable, Mapping
from operator import itemgetter

from ratelimit.answer_bytes import Field
from tenancy.values.policy import Policy

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
OPEN = ("lease_id", "reserved_tokens", "input_estimate", "output_cap", "end_user_id")
_TEXT = BETWEEN.join(["%s"] * len(SEALED))
_values = itemgetter(*SEALED)
_COUNTS = tuple(name for name, value in SEALED.items() if type(value) is int)
_counts = itemgetter(*_COUNTS)


def ids_of(policy: Policy) -> tuple[tuple[str, str], ...]:
    """The fields that every answer to a policy's requests carries."""
    return ("tenant_id", policy.tenant_id), ("key_id", policy.key_id), ("user_id", policy.user_id)


def sealed_text(values: tuple[str | int | bool, ...]) -> str:
    """The sealed text, from the values in the order of SEALED as a log brings them."""
    return _TEXT % values


def open_text(*said: Iterable[Field]) -> str:
    """The sealed text, from the fields that many answers have in common, with `%s` for each of OPEN, in this order."""
    fields = {name: "" if value == "-" else str(value).replace("%", "%%") for each in said for name, value in each}
    fields |= dict.fromkeys(OPEN, "%s")
    return sealed_text(tuple(fields.get(name, value) for name, value in SEALED.items()))


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
