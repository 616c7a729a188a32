"""As which request to the LiteLLM proxy each case of the suite is asked, and its models behind that."""

import re
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.formats.wire import AWS, NDJSON, SSE, Answer

MESSAGES = [{"role": "user", "content": "Say something of some length about the sea"}]
CHAT, TEXT, EMBED = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
STREAMS = (SSE, NDJSON, AWS)


class Way(NamedTuple):
    """`model` is a key of MODELS; `form`: the body is one, with a file."""

    path: str
    model: str
    body: dict[str, Any]
    form: bool = False


class Spoken(NamedTuple):
    """The cases of a module whose names match, and how they are asked for."""

    module: str
    names: str
    way: Way


def _chat(model: str) -> Way:
    return Way(CHAT, model, {"messages": MESSAGES, "max_tokens": 500})


def _generate(model: str) -> Way:
    contents = [{"role": "user", "parts": [{"text": MESSAGES[0]["content"]}]}]
    return Way("/v1beta/models/{model}:{method}", model, {"contents": contents})


MODELS = MappingProxyType(
    {
        "openai": "openai/gpt-4o-mini",
        "text": "text-completion-openai/gpt-3.5-turbo-instruct",
        "embedding": "openai/text-embedding-3-small",
        "image": "openai/gpt-image-1",
        "speech": "openai/gpt-4o-mini-tts",
        "transcription": "openai/gpt-4o-transcribe",
        "anthropic": "anthropic/claude-sonnet-4-5",
        "azure": "azure/gpt-4o-mini",
        "bedrock": "bedrock/converse/anthropic.claude-3-5-sonnet-20240620-v1:0",
        "bedrock-invoke": "bedrock/invoke/anthropic.claude-3-5-sonnet-20240620-v1:0",
        "cohere": "cohere_chat/command-r",
        "cohere-embed": "cohere/embed-english-v3.0",
        "cohere-rerank": "cohere/rerank-v3.5",
        "deepseek": "deepseek/deepseek-chat",
        "gemini": "gemini/gemini-2.5-flash",
        "groq": "groq/llama-3.3-70b-versatile",
        "mistral": "mistral/mistral-small-latest",
        "moonshot": "moonshot/kimi-k2-0711-preview",
        "xai": "xai/grok-4",
        "vllm": "hosted_vllm/qwen3-8b",
        "vllm-rerank": "hosted_vllm/bge-reranker",
        "llama": "openai/llama",
        "ollama": "ollama_chat/llama3",
        "ollama-generate": "ollama/llama3",
        "ollama-embed": "ollama/nomic-embed-text",
        "triton": "triton/llama3",
    }
)
# What a model's address has behind the model server's, where it is not what LiteLLM adds by itself.
BASES = MappingProxyType(
    {
        **dict.fromkeys(("openai", "text", "embedding", "image", "speech", "transcription", "llama", "vllm"), "/v1"),
        "cohere": "/v2/chat",
        "cohere-embed": "/v2/embed",
        "triton": "/v2/models/llama3/generate",
    }
)
SPEECH = {"input": MESSAGES[0]["content"], "voice": "alloy"}
IMAGE = {"prompt": "The sea"}
SPOKEN = (
    Spoken("test_openai_chat", ".*", _chat("openai")),
    Spoken("test_openai_completions", ".*", Way(TEXT, "text", {"prompt": "Once", "max_tokens": 500})),
    Spoken("test_openai_responses", ".*", Way("/v1/responses", "openai", {"input": "The sea"})),
    Spoken("test_openai_others", "embeddings", Way(EMBED, "embedding", {"input": "The sea"})),
    Spoken("test_openai_others", "images", Way("/v1/images/generations", "image", IMAGE)),
    Spoken("test_openai_others", "speech", Way("/v1/audio/speech", "speech", SPEECH)),
    Spoken("test_openai_others", "transcription.*", Way("/v1/audio/transcriptions", "transcription", {}, form=True)),
    Spoken(
        "test_anthropic", "plain|stream.*", Way("/v1/messages", "anthropic", {"messages": MESSAGES, "max_tokens": 500})
    ),
    Spoken("test_azure", ".*", _chat("azure")),
    Spoken("test_bedrock", "converse.*", _chat("bedrock")),
    Spoken("test_bedrock", "invoke stream(, .*)?", _chat("bedrock-invoke")),
    Spoken("test_cohere", "chat( stream.*)?", _chat("cohere")),
    Spoken("test_cohere", "embed", Way(EMBED, "cohere-embed", {"input": ["The sea"]})),
    Spoken("test_cohere", "rerank", Way("/v1/rerank", "cohere-rerank", {"query": "sea", "documents": ["a", "b"]})),
    Spoken("test_deepseek", ".*", _chat("deepseek")),
    Spoken("test_gemini", "plain|stream.*", _generate("gemini")),
    Spoken("test_groq", ".*", _chat("groq")),
    Spoken("test_mistral", ".*", _chat("mistral")),
    Spoken("test_moonshot", ".*", _chat("moonshot")),
    Spoken("test_xai", ".*", _chat("xai")),
    Spoken("test_vllm", "plain|stream.*", _chat("vllm")),
    Spoken("test_vllm", "rerank", Way("/v1/rerank", "vllm-rerank", {"query": "sea", "documents": ["a", "b"]})),
    Spoken("test_llama_cpp", "chat.*", _chat("llama")),
    Spoken("test_lmdeploy", "chat.*", _chat("llama")),
    Spoken("test_tensorrt_llm", "chat", _chat("llama")),
    Spoken("test_tensorrt_llm", "generate( with counts)?", _chat("triton")),
    Spoken("test_ollama", "plain|chat.*", _chat("ollama")),
    Spoken("test_ollama", "generate.*|a prompt all in its cache", _chat("ollama-generate")),
    Spoken("test_ollama", "embeddings", Way(EMBED, "ollama-embed", {"input": ["The sea"]})),
)


def way_of(module: str, name: str, answer: Answer) -> Way | None:
    """None for what the proxy does not speak: native routes of model servers, batches."""
    for spoken in SPOKEN:
        if spoken.module == module and re.fullmatch(spoken.names, name):
            return _asked(spoken.way, answer.content_type in STREAMS)
    return None


def _asked(way: Way, stream: bool) -> Way:
    if "{method}" in way.path:
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return way._replace(path=way.path.format(model=way.model, method=method))
    body = {**way.body, "model": way.model}
    if stream:
        body["stream"] = "true" if way.form else True
        if way.path in (CHAT, TEXT):
            body["stream_options"] = {"include_usage": True}
    return way._replace(body=body)
