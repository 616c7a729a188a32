#!/bin/bash
# standardwebhooks signs another second than the one it is given, if that has a time zone other than UTC.
#
# Seen with: standardwebhooks 1.1.0 (PyPI), Python 3.11, Linux x86-64.
# Where: `Webhook.sign(msg_id, timestamp, data)`, whose `timestamp` is a datetime.
#
# An aware datetime names one moment, whatever its zone, and one expects a library to take that.  This one replaces the
# zone by UTC and keeps the wall clock: 12:00+01:00 is signed as 12:00 UTC.  The header `webhook-timestamp` has the
# moment, as `int(timestamp.timestamp())`, so the signature fits no header, and `verify` of the same library says "No
# matching signature found".  On a machine that runs in UTC all is well; with `datetime.now().astimezone()` on one that
# does not, no webhook arrives.  A naive `datetime.now()` fails there too, as it is taken for UTC.
#
# Seen: of one moment, signatures for UTC and for UTC+01:00 differ, the first verifies, the second does not; the second
# is the same as that of a moment an hour later.
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet standardwebhooks==1.1.0
venv/bin/python - <<'PY'
from datetime import datetime, timedelta, timezone

from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
utc = datetime.now(timezone.utc).replace(microsecond=0)
berlin = utc.astimezone(timezone(timedelta(hours=1)))
assert berlin == utc


def verdict(moment: datetime) -> str:
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(moment.timestamp()))}
    headers["webhook-signature"] = webhook.sign("msg_1", moment, "{}")
    try:
        webhook.verify("{}", headers)
    except WebhookVerificationError as error:
        return str(error)
    return "verified"


found = verdict(utc), verdict(berlin)
print(f"signed in UTC: {found[0]}; signed in UTC+01:00: {found[1]}")
assert found == ("verified", "No matching signature found"), found
assert webhook.sign("msg_1", berlin, "{}") == webhook.sign("msg_1", utc + timedelta(hours=1), "{}")
PY
