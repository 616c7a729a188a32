"""What is kept of requests that were refused without a decision: who says why is known, and a flood keeps a few."""

from datetime import UTC, datetime

import pytest

from accesslog.denied import denied_of, is_denied
from accesslog.metrics import KEPT, LEFT_OUT, AccessLogMetrics
from accesslog.writing.denials import FEW, MOST, DenialWriter
from ledger.denials import Denial
from ledger.ledger import LedgerUnavailable
from ledger.postgres.denials import PostgresDenials
from store.postgres import open_postgres
from tenancy.values.denied import Denied
from tenancy.values.seal import DENIAL, Seal, key_of
from tests.conftest import PATIENT

SEAL = Seal([key_of("ours")], DENIAL)
NOW = datetime.now(UTC)


def denial(request_id: str = "r", **changes: str) -> Denial:
    return Denial(NOW, request_id, "unknown", 401)._replace(**changes)  # type: ignore[arg-type] # texts


def test_only_what_authz_sealed_is_its_word() -> None:
    denied = Denied("expired", "sk_0123", "acme", "key_1")
    said = dict(denied.said(SEAL))
    assert denied_of(said, "ext_authz_denied", SEAL, begun=False) == denied
    for forged in ({**said, "tenant_id": "other"}, {**said, "denied_seal": ""}, {"denied": "expired"}, {}):
        assert denied_of(forged, "ext_authz_denied", SEAL, begun=False) == Denied("ext_authz_denied")
    assert denied_of({**said, "denied": ""}, "too_large", SEAL, begun=True) == Denied("too_large", "", "acme", "key_1")


def test_what_is_not_ours_or_no_refusal_is_not_kept() -> None:
    assert is_denied(401, "ext_authz_denied", guarded=True)
    assert is_denied(503, "overload", guarded=False)
    assert not is_denied(404, "route_not_found", guarded=False)
    assert not is_denied(200, "ext_authz_denied", guarded=True)  # the list of models
    assert not is_denied(0, "downstream_remote_disconnect", guarded=True)


class Memory:
    def __init__(self) -> None:
        self.kept: list[Denial] = []
        self.away = False

    async def append(self, denials: list[Denial]) -> None:
        if self.away:
            raise LedgerUnavailable
        self.kept += denials

    by_label = None


async def test_a_few_of_a_kind_are_kept_and_guessed_keys_leave_room_for_known_ones() -> None:
    now, memory, metrics = 0.0, Memory(), AccessLogMetrics()
    writer = DenialWriter(memory, metrics, lambda: now)  # type: ignore[arg-type] # half of the port
    for number in range(2 * FEW):
        writer.offer(denial(f"same-{number}"))
    for number in range(2 * MOST):
        writer.offer(denial(key_prefix=f"sk_{number:015x}"))
    for number in range(2 * MOST):
        writer.offer(denial(tenant_id="t", key_id=f"key_{number}"))
    memory.away = True
    with pytest.raises(LedgerUnavailable):
        await writer.write()
    memory.away = False
    await writer.write()
    assert len([each for each in memory.kept if each.request_id.startswith("same")]) == FEW
    assert len([each for each in memory.kept if not each.key_id]) == MOST
    assert len([each for each in memory.kept if each.key_id]) == MOST
    assert metrics.denials.counts == {KEPT: 2 * MOST, LEFT_OUT: 2 * FEW + 4 * MOST - 2 * MOST}
    now = 11.0
    writer.offer(denial("later"))
    await writer.write()
    assert memory.kept[-1].request_id == "later"


async def test_the_last_ones_are_kept_and_no_text_stops_them(database_url: str) -> None:
    async with open_postgres(database_url, timeout=PATIENT) as pool:
        kept = PostgresDenials(pool, timeout=PATIENT, most=10, trim_every=5)
        for number in range(6):
            await kept.append([denial(f"{number}", tenant_id="mine" if number % 2 else "") for _ in range(5)])
        await kept.append([denial("odd", reason="\0" * 999, path="\ud800", method="x" * 9999).cleaned()])
        assert await pool.fetchval("SELECT count(*) FROM denials") <= 15
        assert await kept.by_label("0", 20) == []
        assert len(await kept.by_label("5", 3)) == 3
        assert (len(await kept.by_label("4", 20, ["mine"])), len(await kept.by_label("5", 20, ["mine"]))) == (0, 5)
        assert (await kept.by_label("odd", 1))[0].status == 401
