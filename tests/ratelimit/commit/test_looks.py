"""A look at the budgets says what they would decide, and takes nothing."""

from ratelimit.budgets.port import Admitted, Decision, Refused
from ratelimit.tenants.account import Account
from tenancy.values.policy import Policy
from tests.ratelimit.conftest import Slice
from tests.ratelimit.stores import reservation, tokens
from tests.serving.conftest import eventually

RICH = Account.of(Policy("rich", "k", limits=(tokens(600),)))
POOR = Account.of(Policy("poor", "k", limits=(tokens(50),)))


def looked(sidecar: Slice, *accounts: Account) -> list[Decision]:
    found: list[Decision] = []
    for number, each in enumerate(accounts):
        sidecar.committer.look(reservation(each, 100, f"lease-{number}"), found.append)
    eventually(lambda: len(found) == len(accounts))
    return found


def test_it_tells_of_each_and_takes_nothing(ratelimit: Slice) -> None:
    rich, poor = looked(ratelimit, RICH, POOR)
    assert isinstance(rich, Admitted)
    assert isinstance(poor, Refused)
    assert ratelimit.peek(RICH) == [600]
    assert ratelimit.peek(POOR) == [50]


def test_many_are_told_in_several_rounds_and_one_who_cannot_be_told_hinders_nobody(ratelimit: Slice) -> None:
    ratelimit.committer.look(reservation(RICH, 1, "x"), lambda _: 1 // 0)  # type: ignore[arg-type]
    assert len(looked(ratelimit, *[RICH] * 200)) == 200
