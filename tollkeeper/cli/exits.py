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


STATUSES = {
    Exit.USAGE: (400, 413, 415, 422),
    Exit.NOT_FOUND: (404,),
    Exit.CONFLICT: (409, 412, 428),
    Exit.NOT_ALLOWED: (401, 403),
    Exit.UNAVAILABLE: (408, 429, 502, 503, 504),
}
OF_STATUS = {status: code for code, statuses in STATUSES.items() for status in statuses}


class CommandFailed(Exception):
    """The command cannot do what it was asked to.  `lines` say more; `document` is the API's own, if it answered."""

    def __init__(
        self, code: Exit, message: str, lines: Sequence[str] = (), document: dict[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.lines, self.document = code, lines, document
