"""The answer to a request that is admitted at once, as most are: put together from bytes that were encoded once for all
requests of a policy for one model on one path, and the few values that are its own.

It says what decider.py says of any other admission; tests/ratelimit/tenants/test_usual.py holds it to that.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from clients.errors import Header
from ratelimit.answer_bytes import Field, headers_part, serialize, text_part
from ratelimit.tenants.account import Account
from ratelimit.tenants.estimates.estimate import NOT_TEXT
from ratelimit.tenants.screening import Priced
from ratelimit.tenants.sealed import ALONE, AS_TEXT, DECISION, MOST_COUNT, as_text, ids_of, read_by_envoy
from tenancy.values.admission import Admission
from tenancy.values.lease_id import LENGTH
from tenancy.values.seal import Seal

ADMISSION, QUEUE_MS = "x-admission", "x-queue-ms"  # headers; authz removes what a client sends under these names
_ALONE = serialize(None, (ALONE,), (), b"")
_ALONE_TEXT = "'log':'file',"


class Usual(Struct, frozen=True, gc=False):
    """`head`: how all these answers begin, and `text`: how the text of their decision ends."""

    head: bytes
    text: str

    @staticmethod
    def of(account: Account, fields: Sequence[Field]) -> "Usual":
        """`fields`: those that are the same in all."""
        said = (*fields, ("admission", Admission.FAST), *ids_of(account.policy))
        head = serialize(True, read_by_envoy(said), (), b"") + told_of(Admission.FAST)
        return Usual(head, _inner(*said))

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
        parts = (self.head, text_part(DECISION, len(data)), data, _ALONE if alone else b"", headers_part(headers))
        return b"".join(parts)


def _inner(*said: Field) -> str:
    """What stands between the braces of the text."""
    return as_text(None, said)[2:-1]


def is_usual(form: Field, lease_id: str, priced: Priced) -> bool:
    """Whether what is particular to a request are the values that `Usual.answer` puts in.  `form`: as sealed.py has it;
    an Envoy with the files of an earlier version is told each field by itself."""
    estimate = priced.estimate
    return form is AS_TEXT and len(lease_id) == LENGTH and not estimate.images and estimate.tokens <= MOST_COUNT


def told_of(admission: Admission, queued_ms: int = 0) -> bytes:
    """The part of an answer that tells client and model server how the request was admitted."""
    return serialize(None, (), (), b"", ((ADMISSION, admission), (QUEUE_MS, str(queued_ms))))
