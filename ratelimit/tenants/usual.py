"""The answer to a request that is admitted at once, as most are: put together from bytes that were encoded once for all
requests of a policy for one model on one path, and the few values that are its own.

It says what decider.py says of any other admission; tests/ratelimit/tenants/test_usual.py holds it to that.
"""

from collections.abc import Iterable, Sequence
from struct import Struct as Layout

from msgspec import Struct

from clients.errors import Header
from ratelimit.answer_bytes import Field, headers_part, number_part, serialize, text_part
from ratelimit.tenants.account import Account
from ratelimit.tenants.estimates.estimate import NOT_TEXT
from ratelimit.tenants.screening import Priced
from ratelimit.tenants.sealed import ALONE, DECISION, MOST_COUNT, as_text, ids_of, open_text, read_by_envoy
from tenancy.values.admission import Admission
from tenancy.values.lease_id import LENGTH
from tenancy.values.seal import SEAL_DIGITS, Seal

ADMISSION, QUEUE_MS = "x-admission", "x-queue-ms"  # headers; authz removes what a client sends under these names
_ALONE = serialize(None, (ALONE,), (), b"")
_ALONE_TEXT = "'log':'file',"
_double = Layout("<d").pack
_LEASE_ID, _SEAL = text_part("lease_id", LENGTH), text_part("seal", SEAL_DIGITS)
_INPUT, _CAP = number_part("input_estimate"), number_part("output_cap")
_RESERVED, _UNCORRECTED = number_part("reserved_tokens"), number_part("uncorrected")


class Usual(Struct, frozen=True, gc=False):
    """`head`: what all these answers begin with.  `sealed`: the text to seal, open where they differ.  `text_head`,
    `text`: where Envoy is told a text (sealed.py), how the answer begins, and the text ends."""

    head: bytes
    sealed: str
    text_head: bytes
    text: str

    @staticmethod
    def of(account: Account, fields: Sequence[Field]) -> "Usual":
        """`fields`: those that are the same in all."""
        said = (*fields, ("admission", Admission.FAST))
        head = account.head + serialize(True, said, (), b"") + told_of(Admission.FAST)
        ids = ids_of(account.policy)
        text_head = serialize(True, read_by_envoy((*said, *ids)), (), b"") + told_of(Admission.FAST)
        return Usual(head, open_text(ids, said), text_head, _inner(*said, *ids))

    def answer(
        self,
        lease_id: str,
        end_user_id: str,
        priced: Priced,
        seal: Seal | None,
        headers: Iterable[Header],
        *,
        alone: bool,
    ) -> bytes:
        """`alone`: whether only Envoy's file log reports the end of the request."""
        estimate = priced.estimate
        tokens, input_, cap = estimate.tokens, estimate.input_tokens, estimate.output_cap
        parts = [self.head, _LEASE_ID, lease_id.encode()]
        if tokens:
            parts += (_RESERVED, _double(tokens))
        if input_:
            parts += (_INPUT, _double(input_))
        if cap:
            parts += (_CAP, _double(cap))
        if estimate.uncorrected is not None:
            parts += (_UNCORRECTED, _double(estimate.uncorrected or NOT_TEXT))
        if end_user_id or priced.script:
            parts.append(serialize(None, (("end_user_id", end_user_id), ("script", priced.script)), (), b""))
        if seal is not None:
            parts += (_SEAL, seal.of(self.sealed % (lease_id, tokens, input_, cap, end_user_id)).encode())
        if alone:
            parts.append(_ALONE)
        parts.append(headers_part(headers))
        return b"".join(parts)

    def text_answer(
        self,
        lease_id: str,
        end_user_id: str,
        priced: Priced,
        seal: Seal | None,
        headers: Iterable[Header],
        *,
        alone: bool,
    ) -> bytes:
        """The same, where Envoy is told a text."""
        estimate, more = priced.estimate, ""
        if estimate.uncorrected is not None:
            more = f",'uncorrected':{estimate.uncorrected or NOT_TEXT}"
        if named := _inner(("end_user_id", end_user_id), ("script", priced.script)):
            more = f"{more},{named}"
        text = (
            f"{{{_ALONE_TEXT if alone else ''}'lease_id':'{lease_id}','reserved_tokens':{estimate.tokens},"
            f"'input_estimate':{estimate.input_tokens},'output_cap':{estimate.output_cap}{more},{self.text}}}"
        )
        data = f"{seal.of(text) if seal else ''} {text}".encode()
        parts = (self.text_head, text_part(DECISION, len(data)), data, _ALONE if alone else b"", headers_part(headers))
        return b"".join(parts)


def _inner(*said: Field) -> str:
    """What stands between the braces of the text."""
    return as_text(None, said)[2:-1]


def is_usual(lease_id: str, priced: Priced) -> bool:
    """Whether what is particular to a request are the values that `Usual.answer` puts in."""
    estimate = priced.estimate
    return len(lease_id) == LENGTH and not estimate.images and estimate.tokens <= MOST_COUNT


def told_of(admission: Admission, queued_ms: int = 0) -> bytes:
    """The part of an answer that tells client and model server how the request was admitted."""
    return serialize(None, (), (), b"", ((ADMISSION, admission), (QUEUE_MS, str(queued_ms))))
