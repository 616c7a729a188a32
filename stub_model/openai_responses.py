"""OpenAI's Responses: request body → answer or stream of events.  Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stub_model import tokens
from stub_model.openai_chat import CREATED
from stub_model.options import StubOptions
from stub_model.problems import integer, model_of, required, switch
from stub_model.tokens import Usage

ITEM = "msg_stub"


@dataclass(frozen=True, slots=True)
class Response:
    """A parsed request to /v1/responses."""

    model: str
    options: StubOptions
    maximum: int | None
    usage: Usage
    stream: bool
    instructions: str | None

    @property
    def size(self) -> int:
        return tokens.visible(self.options, self.maximum)

    @property
    def text(self) -> str:
        return "".join(tokens.words(self.size))


def response(body: dict[str, Any], options: StubOptions) -> Response:
    maximum = integer(body, "max_output_tokens")
    instructions = body.get("instructions")
    prompt = tokens.count(required(body, "input", str, list)) + tokens.count(instructions)
    return Response(
        model=model_of(body, options.models),
        options=options,
        maximum=maximum,
        usage=tokens.usage_of(options, prompt, maximum),
        stream=switch(body, "stream"),
        instructions=instructions if isinstance(instructions, str) else None,
    )


def answer(request: Response) -> dict[str, Any]:
    status = "completed" if request.size == request.options.tokens else "incomplete"
    body = _envelope(request, status, [_item(status, _part(request.text))])
    if request.options.usage:
        body["usage"] = _usage(request.usage)
    return body


def events(request: Response) -> Iterator[tuple[dict[str, Any], int]]:
    """Each event with the number of tokens it carries."""
    for number, (event, size) in enumerate(_events(request)):
        yield {**event, "sequence_number": number}, size


def _events(request: Response) -> Iterator[tuple[dict[str, Any], int]]:
    place = {"item_id": ITEM, "output_index": 0, "content_index": 0}
    started = _envelope(request, "in_progress", [])
    yield {"type": "response.created", "response": started}, 0
    yield {"type": "response.in_progress", "response": started}, 0
    yield {"type": "response.output_item.added", "output_index": 0, "item": _item("in_progress")}, 0
    yield {"type": "response.content_part.added", **place, "part": _part("")}, 0
    for piece, size in tokens.pieces(request.size, request.options.tokens_per_event):
        yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}, size
    final = answer(request)
    yield {"type": "response.output_text.done", **place, "text": request.text, "logprobs": []}, 0
    yield {"type": "response.content_part.done", **place, "part": _part(request.text)}, 0
    yield {"type": "response.output_item.done", "output_index": 0, "item": final["output"][0]}, 0
    yield {"type": f"response.{final['status']}", "response": final}, 0


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _item(status: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "id": ITEM, "status": status, "role": "assistant", "content": list(parts)}


def _envelope(request: Response, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "resp_stub",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": request.instructions,
        "max_output_tokens": request.maximum,
        "model": request.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }
