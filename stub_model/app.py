"""The stub model's routes.  Owns HTTP and pacing; what is said and counted belongs to the shapes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from stub_model import anthropic_messages, openai_chat, openai_responses
from stub_model.gate import Gate
from stub_model.options import StubOptions
from stub_model.problems import Problem, body_of, parse

Events = Iterable[tuple[dict[str, Any], int]]
T = TypeVar("T", openai_chat.Completion, openai_responses.Response, anthropic_messages.Message)


def create_app(options: StubOptions | None = None) -> ASGIApp:
    """The whole server as an ASGI application."""
    routes = [
        Route("/v1/chat/completions", chat_completions, methods=["POST"]),
        Route("/v1/completions", completions, methods=["POST"]),
        Route("/v1/embeddings", embeddings, methods=["POST"]),
        Route("/v1/responses", responses, methods=["POST"]),
        Route("/v1/messages", messages, methods=["POST"]),
        Route("/v1/models", models),
        Route("/stub/requests", recorded, methods=["GET", "DELETE"]),
    ]
    app = Starlette(routes=routes, exception_handlers={Problem: _problem, HTTPException: _http_problem})
    app.router.redirect_slashes = False
    gate = app.state.gate = Gate(app, options or StubOptions())
    return gate


async def recorded(request: Request) -> Response:
    """What was asked, or with DELETE: it is forgotten."""
    gate: Gate = request.app.state.gate
    if request.method == "DELETE":
        gate.requests.clear()
        return Response(status_code=204)
    return JSONResponse(list(gate.requests))


async def chat_completions(request: Request) -> Response:
    return await _complete(request, chat=True)


async def completions(request: Request) -> Response:
    return await _complete(request, chat=False)


async def _complete(request: Request, chat: bool) -> Response:
    asked = openai_chat.completion(_body(request), _options(request), chat)
    return await _reply(asked, openai_chat.answer, openai_chat.events, named=False)


async def responses(request: Request) -> Response:
    asked = openai_responses.response(_body(request), _options(request))
    return await _reply(asked, openai_responses.answer, openai_responses.events, named=True)


async def messages(request: Request) -> Response:
    asked = anthropic_messages.message(_body(request), _options(request))
    return await _reply(asked, anthropic_messages.answer, anthropic_messages.events, named=True)


async def _reply(
    asked: T, answer: Callable[[T], dict[str, Any]], events: Callable[[T], Events], *, named: bool
) -> Response:
    if asked.stream:
        return StreamingResponse(_sse(events(asked), asked.options, named), media_type="text/event-stream")
    await _pause(asked.options, asked.usage.output)
    return JSONResponse(answer(asked))


async def embeddings(request: Request) -> Response:
    return JSONResponse(openai_chat.embeddings(_body(request), _options(request)))


async def models(request: Request) -> Response:
    return JSONResponse(openai_chat.models(_options(request)))


def _options(request: Request) -> StubOptions:
    options: StubOptions = request.state.options
    return options


def _body(request: Request) -> dict[str, Any]:
    return parse(request.state.body)


async def _sse(events: Events, options: StubOptions, named: bool) -> AsyncIterator[bytes]:
    """OpenAI's chat events have no name and end with [DONE]; the others name each by its type."""
    for event, size in events:
        await _pause(options, size)
        name = f"event: {event['type']}\n" if named else ""
        yield f"{name}data: {json.dumps(event)}\n\n".encode()
    if not named:
        yield b"data: [DONE]\n\n"


async def _pause(options: StubOptions, size: int) -> None:
    if options.tokens_per_second and size:
        await asyncio.sleep(size / options.tokens_per_second)


async def _problem(request: Request, error: Exception) -> Response:
    problem = error if isinstance(error, Problem) else Problem(500, "unexpected")
    return JSONResponse(body_of(problem, request.url.path), problem.status)


async def _http_problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    problem = Problem(status, f"Invalid URL ({request.method} {request.url.path})", code="unknown_url")
    return JSONResponse(body_of(problem, request.url.path), problem.status)
