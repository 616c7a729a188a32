"""Settings from `TOLLKEEPER_*` variables; the only reader of the environment.  What they are is settings/'s."""

import os
from typing import Any

from pydantic import ValidationError

from tollkeeper.settings.contradictions import contradictions
from tollkeeper.settings.environment import as_environment as as_environment
from tollkeeper.settings.fields import MEBIBYTE as MEBIBYTE
from tollkeeper.settings.fields import Settings as Settings
from tollkeeper.settings.other_names import by_other_names
from tollkeeper.settings.secret_files import IN_FILES, SUFFIX, from_files
from tollkeeper.settings.types import PREFIX


class BadSettings(Exception):
    """One line for each variable that is missing or wrong."""


def read_settings(**overrides: Any) -> Settings:
    """Settings from the environment, with `overrides` (None: not given) on top; BadSettings names each bad one."""
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    known |= {f"{PREFIX}{name}{SUFFIX}".upper() for name in IN_FILES}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise BadSettings("\n".join(f"{name}: no such setting; see the table in README.md" for name in unknown))
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        in_files, elsewhere = from_files(os.environ, PREFIX), by_other_names(os.environ)
    except ValueError as error:
        raise BadSettings(str(error)) from None
    try:
        settings = Settings(**{**elsewhere, **in_files, **given})
    except ValidationError as error:
        raise BadSettings("\n".join(_line(row["loc"], row["msg"]) for row in error.errors())) from None
    if wrong := list(contradictions(settings)):
        raise BadSettings("\n".join(wrong))
    return settings


def _line(location: tuple[int | str, ...], message: str) -> str:
    return f"{PREFIX}{'_'.join(map(str, location)).upper()}: {message.removeprefix('Value error, ')}"
