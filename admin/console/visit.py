"""One request of a browser: who it is, what it sent, and the pages that answer it.  Routes are handed one."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from admin.access.permission import Action, Principal, Resource, ResourceKind
from admin.commands.ports import Ports
from admin.commands.refusals import Refused
from admin.commands.session import FORBIDDEN, Done, Session
from admin.console.render import html
from admin.gate.answers import PRINCIPAL_KEY, session_of
from tenancy.directory.idempotency import Idempotency

FORM_KEY, FORM_TOKEN_KEY = "tollkeeper.form", "tollkeeper.form_token"  # in the ASGI scope: see forms.py
FORM_TOKEN, ONCE, SEEN = "_form", "_once", "_seen"  # hidden fields of forms
MAX_QUERY = 512  # characters of a query parameter; a longer one means nothing
MAX_ONCE = 64


class Visit:
    """Pages read and change through `session`; `ports` are for signing in."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.ports: Ports = request.app.state.ports

    @cached_property
    def principal(self) -> Principal | None:
        """None on the pages that need none."""
        found: Principal | None = self.request.scope.get(PRINCIPAL_KEY)
        return found

    @cached_property
    def session(self) -> Session:
        """For queries."""
        return session_of(self.request.scope, self.ports)

    def on_terms(self) -> Session:
        """For the command of a form: carried out once, and only if the value is unchanged since it was shown."""
        terms: dict[str, Any] = {}
        if once := self.field(ONCE):
            asked = [self.request.url.path, *(f"{k}={v}" for k, v in sorted(self.form.items()) if k != FORM_TOKEN)]
            terms["idempotency"] = Idempotency(once[:MAX_ONCE], sha256("\n".join(asked).encode()).hexdigest())
        if seen := self.field(SEEN):
            terms["if_match"] = frozenset({seen})
        return session_of(self.request.scope, self.ports, **terms)

    def dry(self) -> Session:
        """For a command that says what it would delete."""
        return session_of(self.request.scope, self.ports, dry_run=True)

    def may(self, action: str, kind: str) -> bool:
        """Whether to show a control at all; the command asks again."""
        who = self.principal
        return who is not None and who.may(Action(action), Resource(ResourceKind(kind), who.organization))

    @property
    def form_token(self) -> str:
        """The token in every form of this session."""
        found: str = self.request.scope[FORM_TOKEN_KEY]
        return found

    @cached_property
    def form(self) -> Mapping[str, str]:
        """The fields of the form that was sent; empty for a GET."""
        found: Mapping[str, str] = self.request.scope.get(FORM_KEY, {})
        return found

    def field(self, name: str) -> str:
        return self.form.get(name, "")

    def query(self, name: str, default: str = "") -> str:
        """A query parameter."""
        return self.request.query_params.get(name, default)[:MAX_QUERY]

    def path(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def page(self, template: str, status: int = 200, **shown: Any) -> Response:
        return html(template, status, visit=self, once=secrets.token_hex(16), **shown)

    def to(self, path: str, done: str = "", of: Done[Any] | None = None) -> Response:
        """To another page, which says what was `done` (a name of DONE), and whether sidecars know of it."""
        said = {"done": done} if done else {}
        if of is not None and not of.told:
            said["told"] = "later"
        return RedirectResponse(path + (f"?{urlencode(said)}" if said else ""), 303)


Handler = Callable[[Visit], Awaitable[Response]]


class Routes:
    """The routes of a module.  `changes`: the page is only a form, for those who may change a resource of this kind."""

    def __init__(self) -> None:
        self.all: list[Route] = []

    def get(self, path: str, changes: str = "") -> Callable[[Handler], Handler]:
        return self._at(path, "GET", changes)

    def post(self, path: str) -> Callable[[Handler], Handler]:
        return self._at(path, "POST", "")

    def _at(self, path: str, method: str, changes: str) -> Callable[[Handler], Handler]:
        def made(handler: Handler) -> Handler:
            async def endpoint(request: Request) -> Response:
                visit = Visit(request)
                if changes and not visit.may("change", changes):
                    raise Refused(FORBIDDEN)
                return await handler(visit)

            self.all.append(Route(path, endpoint, methods=[method], name=handler.__name__))
            return handler

        return made
