"""How many requests a tenant may begin whose bodies do not come."""

from authz.bodies import FRESH_SECONDS, KEEP_SECONDS, Bodies


def begin(bodies: Bodies, tenant_id: str, number: int, now: float) -> list[str]:
    """As many as it may: their ids."""
    begun = []
    for index in range(number):
        if not bodies.full(tenant_id, now):
            begun.append(f"{tenant_id}-{now}-{index}")
            bodies.begin(begun[-1], tenant_id, now)
    return begun


def heard(most: int = 16) -> Bodies:
    """One that hears of bodies which arrive."""
    bodies = Bodies(most)
    bodies.arrived(begin(bodies, "other", 1, 0.0), 0.0)
    return bodies


def test_a_tenant_has_a_quarter_and_all_have_no_more_than_there_is() -> None:
    bodies = heard()
    first = begin(bodies, "a", 9, 1.0)
    assert len(first) == 4
    bodies.arrived(first[:1], 1.0)
    assert len(begin(bodies, "a", 9, 1.0)) == 1
    assert sum(len(begin(bodies, tenant, 4, 1.0)) for tenant in "bcde") == 12
    assert len(bodies) == 16


def test_what_never_arrives_is_forgotten_once_envoy_has_ended_it() -> None:
    bodies = heard()
    begin(bodies, "a", 4, 0.0)
    later = KEEP_SECONDS + 1.0
    bodies.arrived(begin(bodies, "other", 1, later), later)
    assert len(begin(bodies, "a", 9, later)) == 4


def test_nobody_is_refused_where_nobody_tells_and_memory_is_bounded() -> None:
    bodies = Bodies(16)
    assert len(begin(bodies, "a", 100, 0.0)) == 100
    assert len(bodies) == 32
    told = heard()
    assert len(begin(told, "a", 9, FRESH_SECONDS + 1.0)) == 9


def test_what_was_begun_while_nobody_told_of_all_does_not_count() -> None:
    bodies = heard()
    bodies.count(False)
    assert len(begin(bodies, "a", 9, 1.0)) == 9
    bodies.count(True)
    bodies.arrived(begin(bodies, "other", 1, 1.0), 1.0)
    assert len(begin(bodies, "a", 9, 1.0)) == 4
    bodies.count(True)
    assert begin(bodies, "a", 9, 1.0) == []
