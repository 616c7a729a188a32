"""Endpoints and targets as people type them: one a line, followed by what differs from the defaults."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter

from admin.console.numbers import whole_number
from admin.upstream_fields import EndpointBody, TargetBody
from tenancy.values.upstream import Endpoint, Target

NUMBERS = ("weight", "priority")


def lines_of_endpoints(endpoints: Sequence[Endpoint]) -> str:
    return "\n".join(_line(each.url, each, Endpoint("")) for each in endpoints)


def lines_of_targets(targets: Sequence[Target]) -> str:
    return "\n".join(_line(each.model, each, Target("")) for each in targets)


def _line(first: str, of: Endpoint | Target, default: Endpoint | Target) -> str:
    named = zip(of._fields[1:], of[1:], default[1:], strict=True)
    return " ".join([first, *(f"{name}={each}" for name, each, usual in named if each != usual)])


def _read(text: object, first: str) -> list[dict[str, Any]]:
    lines = str(text).splitlines() if text else []
    return [_fields(line.split(), first) for line in lines if line.strip()]


def _fields(words: Sequence[str], first: str) -> dict[str, Any]:
    found: dict[str, Any] = {first: words[0]}
    for name, equals, value in (word.partition("=") for word in words[1:]):
        if not equals:
            raise ValueError(f"{name!r} must be like weight=3")
        found[name] = whole_number(value) if name in NUMBERS else value
    return found


def _endpoints(value: object) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(**each.model_dump()) for each in ENDPOINTS.validate_python(_read(value, "url")))


def _targets(value: object) -> tuple[Target, ...]:
    return tuple(Target(**each.model_dump()) for each in TARGETS.validate_python(_read(value, "model")))


ENDPOINTS, TARGETS = TypeAdapter(list[EndpointBody]), TypeAdapter(list[TargetBody])
TypedEndpoints = Annotated[tuple[Endpoint, ...], BeforeValidator(_endpoints)]
TypedTargets = Annotated[tuple[Target, ...], BeforeValidator(_targets)]
