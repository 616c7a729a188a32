"""Short campaigns; `make faults` makes long ones."""

import pytest

from tests.faults.campaign import run
from tests.faults.fleet import Fleet
from tests.faults.place import Place, open_place

pytestmark = pytest.mark.timeout(400)


@pytest.mark.parametrize(("kind", "seconds"), [(Place, 14.0), (Fleet, 9.0)])
def test_the_books_are_in_order_after_some_faults(kind: type[Place], seconds: float) -> None:
    with open_place(1, kind) as place:
        outcome = run(place, seed=7, seconds=seconds)
    assert outcome.faults
    assert outcome.statuses[200] > 0
    assert outcome.wrong == [], str(outcome)
