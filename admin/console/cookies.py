"""The cookie with a session's token: out of reach of scripts and other sites (HttpOnly, SameSite).

Over TLS it is also Secure, and has the name prefix that keeps other hosts from setting it.
"""

from starlette.requests import HTTPConnection
from starlette.responses import Response

from admin.access.browser_sessions import LIFETIME

PREFIX = "/console"
NAME, SECURE_NAME = "tollkeeper_console", "__Host-tollkeeper_console"


def token_of(request: HTTPConnection) -> str:
    """The session's token; "" without one."""
    return request.cookies.get(SECURE_NAME if is_secure(request) else NAME, "")


def is_secure(request: HTTPConnection) -> bool:
    """Whether the browser speaks TLS, with us or with a proxy before us.  A browser that claims it falsely harms only
    itself."""
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", "").partition(",")[0].strip())


def set_token(request: HTTPConnection, answer: Response, token: str) -> None:
    """ "" deletes it."""
    secure = is_secure(request)
    name, path = (SECURE_NAME, "/") if secure else (NAME, PREFIX)
    until = int(LIFETIME.total_seconds()) if token else 0
    answer.set_cookie(name, token, max_age=until, path=path, secure=secure, httponly=True, samesite="lax")
