"""Anthropic's Messages: request body → answer or stream of events.  Pure.

Anthropic counts what was read from and written to a cache beside `input_tokens`, not within.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stub_model import tokens
from stub_model.options import StubOptions
from stub_model.problems import Problem, integer, model_of, required, switch
from stub_model.tokens import Usage


@dataclass(frozen=True, slots=True)
class Message:
    """A parsed request to /v1/messages."""

    model: str
    options: StubOptions
    maximum: int
    usage: Usage
    stream: bool

    @property
    def size(self) -> int:
        return tokens.visible(self.options, self.maximum)

    @property
    def stop_reason(self) -> str:
        return "end_turn" if self.size == self.options.tokens else "max_tokens"


def message(body: dict[str, Any], options: StubOptions) -> Message:
    model = model_of(body, options.models)
    maximum = integer(body, "max_tokens")
    if maximum is None:
        raise Problem(400, "max_tokens: Field required")
    prompt = tokens.count(required(body, "messages", list)) + tokens.count(body.get("system"))
    usage = tokens.usage_of(options, prompt, maximum)
    return Message(model, options, maximum, usage, switch(body, "stream"))


def answer(request: Message) -> dict[str, Any]:
    content = [{"type": "text", "text": "".join(tokens.words(request.size))}]
    body = _envelope(request, content, request.stop_reason)
    if request.options.usage:
        body["usage"] = {**_input(request.usage), "output_tokens": request.usage.output}
    return body


def events(request: Message) -> Iterator[tuple[dict[str, Any], int]]:
    """Each event with the number of tokens it carries."""
    start = _envelope(request, [], None)
    ending: dict[str, Any] = {
        "type": "message_delta",
        "delta": {"stop_reason": request.stop_reason, "stop_sequence": None},
    }
    if request.options.usage:
        start["usage"] = {**_input(request.usage), "output_tokens": min(1, request.usage.output)}
        ending["usage"] = {"output_tokens": request.usage.output}
    yield {"type": "message_start", "message": start}, 0
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}, 0
    yield {"type": "ping"}, 0
    for text, size in tokens.pieces(request.size, request.options.tokens_per_event):
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}, size
    yield {"type": "content_block_stop", "index": 0}, 0
    yield ending, 0
    yield {"type": "message_stop"}, 0


def _envelope(request: Message, content: list[dict[str, Any]], stop_reason: str | None) -> dict[str, Any]:
    return {
        "id": "msg_stub",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
    }


def _input(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input - usage.cached - usage.cache_creation,
        "cache_read_input_tokens": usage.cached,
        "cache_creation_input_tokens": usage.cache_creation,
    }
