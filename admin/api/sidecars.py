"""What a sidecar says of itself, as answers show it: for /stats and /capacity.  No route."""

from typing import Any

from pydantic import model_validator

from admin.fields import View
from ratelimit.fleet.report import Aged


class ReportedView(View):
    """Fields of a sidecar's last report, and how old that is."""

    @model_validator(mode="before")
    @classmethod
    def _of_report(cls, aged: Aged) -> dict[str, Any]:
        fields = {name: getattr(aged.report, name) for name in cls.model_fields if name != "age_seconds"}
        return {**fields, "age_seconds": round(aged.age_seconds, 3)}


class SidecarView(ReportedView):
    """One sidecar according to its last report, which is `age_seconds` old.  `max_in_flight` is what it enforces now,
    null without a bound; `bound_by` says which bound that is: `sidecar:in_flight` or its share of `all:in_flight`."""

    sidecar: str
    host: str
    version: str
    started_at: str
    age_seconds: float
    in_flight: int
    queued: int
    max_in_flight: int | None
    bound_by: str
    capacity_version: int
    admitted: int
    refused: int
    refused_capacity: int
    redis_available: bool
