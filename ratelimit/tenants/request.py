"""One request on its way through the decider, and what every answer to it says.  Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from clients.api import Api
from clients.errors import Header
from ratelimit.answer_bytes import Field
from ratelimit.budgets.port import Reservation
from ratelimit.fairness.floor import Full
from ratelimit.life import Life
from ratelimit.tenants.account import Account
from ratelimit.tenants.body import Body, body_before, parse_body
from ratelimit.tenants.estimates.estimate import NOT_TEXT
from ratelimit.tenants.forward import alias_of
from ratelimit.tenants.prepared import Prepared
from ratelimit.tenants.screening import Asked, Priced, Rejected, said
from ratelimit.tenants.sealed import AS_FIELDS
from serving.call import Call
from tenancy.values.seal import Seal


class Serialize(Protocol):
    """Makes an answer.  Parts of one are put together by concatenation."""

    def __call__(
        self,
        ok: bool | None,
        fields: Iterable[Field],
        headers: Iterable[Header],
        body: bytes,
        both_ways: Iterable[Header] = (),
    ) -> bytes:
        """`ok`: whether the request may run; None: a part of an answer, which leaves that open.  `fields`: dynamic
        metadata.  `headers` are for the client; those that go `both_ways`, for the model server too."""


class Runnable(Struct, frozen=True):
    """A request that may run if the budgets hold it.  `form`: in which Envoy is told (sealed.py)."""

    call: Call
    prepared: Prepared
    asked: Asked
    screened: Priced
    lease_id: str
    end_user_id: str
    form: Field = AS_FIELDS

    @property
    def account(self) -> Account:
        return self.prepared.account

    def fields(self) -> list[Field]:
        """Those of every answer to it."""
        return told(self.form, self.lease_id, self.end_user_id, self.screened, self.asked)

    def answer(self, seal: Seal | None, headers: Iterable[Header], *, alone: bool) -> bytes:
        """The usual answer; see usual.py."""
        usual = self.prepared.usual
        assert usual is not None  # noqa: S101 - it may run
        return usual.answer(self.lease_id, self.end_user_id, self.screened, seal, headers, alone=alone)


class Request(Struct, frozen=True):
    """A request that goes to the budgets.  `fields` makes those of every answer to it; `forward`: fields that an
    admission adds; `headers`: for the client, in addition.  `usual`: it is answered as most are, if it is admitted at
    once."""

    call: Call
    life: Life
    account: Account
    fields: Callable[[], list[Field]]
    reservation: Reservation
    api: Api
    forward: Sequence[Field] = ()
    headers: Sequence[Header] = ()
    usual: Runnable | None = None


class Queued(Struct, frozen=True):
    """A request that waits: implements life.Caller."""

    request: Request
    on_turn: Callable[[Request], None]
    on_full: Callable[[Request, Full], None]

    def turn(self) -> None:
        self.on_turn(self.request)

    def give_up(self, full: Full) -> None:
        self.on_full(self.request, full)


def body_of(entries: Mapping[str, str]) -> Body:
    asked = entries.get("asked")
    return body_before(entries) if asked is None else parse_body(asked)


def told(form: Field, lease_id: str, end_user_id: str, screened: Priced | Rejected, asked: Asked) -> list[Field]:
    """The fields of every answer; the lease id first, then the form."""
    first, *others = fields_of(lease_id, end_user_id, screened)
    return [first, form, *others, *alias_of(asked)]


def fields_of(lease_id: str, end_user_id: str, screened: Priced | Rejected) -> list[Field]:
    """The fields of every answer, whatever it is; the lease id first."""
    fields: list[Field] = [("lease_id", lease_id), ("end_user_id", end_user_id), ("model", screened.model)]
    if isinstance(screened, Priced):
        estimate = screened.estimate
        fields += (
            ("input_estimate", estimate.input_tokens),
            ("output_cap", estimate.output_cap),
            ("inference", screened.inference),
            ("kind", said(screened.kind)),
        )
        if estimate.uncorrected is not None:
            fields.append(("uncorrected", estimate.uncorrected or NOT_TEXT))
        if screened.script:
            fields.append(("script", screened.script))
        if estimate.images:
            fields.append(("images", estimate.images))
    return fields
