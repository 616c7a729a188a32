"""Which surfaces are served beside the management API, by the names that the setting TOLLKEEPER_SURFACES has for them.

A new one is a line in OTHERS, and its name in tollkeeper/settings/types.py.
"""

from collections.abc import Callable, Iterable, Mapping

from admin.api.surface import management_api
from admin.commands.ports import Ports
from admin.console.surface import console
from admin.dialects.chat_api.surface import chat_api
from admin.dialects.key_manager.surface import key_manager
from admin.dialects.openai_admin.surface import openai_admin
from admin.dialects.portal.surface import portal
from admin.gate.surface import Surface

OTHERS: Mapping[str, Callable[[Ports], Surface]] = {
    "key-manager": key_manager,
    "portal": portal,
    "chat-api": chat_api,
    "openai-admin": openai_admin,
    "console": console,
}


def surfaces(ports: Ports, others: Iterable[str]) -> list[Surface]:
    """The management API, which answers for paths that are nobody's, and the named ones of OTHERS."""
    return [management_api(ports), *(OTHERS[name](ports) for name in others)]
