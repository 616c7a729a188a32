"""The routes that are the same for every kind of resource: create, list by name, show, update, delete.

In the OpenAPI document they are as if each were written out: named after the kind, as `get_model`.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from admin.api.call import DELETES, Changing, Creating, Deleting, Reading
from admin.api.paging import Page, page_of
from admin.commands.directory import Kind
from admin.fields import View

Endpoint = Callable[..., Awaitable[Any]]


class Routes:
    """Adds routes for a kind to a router, at the router's prefix and `below` it.

    `noun` is what they are named after; `key` is the field that is the id, and the id's name in paths.  A route carries
    out the command of the kind, unless it says `by` which other one."""

    def __init__(
        self, router: APIRouter, kind: Kind[Any], noun: str, view: type[View], *, key: str = "id", below: str = ""
    ) -> None:
        self._router, self._noun, self._view = router, noun, view
        self._kind: Any = kind
        self._key, self._all, self._one = key, below, f"{below}/{{{key}}}"
        self._id = Annotated[str, Path(alias=key, description=f"The {noun.split('_')[-1]}'s {key}")]

    def create(self, body: Any, new: Callable[..., Any], says: str, *, by: Endpoint | None = None) -> None:
        command = by or self._kind.create

        async def create(body: Any, call: Creating) -> Any:
            done = await command(call.session, new(**body.model_dump()))
            return call.created(done, f"{self._router.prefix}{self._all}/{getattr(done.value, self._key)}")

        self._add("POST", self._all, create, f"create_{self._noun}", says, body=body, status_code=201)

    def list(self, plural: str, page_says: str, says: str) -> None:
        view = page_of(self._view.__name__.replace("View", "Page"), page_says, **{plural: self._view})

        async def list(page: Annotated[Page, Query()], call: Reading) -> Any:
            return page.answer(plural, await self._kind.page(call.session, page.limit + 1, page.after_name()), "name")

        self._add("GET", self._all, list, f"list_{plural}", says, response_model=view)

    def show(self, says: str) -> None:
        async def show(id: Any, call: Reading) -> Any:
            return call.shown(await self._kind.get(call.session, id))

        self._add("GET", self._one, show, f"get_{self._noun}", says)

    def update(
        self,
        method: str,
        body: Any,
        says: str,
        new: Callable[..., Any] | None = None,
        *,
        at: str = "",
        by: Endpoint | None = None,
    ) -> None:
        """`new` makes what the command takes of the body's fields; `at` is where a part of the resource is set."""
        command = by or self._kind.update

        async def update(id: Any, body: Any, call: Changing) -> Any:
            to = body if new is None else new(**body.model_dump())
            return call.changed(await command(call.session, id, to))

        name = f"set_{self._noun}_{at[1:]}" if at else f"update_{self._noun}"
        self._add(method, f"{self._one}{at}", update, name, says, body=body)

    def delete(self, says: str) -> None:
        async def delete(id: Any, call: Deleting) -> Response:
            return call.deleted(await self._kind.delete(call.session, id))

        name = f"delete_{self._noun}"
        self._add("DELETE", self._one, delete, name, says, response_model=None, responses=DELETES, status_code=204)

    def _add(
        self, method: str, path: str, endpoint: Endpoint, name: str, says: str, body: Any = None, **more: Any
    ) -> None:
        """FastAPI reads what is in the path and the body from the annotations, which are known only here."""
        types = {"id": self._id, "body": body}
        endpoint.__annotations__ |= {each: types[each] for each in types if each in endpoint.__annotations__}
        options = {"response_model": self._view, **more}
        self._router.add_api_route(path, endpoint, methods=[method], name=name, description=says, **options)
