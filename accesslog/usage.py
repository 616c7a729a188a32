"""What a finished request used: from the model server's report, or estimated when there is none.  Pure.

The rules, first match wins; an estimate errs towards charging, because a client chooses when to leave.

| request                                            | source    | tokens                                          |
|----------------------------------------------------|-----------|-------------------------------------------------|
| refused                                            | none      | 0                                               |
| runs no model: counts, reads, an earlier answer    | none      | 0, whatever usage the answer repeats            |
| calls an MCP server that is priced                 | estimated | by the bytes of the answer that passed          |
| goes on in the background, until read (`jobs/`)    | estimated | the greater of what was reserved and what was seen |
| usage reported of the first of several results     | estimated | the greater of that for each, and what was seen  |
| usage reported, answer complete                    | reported  | as reported                                     |
| usage reported, answer aborted, cut or failed      | as it is  | the greater of that and what was produced       |
| Envoy gave up on a model server that was at work   | estimated | input estimate + what was produced              |
| failed (status from 400) and the client stayed     | none      | 0                                               |
| the client left, or no status                      | estimated | input estimate + what was produced              |
| 2xx                                                | estimated | input estimate + what was seen of the output    |
| the last two, and it drew an image                 | estimated | DRAWN_TOKENS more                               |
| anything else                                      | none      | 0                                               |

Of a request that is answered from the cache this is what its answer is worth; what is charged of it is in cached.py.

A report of which a part is missing or not believed is completed by the estimate of that part, and then is one.

What was produced is what was seen.  Of an answer that has not shown its end, and of which nothing was seen yet, or
which comes in one piece, or whose model thinks without showing it, it is what the model writes in the time that passed,
at most what was reserved: by the speed that is known of the model, else by FASTEST.  Of another stream it is what was
seen, divided by the part of its output that the model is known to show.  An operator may refund that: then only what
was seen is charged.  Of a whole answer that cannot be read it is the same, but by a known speed alone; and of images
what was reserved.
"""

from collections.abc import Mapping
from math import ceil
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from accesslog.answer import UNREAD, UNSEEN
from accesslog.entry import LogEntry
from accesslog.formats import IMAGES, SEARCHES, SHOWN, UNBOUND
from accesslog.report import NO_PARTS, Parts, Report, report_of, searches_of
from accesslog.tokens_seen import (
    TEXT_BYTES_PER_TOKEN,
    capped,
    estimated_output,
    image_tokens,
    is_sound,
    made_tokens,
    seen_output,
    sound_tokens,
    tokens_seen,
)
from ledger.row import UsageSource
from ratelimit.budgets.rule import UNKNOWN, Used
from ratelimit.tenants.mcp.screening import KIND as MCP
from ratelimit.tenants.routes.kind import INPUT_ONLY, Kind
from tenancy.values.admission import Admission

# Looked up by its class, a member of an enumeration costs ten times as much.
REPORTED, ESTIMATED, NONE = UsageSource.REPORTED, UsageSource.ESTIMATED, UsageSource.NONE
DRAWS, SPEAKS, REFUSED = Kind.DRAWS, Kind.SPEAKS, Admission.REFUSED
# A hundred times the longest context of any model.
BELIEVED_MAX = 10**8
BELIEVED_MAX_BATCH = 10**11  # of 100,000 requests
# How much more than the request allowed, or than was seen, a reported output may be: some servers do not count what a
# model thinks against the bound, and text in other scripts has more tokens.
BELIEVED_TIMES_CAP, BELIEVED_TIMES_SEEN = 4, 16
# Results whose usage a server left out (llama.cpp), as the meter counts them.
UNREPORTED = "results.unreported"
# Tokens a second, of a model that nothing is known of: hardly one is faster.
FASTEST = 1000.0
# Of an image that a response had made when its client left: OpenAI's largest square.
DRAWN_TOKENS = 4160
# A model that shows less of its output than this thinks in secret; the rest is what events with several tokens hide.
SHOWN_ALL = 0.5
# Of a response that is not made yet.
_PUT_OFF = frozenset({"queued", "in_progress"})


