"""What the meter read of a request's body (envoy/lua/metering/asked.lua): names and counts in one string.  Pure.

The values are a client's, so whatever they are the result is a whole number within bounds.  Which names bound and which
multiply the output is decided here; what the tokens of the input are, in estimates/input.py.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, MsgspecError, Struct
from msgspec.json import Decoder

from ratelimit.tenants.count import MAX_TOKENS, parse_count
from serving.fast_json import read_json

# Where several are sent the greatest counts: `n_predict` and `n_cmpl` override OpenAI's names on llama.cpp only.
BOUNDS = (
    "max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens", "max_tokens_to_sample", "max_gen_len",
    "max_length", "num_predict", "n_predict", "maxTokens", "maxOutputTokens", "request_output_len",
    "options.num_predict", "parameters.max_new_tokens", "parameters.max_tokens", "parameters.maxOutputTokens",
    "parameters.max_length", "sampling_params.max_new_tokens", "sampling_params.max_tokens",
    "generationConfig.maxOutputTokens", "generationConfig.max_output_tokens",
    "generation_config.maxOutputTokens", "generation_config.max_output_tokens",
    "inferenceConfig.maxTokens", "inferenceConfig.max_new_tokens", "textGenerationConfig.maxTokenCount",
)  # fmt: skip
MULTIPLIERS = (
    "n", "best_of", "n_cmpl", "num_choices", "num_generations", "num_return_sequences", "candidateCount", "numResults",
    "num_images", "beam_width", "parameters.best_of", "parameters.n", "parameters.num_return_sequences",
    "parameters.candidateCount", "parameters.sampleCount", "sampling_params.n", "sampling_params.best_of",
    "generationConfig.candidateCount", "generationConfig.candidate_count",
    "generation_config.candidateCount", "generation_config.candidate_count",
)  # fmt: skip
_BOUNDS, _MULTIPLIERS = frozenset(BOUNDS), frozenset(MULTIPLIERS)
# A Body has fields of the same names.
_COUNTS = frozenset(("prompt_ids", "strings", "audio_ms", "audio_bytes", "video_bytes", "file_bytes"))
_WORDS = frozenset(("model", "size", "quality"))
MAX_OUTPUTS = 2**20  # for one request; the values in a body are fewer

# The entries of the previous version.
_OLD = ("model", "max_tokens", "max_completion_tokens", "max_output_tokens", "n", "body")

Sizes = tuple[tuple[int, int], ...]


class Body(Struct, frozen=True, gc=False):
    """`model`: "" for a body that names none as a string.  `bound` is the greatest output that it allows one answer,
    None if it names none; `outputs` is how many answers.  `text` is a sample of what is read (estimates/text.py).
    `images` counts all, `sizes` has those that are known."""

    model: str = ""
    bound: int | None = None
    outputs: int = 1
    prompt_ids: int = 0
    strings: int = 0
    text: tuple[int, ...] = ()
    images: int = 0
    sizes: Sizes = ()
    audio_ms: int = 0
    audio_bytes: int = 0
    video_bytes: int = 0
    file_bytes: int = 0
    size: str = ""
    quality: str = ""
    speaks: bool = False  # the answer is to have sound in it
    valid: bool = True
    given: bool = True  # whether there is a body
    measured: bool = True  # whether its content was measured, not only its names


NONE = Body(given=False)
INVALID = Body(valid=False)
Count = Annotated[int, Meta(ge=0, le=MAX_TOKENS)]


class _Usual(Struct, forbid_unknown_fields=True, gc=False):
    """What is said of most bodies: text, and whole numbers under the names that most clients use."""

    model: str = ""
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    max_output_tokens: Count | None = None
    n: Count | None = None
    prompts: int = 0
    prompt_ids: int = 0
    strings: int = 0
    text: tuple[int, ...] = ()

    def body(self) -> Body:
        bound, more, times = self.max_tokens, self.max_completion_tokens, self.n
        if more is None:
            more = self.max_output_tokens
        elif self.max_output_tokens is not None:
            more = max(more, self.max_output_tokens)
        if bound is None or (more is not None and more > bound):
            bound = more
        outputs = 1
        if times or self.prompts:
            outputs = min(max(1, self.prompts) * (times or 1), MAX_OUTPUTS)
        return Body(self.model, bound, outputs, self.prompt_ids, self.strings, self.text)


_usual = Decoder(_Usual).decode


def parse_body(asked: str) -> Body:
    """What the meter wrote; `-` or empty without a body."""
    if asked in ("", "-"):
        return NONE
    try:
        return _usual(asked).body()
    except MsgspecError:
        return parse_any_body(asked)


def parse_any_body(asked: str) -> Body:
    """The same, of whatever the meter may write."""
    try:
        read = read_json(asked)
    except ValueError:
        return INVALID  # an escape that no JSON has, in one of the values
    if not isinstance(read, dict) or "body" in read:
        return INVALID
    bound, times, counts = None, 1, dict[str, Any]()
    for name, value in read.items():  # a few of some 60 possible names
        if name in _COUNTS:
            counts[name] = value
        elif name in _WORDS:
            counts[name] = value if isinstance(value, str) else ""
        elif name in _BOUNDS:
            count = _count(value)
            if count is not None and (bound is None or count > bound):
                bound = count
        elif name in _MULTIPLIERS:
            times = max(times, _count(value) or 1)
    return Body(
        bound=bound,
        outputs=min(max(1, read.get("prompts", 0)) * times, MAX_OUTPUTS),
        text=tuple(read.get("text", ())),
        images=read.get("image_count", 0),
        sizes=tuple((width, height) for width, height in read["images"]) if "images" in read else (),
        speaks="speaks" in read,
        **counts,
    )


class Read(NamedTuple):
    """What it took to read a body: bytes and values, each 0 if there are few."""

    size: int = 0
    values: int = 0


def read_of(asked: str) -> Read:
    """What reading the body took, as the meter reports it; also for an invalid body."""
    try:
        read = read_json(asked)
    except ValueError:
        return Read()
    counts = [read.get(name) if isinstance(read, dict) else None for name in ("length", "values")]
    size, values = (count if type(count) is int else 0 for count in counts)
    return Read(size, values)


def body_before(entries: Mapping[str, str]) -> Body:
    """The body as the previous version's Envoy configuration describes it, an entry for each value: during an upgrade
    that stays in use for a while.  Without `text` the input is estimated by its length."""
    given = {name: text for name, text in entries.items() if name in _OLD and text != "-"}
    if "body" in given:
        return INVALID
    bounds = [count for name in given.keys() & _BOUNDS if (count := _count(given[name])) is not None]
    return Body(
        given.get("model", ""),
        max(bounds, default=None),
        min(max(1, _count(given.get("n")) or 1), MAX_OUTPUTS),
        given=bool(given),
        measured=False,
    )


def _count(value: object) -> int | None:
    """Lenient servers take a string for a number."""
    if type(value) is int and 0 <= value <= MAX_TOKENS:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return parse_count(str(value).strip())
