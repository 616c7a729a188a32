"""Shapes of requests and answers that follow from other ones: field by field what a value has, or a part of a body.

No field is described here.  What is told apart from the value, or left out, is said where the shape is used.
"""

from datetime import datetime
from typing import Any, get_type_hints

from pydantic import ConfigDict, create_model, with_config
from typing_extensions import TypedDict

from admin.fields import Body, Time, View

SHOWN = {datetime: Time, datetime | None: Time | None}


def shape(name: str, says: str, base: type[View] = View, /, **fields: Any) -> type[View]:
    """An answer with these fields after those of its base; a pair is a type and a default."""
    typed: dict[str, Any] = {field: of if isinstance(of, tuple) else (of, ...) for field, of in fields.items()}
    return create_model(name, __base__=base, __doc__=says, **typed)


def view_of(value: type, name: str, says: str, /, *, without: str = "", **own: Any) -> type[View]:
    """What an answer shows of a value: all its fields in their order, but for the one that it is to be `without`; of
    their types, unless they have their `own`."""
    kinds = {field: kind for field, kind in get_type_hints(value).items() if field != without}
    return shape(name, says, **{field: own.get(field, SHOWN.get(kind, kind)) for field, kind in kinds.items()})


def patch_of(body: type[Body], name: str, says: str, /, *fields: str, **own: Any) -> Any:
    """The `fields` of a body that may be changed, all of them unless some are named.  What is absent stays absent."""
    kinds = get_type_hints(body, include_extras=True) | own
    patch: Any = TypedDict(name, {field: kinds[field] for field in fields or body.model_fields}, total=False)  # type: ignore[misc]
    patch.__doc__ = says
    return with_config(ConfigDict(extra="forbid"))(patch)
