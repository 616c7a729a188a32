"""Bounds on all sidecars are spread by the weights of those who wait there, and add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelimit.fairness.tree import Demand
from ratelimit.fleet.claims import MAX_CLAIMS, Claim, claims_of
from ratelimit.fleet.report import GroupLoad, Report, TenantLoad
from ratelimit.fleet.spreading import ALL, Bounds, Spreading, spread, whole
from tests.ratelimit.reported import report


def claim(tenant_id: str, weight: int, wanted: int = 100, *, group: str = "default", model: str = "") -> Claim:
    return Claim(model, group, tenant_id, weight, 0, wanted)


def sidecar(name: str, *claims: Claim, **fields: object) -> Report:
    return report(name, claims=claims, **fields)


def test_weights_hold_wherever_a_tenant_asks() -> None:
    reports = [sidecar("1", claim("large", 500)), sidecar("2", claim("small", 50)), sidecar("3", claim("small", 50))]
    (due,) = spread(Bounds({ALL: 11}), reports, {}).values()
    assert due == pytest.approx({"1": 10, "2": 0.5, "3": 0.5})


def test_a_tenant_in_ten_sidecars_is_due_no_more_than_one_in_one() -> None:
    reports = [sidecar("0", claim("one", 100), claim("ten", 100))]
    reports += [sidecar(str(number), claim("ten", 100)) for number in range(1, 10)]
    due = spread(Bounds({ALL: 40}), reports, {})[ALL]
    assert due["0"] == pytest.approx(22)
    assert due["9"] == pytest.approx(2)


def test_groups_come_before_their_tenants_and_what_is_not_wanted_goes_to_others() -> None:
    reports = [
        sidecar("1", claim("a", 100, group="paid"), claim("b", 100, 2, group="free")),
        sidecar("2", *(claim(f"c{number}", 100, group="paid") for number in range(3))),
    ]
    due = spread(Bounds({ALL: 40}), reports, {"paid": 300, "free": 100})[ALL]
    assert due == pytest.approx({"1": 38 / 4 + 2, "2": 38 * 3 / 4})


def test_a_model_is_spread_by_itself_and_takes_no_more_of_the_whole_than_its_room() -> None:
    reports = [sidecar("1", claim("a", 100, model="m"), claim("a", 100)), sidecar("2", claim("b", 100, model="m"))]
    due = spread(Bounds({ALL: 10, "m": 4}), reports, {})
    assert due["m"] == pytest.approx({"1": 2, "2": 2})
    assert due[ALL] == pytest.approx({"1": 8, "2": 2})


def test_who_gets_more_tokens_out_of_a_place_gets_fewer_places() -> None:
    def served(name: str, tenant_id: str, tokens: int) -> Report:
        load = TenantLoad(tenant_id, "default", 100, 5, finished_service=tokens, finished_seconds=10.0)
        group = GroupLoad("default", 5, finished_service=tokens, finished_seconds=10.0)
        return report(name, load, claims=(claim(tenant_id, 100),), groups=(group,))

    reports = [served("1", "fast", 3000), served("2", "slow", 1000)]
    assert spread(Bounds({ALL: 12}), reports, {})[ALL] == pytest.approx({"1": 3, "2": 9})


def test_an_idle_sidecar_keeps_some_room() -> None:
    due = spread(Bounds({ALL: 64}), [sidecar("1", claim("a", 1)), sidecar("2")], {})[ALL]
    assert due == pytest.approx({"1": 60, "2": 4})


def test_nobody_wants_more_than_may_run_in_a_sidecar() -> None:
    reports = [sidecar("1", claim("a", 100)), sidecar("2", claim("b", 1))]
    assert spread(Bounds({ALL: 12}, own=8), reports, {})[ALL] == pytest.approx({"1": 8, "2": 4})


def test_fractions_are_had_over_time() -> None:
    spreading, had, running = Spreading(), dict.fromkeys("123", 0.0), dict.fromkeys("123", 0)
    for number in range(400):
        reports = [
            report(name, claims=(claim(tenant, weight),), at=number / 4, occupied={"": had[name]})
            for name, tenant, weight in (("1", "large", 500), ("2", "small", 50), ("3", "small", 50))
        ]
        running = {name: due[ALL] for name, due in spreading.dues(Bounds({ALL: 11}), reports, {}).items()}
        assert sum(running.values()) == 11
        had = {name: had[name] + count / 4 for name, count in running.items()}
    assert had == pytest.approx({"1": 1000, "2": 50, "3": 50}, abs=1)


@given(
    st.integers(0, 50),
    st.lists(
        st.lists(
            st.builds(
                Claim,
                st.sampled_from(["", "m"]),
                st.sampled_from(["x", "y"]),
                st.sampled_from("abc"),
                st.integers(1, 500),
                st.integers(0, 9),
                st.integers(0, 99),
            ),
            max_size=5,
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_dues_add_up_to_the_bound(most: int, claims: list[list[Claim]]) -> None:
    reports = [report(str(number), claims=tuple(each)) for number, each in enumerate(claims)]
    spreading = Spreading()
    for _ in range(3):
        dues = spreading.dues(Bounds({ALL: most, "m": most // 2}), reports, {"x": 7})
        for pool, bound in ((ALL, most), ("m", most // 2)):
            due = [each[pool] for each in dues.values() if pool in each]
            assert not due or (sum(due) == bound and min(due) >= 0)


@given(st.lists(st.floats(-2, 50), min_size=1, max_size=8), st.integers(0, 100))
def test_whole_numbers_add_up(due: list[float], most: int) -> None:
    found = whole({str(number): share for number, share in enumerate(due)}, most)
    assert sum(found.values()) == most
    assert min(found.values()) >= 0


def test_what_a_report_says_is_bounded_and_loses_nothing() -> None:
    demands = [("m", Demand(f"group-{n % 7}", f"tenant-{n}", 2, 1, n)) for n in range(1000)]
    claims = claims_of(demands)
    assert len(claims) == MAX_CLAIMS + 7
    assert sum(each.wanted for each in claims) == sum(1 + n for n in range(1000))
    assert sum(each.weight for each in claims) == 2000
    assert claims[0].tenant_id == "tenant-999"
    written = report("a", claims=claims)
    assert Report.load(written.dump()) == written
