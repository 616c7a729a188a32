"""What `tollkeeper learned` shows."""

from accesslog.learned.speeds import Speeds
from accesslog.usage import usage_of
from ratelimit.tenants.average import NEEDED
from tests.accesslog.entries import finished, reports
from tollkeeper.cli.learned import table_of
from tollkeeper.slices.learned import speed_rows


def test_a_few_answers_tell_no_speed() -> None:
    speeds = Speeds()
    answer = finished(reports("usage.prompt_tokens=9 usage.completion_tokens=90"), {"model": "m"}, total_ms=1000)
    for _ in range(NEEDED - 1):
        speeds.learn(answer, usage_of(answer))
    assert shown(speeds) == ["m", "-", "-", "19"]
    speeds.learn(answer, usage_of(answer))
    assert shown(speeds) == ["m", "90.0", "1.0", "20"]


def shown(speeds: Speeds) -> list[str]:
    _, row = table_of([dict(each) for each in speed_rows(speeds)])
    return row.split()
