"""OpenAI's chat completions, completions, embeddings and models: request body → answer or stream of events.  Pure."""

import base64
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stub_model import tokens
from stub_model.options import StubOptions
from stub_model.problems import Problem, integer, model_of, required, switch
from stub_model.tokens import Usage

CREATED = 1_700_000_000  # deterministic answers: the same request gives the same bytes
DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class Completion:
    """A parsed request to /v1/chat/completions (`chat`) or /v1/completions."""

    chat: bool
    model: str
    options: StubOptions
    maximum: int | None
    replies: int
    usage: Usage
    stream: bool
    include_usage: bool

    @property
    def size(self) -> int:
        return tokens.visible(self.options, self.maximum)

    @property
    def finish_reason(self) -> str:
        return "stop" if self.maximum is None or self.size == self.options.tokens else "length"


def completion(body: dict[str, Any], options: StubOptions, chat: bool) -> Completion:
    model = model_of(body, options.models)
    prompt = required(body, "messages", list) if chat else required(body, "prompt", str, list)
    prompts = len(prompt) if isinstance(prompt, list) and not chat and isinstance(prompt[0], (str, list)) else 1
    maximum = integer(body, "max_completion_tokens", "max_tokens") if chat else integer(body, "max_tokens")
    replies = (integer(body, "n") or 1) * prompts
    stream = switch(body, "stream")
    stream_options = body.get("stream_options")
    if stream_options is not None and not stream:
        raise Problem(400, "stream_options is only allowed when stream is true", "stream_options")
    if stream_options is not None and not isinstance(stream_options, dict):
        raise Problem(400, "stream_options must be an object", "stream_options")
    return Completion(
        chat=chat,
        model=model,
        options=options,
        maximum=maximum,
        replies=replies,
        usage=tokens.usage_of(options, tokens.count(prompt), maximum, replies),
        stream=stream,
        include_usage=options.usage and switch(stream_options or {}, "include_usage"),
    )


def answer(request: Completion) -> dict[str, Any]:
    text = "".join(tokens.words(request.size))
    choices = [_choice(request, index, text) for index in range(request.replies)]
    body = _envelope(request, "chat.completion" if request.chat else "text_completion", choices)
    if request.options.usage:
        body["usage"] = usage_body(request.usage)
    return body


def events(request: Completion) -> Iterator[tuple[dict[str, Any], int]]:
    """Each event with the number of tokens it carries."""
    if request.chat:
        for index in range(request.replies):
            yield _chunk(request, index, {"role": "assistant", "content": ""}, None), 0
    for text, size in tokens.pieces(request.size, request.options.tokens_per_event):
        for index in range(request.replies):
            yield _chunk(request, index, {"content": text}, None), size
    for index in range(request.replies):
        yield _chunk(request, index, {}, request.finish_reason), 0
    if request.include_usage:
        yield _envelope(request, _chunk_object(request), [], usage=usage_body(request.usage)), 0


def usage_body(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": 0},
    }


def _envelope(request: Completion, kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    name = "chatcmpl-stub" if request.chat else "cmpl-stub"
    return {"id": name, "object": kind, "created": CREATED, "model": request.model, "choices": choices, **more}


def _choice(request: Completion, index: int, text: str) -> dict[str, Any]:
    common = {"index": index, "logprobs": None, "finish_reason": request.finish_reason}
    if not request.chat:
        return {"text": text, **common}
    return {"message": {"role": "assistant", "content": text, "refusal": None}, **common}


def _chunk(request: Completion, index: int, delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    common = {"index": index, "logprobs": None, "finish_reason": finish_reason}
    choice = {"delta": delta, **common} if request.chat else {"text": delta.get("content", ""), **common}
    more = {"usage": None} if request.include_usage else {}
    return _envelope(request, _chunk_object(request), [choice], **more)


def _chunk_object(request: Completion) -> str:
    return "chat.completion.chunk" if request.chat else "text_completion"


def embeddings(body: dict[str, Any], options: StubOptions) -> dict[str, Any]:
    model = model_of(body, options.models)
    value = required(body, "input", str, list)
    inputs = value if isinstance(value, list) and isinstance(value[0], (str, list)) else [value]
    dimensions = integer(body, "dimensions") or DIMENSIONS
    encoded = body.get("encoding_format") == "base64"
    data = []
    for index, item in enumerate(inputs):
        vector = _vector(item, dimensions)
        embedding = base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode() if encoded else vector
        data.append({"object": "embedding", "index": index, "embedding": embedding})
    answer: dict[str, Any] = {"object": "list", "data": data, "model": model}
    if options.usage:
        prompt = tokens.count(value)
        answer["usage"] = {"prompt_tokens": prompt, "total_tokens": prompt}
    return answer


def _vector(item: object, dimensions: int) -> list[float]:
    digest = hashlib.sha256(repr(item).encode()).digest()
    return [digest[index % len(digest)] / 255 for index in range(dimensions)]


def models(options: StubOptions) -> dict[str, Any]:
    names = [{"id": name, "object": "model", "created": CREATED, "owned_by": "tollkeeper"} for name in options.models]
    return {"object": "list", "data": names}
