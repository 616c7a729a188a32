"""A short campaign; `make faults` makes long ones."""

import pytest

from tests.faults.campaign import run
from tests.faults.place import open_place

pytestmark = pytest.mark.timeout(400)


def test_the_books_are_in_order_after_some_faults() -> None:
    with open_place(processes=1) as place:
        outcome = run(place, seed=7, seconds=20.0)
    assert outcome.faults
    assert outcome.statuses[200] > 0
    assert outcome.wrong == [], str(outcome)
