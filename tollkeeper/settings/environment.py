"""The variables that make a child process read the same settings."""

from typing import TYPE_CHECKING

from pydantic import SecretStr

from tollkeeper.settings.types import PREFIX

if TYPE_CHECKING:
    from tollkeeper.settings.fields import Settings


def as_environment(settings: "Settings") -> dict[str, str]:
    """Of every setting that is set."""
    return {
        f"{PREFIX}{name}".upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name in type(settings).model_fields
        if (value := getattr(settings, name)) is not None
    } | ({} if settings.access_log_file else {f"{PREFIX}ACCESS_LOG_FILE": "none"})
