import pytest

from tenancy.values.calendar import Calendar
from tenancy.values.limit import Kind, Limit, Scope, Unit
from tenancy.values.policy import MalformedPolicy, Policy
from tests.tenancy.people import a_record

PLAIN = Limit(Scope.TENANT, Unit.TOKENS, 5, 60)
FULL = Limit(
    Scope.GROUP, Unit.COST, 7, 86_400, "gold", "lim_1", "spend", Kind.FIXED, Calendar.DAY, "Europe/Paris", 10, 200, True
)


@pytest.mark.parametrize(
    ("limit", "row"),
    [
        (PLAIN, ["tenant", "tokens", 5, 60, ""]),
        (Limit(Scope.KEY, Unit.REQUESTS, 5, 60, "k", "lim_1", "n"), ["key", "requests", 5, 60, "k", "lim_1", "n"]),
        (
            FULL,
            [
                "group",
                "cost",
                7,
                86_400,
                "gold",
                "lim_1",
                "spend",
                "fixed_window",
                "day",
                "Europe/Paris",
                10,
                200,
                True,
            ],
        ),
    ],
)
def test_a_row_leaves_out_what_is_usual(limit: Limit, row: list[object]) -> None:
    assert limit.row() == row
    assert Limit.of_row(row) == limit


def test_policies_and_records_carry_every_field() -> None:
    policy = Policy("acme", "k", limits=(PLAIN, FULL))
    assert Policy.load(policy.dump()) == policy
    record = a_record(further_limits=(FULL,))
    assert type(record).load(record.dump()) == record


NEWER = ('[["tenant","furlongs",1,60,""]]', '[["planet","tokens",1,60,""]]')


@pytest.mark.parametrize(
    "limits", [*NEWER, '[["tenant"]]', '[["tenant","tokens",1,1,"","","","bag"]]', f"[[{'1,' * 14}1]]"]
)
def test_a_policy_with_an_unreadable_limit_is_malformed(limits: str) -> None:
    with pytest.raises(MalformedPolicy):
        Policy.load(f'["a","k","","default",1,null,null,{limits}]')


def test_what_holds_for_each_becomes_the_keys_own() -> None:
    each = [Limit(scope, Unit.TOKENS, 5, 60, subject) for scope in Scope for subject in ("", "other")]
    subjects = [(limit.scope, limit.subject) for limit in a_record(user_id="ann", further_limits=tuple(each)).limits()]
    key = a_record().key_id
    assert subjects == [
        (Scope.TENANT, ""),
        (Scope.TENANT, "other"),
        (Scope.USER, "ann"),
        (Scope.KEY, key),
        (Scope.MODEL, ""),
        (Scope.MODEL, "other"),
        (Scope.GROUP, "default"),
    ]
    without_user = a_record(further_limits=(Limit(Scope.USER, Unit.TOKENS, 5, 60),))
    assert without_user.limits() == ()


def test_a_budget_is_found_whatever_the_limits_amount_and_window() -> None:
    before = Limit(Scope.KEY, Unit.TOKENS, 5, 60, "k", "lim_1", "n")
    after = Limit(Scope.KEY, Unit.TOKENS, 9, 86_400, "k", "lim_1", "m", Kind.FIXED, Calendar.DAY)
    assert before.budget_name == after.budget_name == "lim_1:k"
    assert PLAIN.budget_name == PLAIN.name == "tenant:tokens:60s"
