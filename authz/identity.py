"""What an admitted request carries on: headers for the upstream, metadata for Envoy's later filters.  Pure.

Headers of ours that the client sent are overwritten or removed.  Envoy removes after it sets, so a header is in exactly
one of the two lists.
"""

import hashlib
import re
from collections.abc import Sequence
from urllib.parse import quote

from authz.credential import CREDENTIAL_HEADERS
from tenancy.values.key_record import KeyRecord
from tenancy.values.secret import without_secrets

USER_ID = "x-user-id"
END_USER_ID = "x-end-user-id"
ADMISSION = ("x-admission", "x-queue-ms")
# The Gateway API inference extension's headers: whom a request is for, and the resource that gives its priority.
FAIRNESS_ID, OBJECTIVE = "x-gateway-inference-fairness-id", "x-gateway-inference-objective"
END_USER_MAX_CHARACTERS = 128
MARK_BYTES = 8
_MARKED = re.compile(rf"~[0-9a-f]{{{2 * MARK_BYTES}}}\Z")
_ABSENT = "-"  # what Envoy writes for a label that is missing
_VISIBLE = "".join(map(chr, range(0x20, 0x7F)))


def headers_to_set(record: KeyRecord, *, hand_off: bool = False) -> dict[str, str]:
    """The headers that say who is calling.  Texts that an operator chose are percent-encoded where a header could not
    carry them.  `hand_off`: adds the headers that a scheduler behind us reads."""
    headers = {
        "x-tenant-id": record.tenant_id,
        "x-key-id": record.key_id,
        "x-fairshare-group": quote(record.fairshare_group, safe=_VISIBLE),
    }
    if hand_off:
        headers |= {FAIRNESS_ID: headers["x-tenant-id"], OBJECTIVE: headers["x-fairshare-group"]}
    if record.user_id:
        headers[USER_ID] = record.user_id
    return headers


def headers_to_remove(record: KeyRecord, credential: Sequence[str] = CREDENTIAL_HEADERS) -> tuple[str, ...]:
    """The headers to remove: the credential's; those that ratelimit sets for the model server; and the client's
    x-user-id, a label that must not pass for the user who owns the key."""
    removed = (*credential, *ADMISSION)
    return removed if record.user_id else (*removed, USER_ID)


def metadata(record: KeyRecord) -> dict[str, str]:
    """The metadata that is the same for every request of the key."""
    return {
        "tenant_id": record.tenant_id,
        "key_id": record.key_id,
        "user_id": record.user_id,
        "policy": record.policy().dump(),
    }


def end_user_of(user_id_header: str) -> str:
    """The client's X-User-Id as a harmless label: visible ASCII, bounded, "" for none.  An id that has to be changed
    for that gets a suffix of its own, so that two users never become one: cached answers may belong to a single
    user."""
    given = user_id_header.strip()
    label = "".join(c if c in _VISIBLE else "?" for c in without_secrets(given)[:END_USER_MAX_CHARACTERS])
    if label == given and label != _ABSENT and not _MARKED.search(label):
        return label
    mark = hashlib.blake2b(given.encode(errors="replace"), digest_size=MARK_BYTES).hexdigest()
    return f"{label[: END_USER_MAX_CHARACTERS - len(mark) - 1]}~{mark}"
