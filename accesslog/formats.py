"""Where each format of an answer says what was used: one table, from which docs/client/formats.md is made.  Pure data.

Paths are those that envoy/lua/metering/answer_fields.lua finds: dotted, without the places in arrays, and here without
the object that some events wrap `usage` in (`message`, `response`, `delta`, …).  What is charged for them is usage.py.
"""

from typing import NamedTuple


class Format(NamedTuple):
    """Where several paths are present the greatest counts.  `beside_…`: tokens that the provider does not include in
    its input or output; they are added.  `marks`: the format applies only if one of these is present; without marks, if
    its input, output or total is."""

    name: str
    used_by: str
    input: tuple[str, ...]
    output: tuple[str, ...]
    total: str = ""
    beside_input: tuple[str, ...] = ()
    beside_output: tuple[str, ...] = ()
    cached: tuple[str, ...] = ()
    cache_write: tuple[str, ...] = ()
    cache_write_5m: str = ""
    cache_write_1h: str = ""
    reasoning: tuple[str, ...] = ()
    audio_input: tuple[str, ...] = ()
    audio_output: tuple[str, ...] = ()
    image_input: tuple[str, ...] = ()
    image_output: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


def paths_of(form: Format) -> tuple[str, ...]:
    """Every path that the format names."""
    _, _, *fields = form
    return tuple(path for field in fields for path in ((field,) if isinstance(field, str) else field) if path)


# What some events put around the counts.
WRAPPERS = frozenset({"message", "response", "delta", "interaction", "choices", "x_groq"})

# Other names of the same count: in what Amazon's Nova answers to InvokeModel.
ALIASES = {
    "usage.cacheReadInputTokenCount": "usage.cacheReadInputTokens",
    "usage.cacheWriteInputTokenCount": "usage.cacheWriteInputTokens",
}

# What a stream of Anthropic's reports of its input, at its start (`STARTS`) and again at its end.
STARTS, AT_END = "message.usage.", "usage."
INPUT = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
# Work for a message of Anthropic's that its own counts leave out, by kind: summing up a long context, and advice from
# another model.  Other iterations are in them.
LEFT_OUT = ("usage.iterations.compaction.", "usage.iterations.advisor_message.")

# Searches that a provider makes for a request, which have a price each: those of its own tools, and what a rerank is
# billed in.
SEARCHES = frozenset(
    {
        "usage.server_tool_use.web_search_requests",  # Anthropic
        "tool_usage.web_search.num_requests",  # OpenAI
        "usage.num_sources_used",  # xAI
        "usage.grounding_tool_count.google_search.count",  # Gemini's interactions
        "meta.billed_units.search_units",  # Cohere
    }
)

# Where an answer has the images that it made, one at each.
IMAGES = ("data.b64_json", "data.url", "predictions.bytesBase64Encoded")

# Tokens of images that a response's tool makes, and of the text of an SVG.
DRAWN, WRITTEN = "tool_usage.image_gen.output_tokens", "svg_usage.output_tokens"
# Output for which a request's own bound does not hold.
UNBOUND = frozenset({DRAWN, WRITTEN, *(f"{prefix}output_tokens" for prefix in LEFT_OUT)})
# Where a response's stream shows that there is an image, before its usage is reported.
SHOWN = ("partial_image_b64", "item.result")
# Images in the parts of a Gemini answer, as the meter counts them.
SEEN_IMAGES = "seen.images"

