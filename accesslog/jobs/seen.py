"""What a log entry says of a job: that it began, or what was read of it.  Pure.

The model server names a job in its answer.  Only what is read under the job's own path counts, and only if it says the
same name: any other document may be a client's (an uploaded file, say), and claim whatever it likes.
"""

import re
from typing import NamedTuple

from accesslog.entry import LogEntry
from accesslog.usage import NO_USAGE, Usage, is_put_off, usage_of_report
from ratelimit.budgets.jobs import Known
from ratelimit.tenants.routes.kind import Kind

# Statuses that a response or a batch has when nothing more will be made.
OVER = frozenset(
    {"completed", "incomplete", "failed", "cancelled", "canceled", "expired", "success", "timeout_exceeded"}
)
# The status of a failed one, which made nothing that anybody can read.
FAILED = frozenset({"failed"})

_READ = re.compile(r"/(?:responses|batches|batch/jobs)/(?P<name>[^/]{1,128})(?:/cancel)?")
# Files that hold the answers of a batch, and their usage: Anthropic's by the batch's name, OpenAI's by the file's.
_RESULTS = re.compile(r"/messages/batches/(?P<batch>[^/]{1,128})/results|/files/(?P<file>[^/]{1,128})/content")


class Begun(NamedTuple):
    """A job that the entry's own request began."""

    name: str


class Lost(NamedTuple):
    """A job that the ledger has, while the budgets have lost it."""

    name: str


class Read(NamedTuple):
    """`usage` counts unless nothing but another name is known.  `model`: of a batch."""

    name: str
    known: Known
    usage: Usage = NO_USAGE
    other_name: str = ""
    model: str = ""


def seen_of(entry: LogEntry) -> Begun | Read | None:
    """None for nearly every entry."""
    decision, answer = entry.decision, entry.answer
    if decision.inference:
        return Begun(answer.id) if answer.id and is_put_off(entry) else None
    if not 200 <= entry.status < 300 or decision.denied:
        return None
    over = answer.status.lower() in OVER
    if decision.kind == Kind.BATCHES:
        return Begun(answer.id) if answer.id and not over else None
    if decision.kind == Kind.STORED and over:
        return _read(entry)
    return _results(entry) if answer.counts and entry.method == "GET" else None


def _read(entry: LogEntry) -> Read | None:
    answer = entry.answer
    match = _READ.search(entry.path)
    if match is None or match.end() != len(entry.path) or match["name"] != answer.id:
        return None
    if usage := usage_of_report(answer.counts):
        # Mistral's object of a batch may have all of its results in it.
        known = Known.MORE if entry.aborted and "/batch/jobs/" in entry.path else Known.OVER
        return Read(answer.id, known, usage, answer.file, answer.model)
    if answer.file:
        return Read(answer.id, Known.NAMED, other_name=answer.file)
    # Otherwise it stays charged as reserved.
    return Read(answer.id, Known.OVER) if answer.status.lower() in FAILED else None


def _results(entry: LogEntry) -> Read | None:
    match = _RESULTS.search(entry.path)
    usage = usage_of_report(entry.answer.counts)
    if match is None or match.end() != len(entry.path) or usage is None:
        return None
    whole = entry.status == 200 and not entry.aborted
    name = match["batch"] or match["file"]
    return Read(name, Known.OVER if whole else Known.MORE, usage, "", entry.answer.model)