class Usage(Struct, frozen=True, gc=False):
    """LLM tokens, and at the end the images that were made and the provider's searches.  `cached_tokens` (read from a
    cache), what was written into one for 5 minutes or 1 hour, audio and image input are parts of the input;
    `reasoning_tokens`, audio and image output are parts of the output."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    source: UsageSource
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    audio_input: int = 0
    audio_output: int = 0
    image_input: int = 0
    image_output: int = 0
    images: int = 0
    searches: int = 0

    def parts(self) -> tuple[int, ...]:
        """In the order of ledger.row.PARTS."""
        written = self.cache_write_5m, self.cache_write_1h
        of_media = self.audio_input, self.audio_output, self.image_input, self.image_output
        return (*written, *of_media, self.images, self.searches)

    def used(self, cost: int = UNKNOWN) -> Used:
        """As budgets count it; `cost`: see Used."""
        return Used(self.input_tokens, self.output_tokens, self.cached_tokens, self.reasoning_tokens, cost)


NO_USAGE = Usage(0, 0, 0, 0, NONE)


class Speed(NamedTuple):
    """Of a model: output tokens a second, of the whole time that a request takes; 0 if it is not known.  `shown`: the
    part of its output that is seen in streams."""

    tokens_per_second: float
    shown: float = 1.0


UNKNOWN_SPEED = Speed(0.0)


def usage_of(entry: LogEntry, speed: Speed = UNKNOWN_SPEED, *, refunds: bool = False) -> Usage:
    """What the request is charged, and where the numbers come from.  `refunds`: what was produced and not seen is not
    charged."""
    usage, counts = _tokens_of(entry, speed, refunds=refunds), entry.answer.counts
    if usage is NO_USAGE or (not entry.decision.images and SEARCHES.isdisjoint(counts)):
        return usage
    return replace(usage, images=_images(entry) if entry.decision.images else 0, searches=searches_of(counts))


def depends_on_speed(entry: LogEntry) -> bool:
    """Whether it matters to `usage_of` how fast the model writes: not where an answer came whole and could be read."""
    return entry.aborted or entry.given_up or entry.status == 0 or entry.answer.ended == UNREAD


def _images(entry: LogEntry) -> int:
    """The images in the answer; if none can be seen, as many as were requested."""
    counts = entry.answer.counts
    return max((counts.get(path, 0) for path in IMAGES), default=0) or entry.decision.images


def _tokens_of(entry: LogEntry, speed: Speed, *, refunds: bool) -> Usage:
    decision = entry.decision
    if decision.admission == REFUSED or decision.denied or not decision.inference:
        return NO_USAGE
    counts = entry.answer.counts
    if decision.kind == MCP:
        return Usage(0, ceil(entry.answer.text_bytes / TEXT_BYTES_PER_TOKEN), 0, 0, ESTIMATED)
    if is_put_off(entry):
        output_tokens = max(_reserved_output(entry), seen_output(entry))
        return Usage(decision.input_estimate, output_tokens, 0, 0, ESTIMATED)
    report = report_of(counts) if counts else None
    unseen = _unseen_output(entry, speed, refunds=refunds)
    if report is not None:
        return _reported(entry, report, unseen)
    if entry.given_up and not refunds:
        return _estimated(entry, unseen)
    if entry.aborted or entry.status == 0 or 200 <= entry.status < 300:
        usage = _estimated(entry, max(estimated_output(entry), unseen))
        return _with_drawn(usage) if any(path in counts for path in SHOWN) else usage
    return NO_USAGE


def _estimated(entry: LogEntry, output_tokens: int) -> Usage:
    spoken = is_sound(entry) or entry.decision.kind == SPEAKS
    sound = output_tokens if spoken else min(sound_tokens(entry), output_tokens)
    images = min(image_tokens(entry), output_tokens - sound)
    return Usage(entry.decision.input_estimate, output_tokens, 0, 0, ESTIMATED, audio_output=sound, image_output=images)


def _with_drawn(usage: Usage) -> Usage:
    return replace(usage, output_tokens=usage.output_tokens + DRAWN_TOKENS, image_output=DRAWN_TOKENS)


def usage_of_report(counts: Mapping[str, int]) -> Usage | None:
    """What an answer reports of another request; None if it does not, or what nobody would believe."""
    report = report_of(counts) if counts else None
    if report is None:
        return None
    input_tokens, output_tokens = report.input_tokens or 0, report.output_tokens or 0
    if max(input_tokens, output_tokens) > BELIEVED_MAX_BATCH:
        return None
    usage = _with_parts(input_tokens, output_tokens, report.parts, REPORTED)
    return usage if SEARCHES.isdisjoint(counts) else replace(usage, searches=searches_of(counts))


def is_put_off(entry: LogEntry) -> bool:
    """Whether the response is made in the background, after its caller was answered."""
    answer = entry.answer
    if not (answer.background or answer.status in _PUT_OFF) or (entry.status >= 400 and not entry.aborted):
        return False
    if answer.status in _PUT_OFF and not entry.streamed:
        return True
    return answer.background and not answer.ended


def _reported(entry: LogEntry, report: Report, unseen: int) -> Usage:
    source = REPORTED
    input_tokens, output_tokens = report.input_tokens, report.output_tokens
    # A placeholder: a model that ran has read something, and what passed was written.
    if input_tokens == 0 and (output_tokens or entry.answer.events or entry.decision.kind in INPUT_ONLY):
        input_tokens = None
    if output_tokens == 0 and entry.answer.events:
        output_tokens = None
    if input_tokens is None or input_tokens > BELIEVED_MAX:
        input_tokens, source = entry.decision.input_estimate, ESTIMATED
    if output_tokens is None or not _is_believed(entry, output_tokens - _unbound(entry)):
        output_tokens = seen_output(entry)
        if output_tokens:
            source = ESTIMATED
    elif not _is_complete(entry) and (produced := max(seen_output(entry), unseen)) > output_tokens:
        output_tokens, source = produced, ESTIMATED
    if entry.answer.counts.get(UNREPORTED):
        input_tokens, output_tokens = _of_all_results(entry, input_tokens, output_tokens)
        source = ESTIMATED
    parts = report.parts
    if source is ESTIMATED and (images := image_tokens(entry)):
        parts = parts._replace(image_output=max(parts.image_output, images))
    if parts is NO_PARTS:
        return Usage(input_tokens, output_tokens, 0, 0, source)
    return _with_parts(input_tokens, output_tokens, parts, source)


def _unbound(entry: LogEntry) -> int:
    """Of the reported output what the request's own bound does not hold for."""
    counts = entry.answer.counts
    return 0 if UNBOUND.isdisjoint(counts) else sum(counts.get(path, 0) for path in UNBOUND)


