"""ChatAPI's names of settings, beside ours."""

from collections.abc import Mapping
from typing import get_args

from tollkeeper.settings.types import PREFIX, LogLevel

OTHER_NAMES = {"MASTER_API_KEY": "admin_token", "DEFAULT_RATE_LIMIT": "default_rate_limit", "LOG_LEVEL": "log_level"}


def by_other_names(environ: Mapping[str, str]) -> dict[str, str]:
    """What ChatAPI's names set, where ours do not.  ValueError for two admin tokens."""
    found = {}
    for other, name in OTHER_NAMES.items():
        value, ours = environ.get(other, ""), environ.get(f"{PREFIX}{name}".upper())
        if name == "log_level":  # many programs read it, and some know other levels
            value = value.lower() if value.lower() in get_args(LogLevel) else ""
        if value and ours is None:
            found[name] = value
        if name == "admin_token" and value and ours not in (None, value):
            raise ValueError(f"{other}: differs from {PREFIX}ADMIN_TOKEN, of which it is another name: set one of them")
    return found
