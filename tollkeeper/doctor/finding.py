"""What doctor found.  Pure."""

from typing import NamedTuple

WRONG, DOUBTFUL = "wrong", "doubtful"


class Finding(NamedTuple):
    """`level`: WRONG does not work, DOUBTFUL may not.  `part`: envoy, sidecar, redis, postgres, files."""

    level: str
    part: str
    says: str
    do: str


def wrong(part: str, says: str, do: str) -> Finding:
    return Finding(WRONG, part, says, do)


def doubtful(part: str, says: str, do: str) -> Finding:
    return Finding(DOUBTFUL, part, says, do)
