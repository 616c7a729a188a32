"""How a command ends: exit codes, which scripts rely on, and the exception that carries one."""

from collections.abc import Sequence
from enum import IntEnum


class Exit(IntEnum):
    """Listed in the README."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    NOT_ALLOWED = 5
    UNAVAILABLE = 6


OF_STATUS = {
    400: Exit.USAGE,
    401: Exit.NOT_ALLOWED,
    403: Exit.NOT_ALLOWED,
    404: Exit.NOT_FOUND,
    408: Exit.UNAVAILABLE,
    409: Exit.CONFLICT,
    412: Exit.CONFLICT,
    413: Exit.USAGE,
    415: Exit.USAGE,
    422: Exit.USAGE,
    428: Exit.CONFLICT,
    429: Exit.UNAVAILABLE,
    502: Exit.UNAVAILABLE,
    503: Exit.UNAVAILABLE,
    504: Exit.UNAVAILABLE,
}


class CommandFailed(Exception):
    """The command cannot do what it was asked to.  `lines` say more; `document` is the API's own, if it answered."""

    def __init__(
        self, code: Exit, message: str, lines: Sequence[str] = (), document: dict[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.lines, self.document = code, lines, document
