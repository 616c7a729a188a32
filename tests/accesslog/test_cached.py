"""What is charged of an answer from the cache, and what that saved."""

import pytest

from accesslog.cached import Charged, charged_of
from accesslog.usage import NO_USAGE, Usage
from ledger.row import UsageSource
from tenancy.values.admission import Admission
from tests.accesslog.entries import finished

WHOLE = Usage(11, 20, 3, 4, UsageSource.REPORTED, images=1)


@pytest.mark.parametrize(
    ("percent", "charged"),
    [
        (0, Charged(NO_USAGE, WHOLE)),
        (50, Charged(Usage(6, 10, 2, 2, UsageSource.REPORTED, images=1), Usage(5, 10, 1, 2, UsageSource.REPORTED))),
        (100, Charged(WHOLE, Usage(0, 0, 0, 0, UsageSource.REPORTED))),
        (999, Charged(WHOLE, Usage(0, 0, 0, 0, UsageSource.REPORTED))),
    ],
)
def test_a_share_of_a_kept_answer_is_charged(percent: int, charged: Charged) -> None:
    entry = finished(decided={"admission": Admission.CACHED, "cache_percent": percent})
    assert charged_of(entry, WHOLE) == charged


def test_what_ran_is_charged_whatever_is_said_of_a_cache() -> None:
    entry = finished(decided={"admission": Admission.FAST, "cache_percent": 10})
    assert charged_of(entry, WHOLE) == Charged(WHOLE)