# The first format that applies is taken: some servers report the same usage in two formats.
FORMATS = (
    Format(
        "OpenAI chat, completions, embeddings",
        "OpenAI, Azure OpenAI, vLLM, SGLang, TGI, llama.cpp, Ollama, LMDeploy, TensorRT-LLM, LiteLLM, Mistral, "
        "DeepSeek, xAI, Groq, Moonshot; rerank and embeddings that report a total alone",
        input=("usage.prompt_tokens",),
        output=("usage.completion_tokens",),
        total="usage.total_tokens",
        cached=(
            "usage.prompt_tokens_details.cached_tokens",
            "usage.prompt_cache_hit_tokens",  # DeepSeek
            "usage.cached_tokens",  # Moonshot
            "usage.cache_read_input_tokens",  # LiteLLM
        ),
        cache_write=(
            "usage.prompt_tokens_details.cache_write_tokens",
            "usage.prompt_tokens_details.cache_creation_tokens",  # LiteLLM
            "usage.cache_creation_input_tokens",  # LiteLLM
        ),
        reasoning=(
            "usage.completion_tokens_details.reasoning_tokens",
            "usage.reasoning_tokens",  # SGLang
        ),
        audio_input=("usage.prompt_tokens_details.audio_tokens",),
        audio_output=("usage.completion_tokens_details.audio_tokens",),
        image_input=("usage.prompt_tokens_details.image_tokens",),
        image_output=("usage.completion_tokens_details.image_tokens",),
        marks=("usage.prompt_tokens", "usage.completion_tokens"),
    ),
    Format(
        "Anthropic messages",
        "Anthropic, also on Bedrock and Vertex; what it reads from and writes into its cache is beside its input",
        input=("usage.input_tokens",),
        output=("usage.output_tokens",),
        beside_input=("usage.cache_read_input_tokens", "usage.cache_creation_input_tokens"),
        cached=("usage.cache_read_input_tokens",),
        cache_write=("usage.cache_creation_input_tokens",),
        cache_write_5m="usage.cache_creation.ephemeral_5m_input_tokens",
        cache_write_1h="usage.cache_creation.ephemeral_1h_input_tokens",
        reasoning=("usage.output_tokens_details.thinking_tokens",),
        marks=("usage.cache_read_input_tokens", "usage.cache_creation_input_tokens"),
    ),
    Format(
        "Gemini interactions",
        "Gemini; thoughts are beside its output, results of tools beside its input",
        input=("usage.total_input_tokens",),
        output=("usage.total_output_tokens",),
        total="usage.total_tokens",
        beside_input=("usage.total_tool_use_tokens",),
        beside_output=("usage.total_thought_tokens",),
        cached=("usage.total_cached_tokens",),
        reasoning=("usage.total_thought_tokens",),
        marks=("usage.total_input_tokens", "usage.total_output_tokens"),
    ),
    Format(
        "OpenAI Responses, images, transcriptions, batches; Anthropic without cache",
        "OpenAI, Azure OpenAI, vLLM, Anthropic; what a response draws, and the writing of an SVG, is beside its input "
        "and output; 12 hours in its cache have the price of an hour, 30 minutes that of 5",
        input=("usage.input_tokens",),
        output=("usage.output_tokens",),
        total="usage.total_tokens",
        cached=("usage.input_tokens_details.cached_tokens",),
        beside_input=("tool_usage.image_gen.input_tokens", "svg_usage.input_tokens"),
        beside_output=(DRAWN, WRITTEN),
        cache_write=("usage.input_tokens_details.cache_write_tokens",),
        cache_write_1h="usage.input_tokens_details.cache_write_tokens_details.ttl_12h_tokens",
        reasoning=(
            "svg_usage.reasoning_tokens",
            "usage.output_tokens_details.reasoning_tokens",
            "usage.output_tokens_details.thinking_tokens",  # Anthropic
        ),
        audio_input=("usage.input_token_details.audio_tokens",),
        image_input=(
            "usage.input_tokens_details.image_tokens",
            "tool_usage.image_gen.input_tokens_details.image_tokens",
        ),
        image_output=("usage.output_tokens_details.image_tokens", DRAWN),
        marks=("usage.input_tokens", "usage.output_tokens", "usage.total_tokens"),
    ),
    Format(
        "Gemini generateContent",
        "Gemini, Vertex; thoughts are beside its output, prompts of tools beside its input",
        input=("usageMetadata.promptTokenCount",),
        output=("usageMetadata.candidatesTokenCount", "usageMetadata.responseTokenCount"),
        total="usageMetadata.totalTokenCount",
        beside_input=("usageMetadata.toolUsePromptTokenCount",),
        beside_output=("usageMetadata.thoughtsTokenCount",),
        cached=("usageMetadata.cachedContentTokenCount",),
        reasoning=("usageMetadata.thoughtsTokenCount",),
        audio_input=("usageMetadata.promptTokensDetails.AUDIO.tokenCount",),
        audio_output=("usageMetadata.candidatesTokensDetails.AUDIO.tokenCount",),
        image_input=("usageMetadata.promptTokensDetails.IMAGE.tokenCount",),
        image_output=("usageMetadata.candidatesTokensDetails.IMAGE.tokenCount",),
    ),
    Format(
        "Bedrock Converse",
        "Amazon Bedrock; what it reads from and writes into its cache is beside its input",
        input=("usage.inputTokens",),
        output=("usage.outputTokens",),
        total="usage.totalTokens",
        beside_input=("usage.cacheReadInputTokens", "usage.cacheWriteInputTokens"),
        cached=("usage.cacheReadInputTokens",),
        cache_write=("usage.cacheWriteInputTokens",),
        cache_write_5m="usage.cacheDetails.5m.inputTokens",
        cache_write_1h="usage.cacheDetails.1h.inputTokens",
    ),
    Format(
        "Cohere chat",
        "Cohere v2; what it bills",
        input=("usage.billed_units.input_tokens",),
        output=("usage.billed_units.output_tokens",),
        cached=("usage.cached_tokens",),
        image_input=("usage.billed_units.image_tokens",),
    ),
    Format(
        "Cohere chat, without what is billed",
        "Cohere v2",
        input=("usage.tokens.input_tokens",),
        output=("usage.tokens.output_tokens",),
        cached=("usage.cached_tokens",),
    ),
    Format(
        "Cohere embed, rerank, chat v1",
        "Cohere; the search units of a rerank are not tokens: its input is then estimated",
        input=("meta.billed_units.input_tokens",),
        output=("meta.billed_units.output_tokens",),
        beside_input=("meta.billed_units.image_tokens",),
        image_input=("meta.billed_units.image_tokens",),
    ),
    Format(
        "Ollama",
        "Ollama's /api/chat, /api/generate, /api/embed; a prompt that is all in its cache is not reported",
        input=("prompt_eval_count",),
        output=("eval_count",),
    ),
    Format(
        "SGLang generate",
        "SGLang's and LMDeploy's /generate; of several prompts the sum",
        input=("meta_info.prompt_tokens",),
        output=("meta_info.completion_tokens",),
        cached=("meta_info.cached_tokens",),
        reasoning=("meta_info.reasoning_tokens",),
    ),
    Format(
        "llama.cpp completion",
        "llama.cpp's /completion, /infill",
        input=("tokens_evaluated",),
        output=("tokens_predicted",),
        cached=("timings.cache_n",),
    ),
    Format(
        "llama.cpp timings",
        "llama.cpp's streams without include_usage",
        input=("timings.prompt_n",),
        output=("timings.predicted_n",),
        beside_input=("timings.cache_n",),
        cached=("timings.cache_n",),
    ),
    Format(
        "TGI generate",
        "TGI's /generate, /generate_stream: in the last event, or in headers",
        input=("details.input_length", "header.x-prompt-tokens"),
        output=("details.generated_tokens", "header.x-generated-tokens"),
    ),
    Format(
        "Triton generate",
        "TensorRT-LLM's backend of Triton, if asked to return the counts",
        input=("num_input_tokens",),
        output=("num_output_tokens",),
    ),
    Format(
        "Bedrock InvokeModel, streams",
        "Amazon Bedrock, in the last chunk, if the model's own answer has no usage",
        input=("amazon-bedrock-invocationMetrics.inputTokenCount",),
        output=("amazon-bedrock-invocationMetrics.outputTokenCount",),
        beside_input=(
            "amazon-bedrock-invocationMetrics.cacheReadInputTokenCount",
            "amazon-bedrock-invocationMetrics.cacheWriteInputTokenCount",
        ),
        cached=("amazon-bedrock-invocationMetrics.cacheReadInputTokenCount",),
        cache_write=("amazon-bedrock-invocationMetrics.cacheWriteInputTokenCount",),
    ),
    Format(
        "Bedrock InvokeModel",
        "Amazon Bedrock, in headers, if the model's own answer has no usage",
        input=("header.x-amzn-bedrock-input-token-count",),
        output=("header.x-amzn-bedrock-output-token-count",),
        beside_input=(
            "header.x-amzn-bedrock-cache-read-input-token-count",
            "header.x-amzn-bedrock-cache-write-input-token-count",
        ),
        cached=("header.x-amzn-bedrock-cache-read-input-token-count",),
        cache_write=("header.x-amzn-bedrock-cache-write-input-token-count",),
    ),
    Format(
        "Titan",
        "Amazon Titan on Bedrock",
        input=("inputTextTokenCount",),
        output=("results.tokenCount", "totalOutputTextTokenCount"),
    ),
    Format(
        "Llama on Bedrock",
        "Meta's models on Bedrock",
        input=("prompt_token_count",),
        output=("generation_token_count",),
    ),
    Format(
        "Vertex predict",
        "Vertex's text embeddings; of several texts the sum",
        input=("predictions.embeddings.statistics.token_count",),
        output=(),
    ),
    Format(
        "Text embeddings inference",
        "Hugging Face's TEI: /embed, /rerank, in a header",
        input=("header.x-compute-tokens",),
        output=(),
    ),
)