def _of_all_results(entry: LogEntry, input_tokens: int, output_tokens: int) -> tuple[int, int]:
    """Scales a report on the first result to all: they were about as long, or as seen; their prompts may differ."""
    all_output = capped(entry, output_tokens * (1 + entry.answer.counts[UNREPORTED]))
    return max(input_tokens, entry.decision.input_estimate), max(output_tokens, all_output, seen_output(entry))


def _with_parts(input_tokens: int, output_tokens: int, parts: Parts, source: UsageSource) -> Usage:
    """No part is more than the whole; what was read from a cache was not also written into it."""
    cached = min(parts.cached_tokens, input_tokens)
    one_hour = min(parts.cache_write_1h, input_tokens - cached)
    return Usage(
        input_tokens,
        output_tokens,
        cached,
        min(parts.reasoning_tokens, output_tokens),
        source,
        min(parts.cache_write_5m, input_tokens - cached - one_hour),
        one_hour,
        min(parts.audio_input, input_tokens),
        min(parts.audio_output, output_tokens),
        min(parts.image_input, input_tokens),
        min(parts.image_output, output_tokens),
    )


def _is_complete(entry: LogEntry) -> bool:
    """Whether the answer said all that it had to say.  A stream that just ends did not."""
    if entry.aborted or entry.answer.ended == "error":
        return False
    return entry.answer.ended in ("done", UNSEEN) or not (entry.streamed or entry.answer.events > 1)


def _is_believed(entry: LogEntry, output_tokens: int) -> bool:
    cap = entry.decision.output_cap
    if cap == 0 or output_tokens <= BELIEVED_TIMES_CAP * cap or entry.answer.ended == UNSEEN:
        return output_tokens <= BELIEVED_MAX
    return output_tokens <= BELIEVED_TIMES_SEEN * tokens_seen(entry)


def _reserved_output(entry: LogEntry) -> int:
    reserved, cap = max(0, entry.decision.reserved_tokens - entry.decision.input_estimate), entry.decision.output_cap
    return min(reserved, cap) if cap > 0 else reserved


def _unseen_output(entry: LogEntry, speed: Speed, *, refunds: bool) -> int:
    """The output that was made, seen or not; 0 if what was seen is all that there is to know."""
    answer, reserved = entry.answer, _reserved_output(entry)
    is_whole = not (entry.aborted or entry.given_up or entry.status == 0)
    if is_whole:
        if entry.decision.kind == DRAWS or (answer.ended == UNREAD and not speed.tokens_per_second):
            return reserved
        return min(reserved, _written(entry, speed)) if answer.ended == UNREAD else 0
    if refunds or answer.ended == "done" or (entry.status >= 400 and not entry.given_up):
        return 0
    if entry.decision.kind == DRAWS:
        return reserved
    if is_sound(entry) and entry.bytes_out:
        return made_tokens(entry)
    if entry.streamed and answer.ended != UNREAD and speed.shown >= SHOWN_ALL and (seen := tokens_seen(entry)):
        return min(reserved, ceil(seen / speed.shown))
    return min(reserved, _written(entry, speed))


def _written(entry: LogEntry, speed: Speed) -> int:
    """The tokens that a model writes in the time that the request took."""
    return ceil((speed.tokens_per_second or FASTEST) * entry.total_ms / 1000)
