"""What this process has learned of models, as the rows of its tables on `/learned`."""

from accesslog.learned.speeds import Speeds
from accesslog.usage import UNKNOWN_SPEED
from ratelimit.tenants.estimates.corrections import SCALE, Corrections
from ratelimit.tenants.routes.kind import Kind
from tollkeeper.slices.shared import Row


def correction_rows(corrections: Corrections) -> list[Row]:
    return [
        {
            "model": each.model,
            "route": each.kind or Kind.GENERATES,
            "script": each.script or "latin",
            "factor": each.factor / SCALE,
            "reports": each.reports,
        }
        for each in corrections.all()
    ]


def speed_rows(speeds: Speeds) -> list[Row]:
    """Without figures until there are enough answers."""
    return [
        {
            "model": model,
            "tokens_per_second": None if speed == UNKNOWN_SPEED else round(speed.tokens_per_second, 1),
            "shown": None if speed == UNKNOWN_SPEED else round(speed.shown, 3),
            "answers": answers,
        }
        for model, (speed, answers) in speeds.all().items()
    ]
