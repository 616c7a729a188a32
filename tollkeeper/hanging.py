"""Whether a process hangs: it is stopped, or does not answer although nothing keeps it busy.  For the supervisor.

A process with work to do, or without a processor to do it on, answers late and must not be killed for that.  So the
time without an answer counts in full while all its threads sleep, and as a tenth while one runs, or would.  Where
another process can take its place at once, it gets less time, but then each look must find it stopped or asleep.
"""

from contextlib import suppress
from pathlib import Path

HUNG_SECONDS = 5.0
# Envoy waits for authz for 2 s: until then it must have been asked and looked at as well, and the other must serve.
REPLACEABLE_SECONDS = 0.8
BUSY_SHARE = 0.1
LOOK_SECONDS = 0.2
MOST_SECONDS = 0.4  # longest time between two looks: if it was more, the supervisor had no processor
STOPPED, TRACED, BUSY = "T", "t", frozenset("RD")


class Silence:
    """How long one process has owed an answer, weighted as above, and how long it has done nothing at all."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._counted, self._still, self._looked_at = 0.0, 0.0, float("-inf")

    def end(self) -> None:
        """It has answered."""
        self._counted = self._still = 0.0

    def hangs(self, now: float, *, owes: bool, replaceable: bool = False) -> bool:
        """To be asked again and again.  `owes`: it was asked and should answer; if not, only a process that is stopped
        hangs.  `replaceable`: another waits for its place.  `now`: seconds, of any clock."""
        if now - self._looked_at >= LOOK_SECONDS:
            passed, self._looked_at = min(MOST_SECONDS, now - self._looked_at), now
            self._look(passed, owes)
        return self._counted >= HUNG_SECONDS or (replaceable and self._still >= REPLACEABLE_SECONDS)

    def _look(self, passed: float, owes: bool) -> None:
        states = states_of(self._pid, all_threads=owes)
        if STOPPED in states or (owes and not states & {TRACED, *BUSY}):
            self._counted += passed
            self._still += passed
        elif owes and TRACED not in states:  # else somebody debugs it
            self._counted += passed * BUSY_SHARE
            self._still = 0.0
        else:
            self.end()


def states_of(pid: int, *, all_threads: bool) -> set[str]:
    """Of its threads, or its main one, as /proc has them; empty if it has ended."""
    found = set[str]()
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir() if all_threads else [Path(f"/proc/{pid}")]:
            with suppress(OSError):  # it has ended
                found.add((thread / "stat").read_text().rpartition(")")[2].split()[0])
    return found
