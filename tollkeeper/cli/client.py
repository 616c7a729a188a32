"""The management API as commands see it: a request in, JSON out, a problem document as CommandFailed.

On the standard library: one short-lived connection a request is all that a command needs.  Knows no resource.
"""

import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from tollkeeper.cli.exits import OF_STATUS, CommandFailed, Exit

PREFIX = "/api/v1"
TIMEOUT_SECONDS = 30.0
PAGE = 1000  # items asked for at once, the most that the API gives
Query = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is what the JSON says, text, or bytes if it is neither; None without a body."""

    status: int
    headers: Message
    body: Any


class _Stay(HTTPRedirectHandler):
    """The token goes to the address that was given, and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


class Client:
    """`url` with or without `/api/v1`.  Proxies of the environment are not used: the API is within.

    With an `idempotency_key` its one POST may be asked for again by another run.  `tls`: for https, if it is not the
    system's CAs that count.
    """

    def __init__(
        self,
        url: str,
        token: str,
        timeout: float = TIMEOUT_SECONDS,
        idempotency_key: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url.rstrip("/").removesuffix(PREFIX)
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).netloc:
            raise CommandFailed(Exit.USAGE, f"{url!r} is not an address such as http://127.0.0.1:9090")
        self._token, self._timeout, self._idempotency_key = token, timeout, idempotency_key
        self._opener: OpenerDirector = build_opener(ProxyHandler({}), _Stay(), HTTPSHandler(context=tls))

    def get(self, path: str, query: Query | None = None) -> Any:
        return self.ask("GET", path, query=query).body

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`path` below /api/v1.  Whatever is not a success is CommandFailed."""
        url = f"{self.url}{PREFIX}{path}"
        if given := _given(query or {}):
            url += f"?{urlencode(given, doseq=True)}"
        data = None if body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json", **(headers or {})}
        if method == "POST" and self._idempotency_key is not None:
            sent["Idempotency-Key"] = self._idempotency_key
        request = Request(url, data, sent, method=method)  # noqa: S310 - http and https only, see __init__
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return Answer(response.status, response.headers, _body(response.headers, response.read()))
        except HTTPError as error:
            with error:
                raise _refused(error.code, _body(error.headers, error.read()), url) from None
        except (URLError, OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise CommandFailed(Exit.UNAVAILABLE, f"cannot reach the management API at {self.url}: {reason}") from None

    def items(self, path: str, query: Query | None = None, most: int | None = None) -> Iterator[dict[str, Any]]:
        """The items of a list, at most `most`."""
        for page in self.pages(path, query, most):
            yield from collection_of(page)

    def pages(self, path: str, query: Query | None = None, most: int | None = None) -> Iterator[dict[str, Any]]:
        """The pages of a list, with at most `most` items."""
        left, cursor = most, None
        while left is None or left > 0:
            size = PAGE if left is None else min(left, PAGE)
            page: dict[str, Any] = self.get(path, {**(query or {}), "limit": size, "cursor": cursor})
            yield page
            left = None if left is None else left - len(collection_of(page))
            cursor = page.get("next_cursor")
            if cursor is None:
                return


def collection_of(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The one list in an answer, whatever it is called."""
    return next((value for value in page.values() if isinstance(value, list)), [])


def segment(text: str) -> str:
    """As one part of a path."""
    return quote(text, safe="")


def _given(query: Query) -> dict[str, object]:
    return {name: _text(value) for name, value in query.items() if value is not None and value != []}


def _text(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _body(headers: Message, data: bytes) -> Any:
    if not data:
        return None
    if "json" in headers.get_content_type():
        try:
            return json.loads(data)
        except ValueError:
            pass
    return data if headers.get_content_maintype() == "application" else data.decode(errors="replace")


def _refused(status: int, body: Any, url: str) -> CommandFailed:
    code = OF_STATUS.get(status, Exit.FAILED)
    if not isinstance(body, dict) or "detail" not in body:
        return CommandFailed(code, f"{url} answered {status}; is it the management API?")
    errors = body.get("errors") or []
    lines = [f"{each.get('field')}: {each.get('detail')}" for each in errors if len(errors) > 1]
    if status >= 500 and body.get("request_id"):
        lines.append(f"request {body['request_id']}")
    detail = f"{len(errors)} fields are wrong" if lines and errors else str(body["detail"])
    if status == 401:
        detail = "the management API does not accept this TOLLKEEPER_ADMIN_TOKEN"
    return CommandFailed(code, detail, lines, body)
