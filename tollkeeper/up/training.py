"""The account that the portal's document signs in with: there with the development token, and with no other.

Both are known to everybody.  Where `up` runs with a token of one's own, an account that an earlier start has left is
locked out.
"""

import json
import urllib.error
import urllib.request
from typing import Any

from tollkeeper.up.process import DIRECT, StartFailed

ORGANIZATION, PLAN = "Training", "scale"
EMAIL, PASSWORD = "training@example.com", "Training123!"
TIMEOUT = 30.0


def prepare(api: str, token: str, *, wanted: bool) -> None:
    """Makes the account, or locks it out; StartFailed.  `api` is the management API's URL."""
    ask = _Api(api, token)
    try:
        account = next(
            (each for each in ask("GET", "/accounts?limit=1000")["accounts"] if each["email"] == EMAIL), None
        )
        if account is not None:
            if account["disabled"] is wanted:
                ask("PATCH", f"/accounts/{account['id']}", {"disabled": not wanted})
        elif wanted:
            body = {"email": EMAIL, "password": PASSWORD, "role": "owner", "organization": _organization(ask)}
            ask("POST", "/accounts", body)
    except (urllib.error.URLError, OSError) as error:
        raise StartFailed(f"the account {EMAIL} could not be prepared: {error}") from None


def _organization(ask: "_Api") -> str:
    all_of_them = ask("GET", "/organizations?limit=1000")["organizations"]
    found = next((each for each in all_of_them if each["name"] == ORGANIZATION), None)
    made: str = (found or ask("POST", "/organizations", {"name": ORGANIZATION, "plan": PLAN}))["id"]
    return made


class _Api:
    def __init__(self, url: str, token: str) -> None:
        self._url, self._headers = f"{url}/api/v1", {"authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, "content-type": "application/json"}
        request = urllib.request.Request(self._url + path, data, headers, method=method)  # noqa: S310 - our own http://
        with DIRECT.open(request, timeout=TIMEOUT) as answer:
            return json.load(answer)
