"""The answer to a command that was asked for before under the same Idempotency-Key.

What is stored of a command is what the audit log shows, so a secret cannot be shown a second time.
"""

from admin.commands.refusals import Reason, Refusal, Refused, invalid
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.idempotency import Repeat, Repeats

WITH_SECRET = ("api_key", "admin_token", "webhook")  # target types whose creation showed a secret
IN_PROGRESS = Refusal(
    Reason.IN_PROGRESS, "the request with this Idempotency-Key is not done yet, or has just failed: try again"
)


class Replayed(Exception):
    """The command was done before; `repeat` says what it made then, which is answered as if it had been made now."""

    def __init__(self, repeat: Repeat) -> None:
        super().__init__(repeat.target_id)
        self.repeat = repeat


async def what_came_of(by: ChangeRequest, repeats: Repeats) -> Refused | Replayed:
    """Returns what to raise.  `by` is the request that raised AlreadyAsked, so it has an Idempotency-Key."""
    asked = by.idempotency
    found = None if asked is None else await repeats.find(by.actor, asked.key)
    if asked is None or found is None:
        return Refused(IN_PROGRESS)
    if found.fingerprint != asked.fingerprint:
        return invalid(("idempotency-key", "was used for another request"))
    if found.target_type not in WITH_SECRET:
        return Replayed(found)
    kind = found.target_type.replace("_", " ")
    detail = (
        f"this was done before: it made a secret of the {kind} {found.target_id!r}, which was shown once and is not"
        " kept; rotate it, or delete it and create another"
    )
    return Refused(Refusal(Reason.REPEATED, detail, made=(found.target_type, found.target_id)))
