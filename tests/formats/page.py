"""docs/client/formats.md, made of accesslog/formats.py and of the cases that are tried here.  To write it anew:

python -m tests.formats.page
"""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from accesslog import tokens_seen, usage
from accesslog.formats import FORMATS, SEARCHES, Format
from ledger.row import UsageSource
from ratelimit.tenants.average import MEMORY, NEEDED
from ratelimit.tenants.estimates.corrections import INPUT_MIN, LEAST, MANY, MOST, SCALE
from ratelimit.tenants.estimates.media import SPOKEN_TOKENS
from ratelimit.tenants.routes.kind import Kind
from ratelimit.tenants.routes.table import SERVERS, parse_routes
from tests.formats import providers, sdks, servers, test_bug_reports
from tests.formats.litellm import table

PAGE = Path(__file__).parents[2] / "docs/client/formats.md"

INTRODUCTION = f"""# Formats of answers

Made from `accesslog/formats.py` and `tests/formats/` by `python -m tests.formats.page`; do not edit it.

A Lua filter in Envoy reads each answer as it passes, holds nothing of it back, and writes what it found into the access
log. What is found are whole numbers at the places below, and how much text and sound passed. The same words in a text, in an
echoed object of the client's or in the arguments of a tool call are not read.

- The greatest count that was seen at a place counts: a later 0 or placeholder takes nothing away.
- `null`, text, objects, negative numbers are no counts. A part of a report that is missing is estimated, and then the
  row says `estimated`.
- A whole is no less than its parts: some servers leave what came from their cache, or what was thought, out of it. An input
  or output of 0 is a placeholder where there was some of either, and is estimated.
- What a stream of Anthropic's says of its input at its end replaces what it said at its start, unless that was more: servers that
  speak this API move input into the cache in between.
- The work that Anthropic leaves out of a message's own counts, summing up a long context and asking another model for advice
  (`usage.iterations`), is added, at the prices of the message's model.
- What a provider counts beside input and output (reasoning, thoughts, prompts of tools, a cache) is charged; if only
  its total shows it, as output.
- An answer that has only a total (embeddings, rerank) is charged it as input.
- llama.cpp reports the first of several plain results alone: the others are taken to be as long, and not shorter than seen.
- Routes that run no model (`tollkeeper routes` shows them: counts, files, reads of an earlier answer) are charged nothing,
  whatever usage their answers repeat.
- A response that is made in the background keeps its reservation, without a slot, until one of its tenant's keys reads,
  resumes or cancels it and the answer says that it is over and what it used; then the row of the request that began it is
  completed, once, no matter who reads it and how often. A batch is charged in the same way, at the prices of batches: by
  the usage in its object, else by the answers in its results (Anthropic's `results`, OpenAI's and Mistral's file or object),
  added up. One that is never read as finished stays as it was reserved, which for a batch is nothing; `TOLLKEEPER_JOB_HOURS`
  bounds the wait.
  Of results that are left half read, what was seen is charged; the longest reading counts. One that failed costs nothing;
  a response that was cancelled without a word of its use stays as reserved. Lists of files, batches and stored answers are
  refused: they are of the whole account, and a file that is found in one, without its batch, would not be charged; so is what
  gives out a signed URL of a file. Gemini's batches and Cohere's jobs of
  embeddings, which speak of themselves in another way, are refused unless `TOLLKEEPER_ROUTES` opens them, and then are free.
- An answer that the client left, that the server or Envoy cut, that an error ended or that ends without its end is
  charged the greater of what it reported and what was seen of it.
- An image among the parts of a Gemini answer that ends before it was reported is {tokens_seen.IMAGE_TOKENS:,} tokens, within what the
  request allowed. A response that a client leaves after an image of its tool came is charged {usage.DRAWN_TOKENS:,} tokens
  for it, beyond what the request allowed: its bound is one of text, and the provider charges the image beside it.
- A reported output that is more than {usage.BELIEVED_TIMES_CAP} times what the request allowed, and more than {usage.BELIEVED_TIMES_SEEN} times what was
  seen, is not believed; nor is any count beyond {usage.BELIEVED_MAX:,}.

What a model made and nobody saw is charged too: of a plain answer that the client left, of one that Envoy's own timeout
ended, of a stream left before its first text, or of a model that thinks in secret. Without a report it is as many tokens as
the model writes in that time, at most what was reserved, and `estimated`. How fast a model is, a sidecar learns from its
whole answers with reported usage (the geometric mean of the last 50 or so, from 20 on); before that {usage.FASTEST:,.0f} tokens a second
are assumed. From the same answers it learns which part of a model's tokens is seen in its streams (fewer than all where an
event has several short ones), by which what was seen of a stream that ends early is divided. `TOLLKEEPER_UNDELIVERED=refund`
charges only what was seen.

What was seen is a token an event where events have up to {tokens_seen.TOKEN_MAX_BYTES} bytes of text on average, else {tokens_seen.TEXT_BYTES_PER_TOKEN} bytes of text a
token. Counts that are set while a stream runs may lag by an eighth, and by 16 events, when it ends early. Over 200 random
cuts of three formats (`tests/formats/test_cuts.py`), half of the charges are within 1% of what the server had made where an
event has one token, and within 5% where it has one or two.

Sound that comes without a report (speech as a file, the pieces of a stream that ends early) is {tokens_seen.TOKENS_PER_SECOND} tokens a second, by its
bytes: at the rate that a WAVE or MP3 says, in a stream of events by what its first one begins with, else at {8 * tokens_seen.OF_MP3 // 1000} kbit/s, for PCM at {8 * tokens_seen.OF_SAMPLES // 1000}, for Opus at {8 * tokens_seen.RATES["audio/opus"] // 1000}. Of what its client left it is
what passed; but all of it, where the server said its length, since then it had made it.

Not read: what is in a single AWS frame of more than 1 MiB (what is before and behind it is); images and video,
which are charged the estimate of their input; answers compressed in another way than gzip (the chain asks for
`identity`), or framed in a way that cannot be followed: these are charged what was reserved, as nothing tells of less.
"""

BEFORE = f"""## Before a request runs

Its cost is estimated and reserved: the input by what is in it (text by the classes of its characters, images by their size,
speech by its duration, a list of ids by its length), and the greatest output that it allows, for as many outputs as it asks for.
Speech that is to be made is expected to be {SPOKEN_TOKENS} tokens of sound a token of its text, also in a chat that asks for sound
(`modalities`, `responseModalities`), whose output is then priced as sound.
Without a bound TOLLKEEPER_DEFAULT_MAX_TOKENS are expected. So a budget is passed by at most what one request, or those that run
at the same time, use beyond their estimates.

On texts in five scripts, code, JSON and UUIDs to which nothing was fitted, the estimates' median error is 9 to 18% against each
of four vocabularies (`tests/envoy/metering/test_estimates.py`). Of one script alone it is up to 25% (Chinese), but 32% in Arabic and 47%
in Hindi, on which the vocabularies differ by 3 times, so that no constant could do much better: of Hindi some make half as many
tokens as is estimated, and the others nearly twice as many. So each sidecar learns: of a
model, a kind of route and a script (Latin, other alphabets, Indic, Chinese and Japanese, Hangul: that of most letters) it multiplies estimates of text by the geometric mean of what was reported, divided by what the text was
taken for before any correction, of the last {MEMORY} or so requests, from {NEEDED} on; at least by {LEAST / SCALE} and at most by
{MOST / SCALE}. Requests with fewer than {INPUT_MIN} tokens, or with anything but text in them, teach nothing. That depends on nothing but the
reports, in their order; it is kept in memory, of {MANY:,} models, routes and scripts at most, and learned anew after a start, by each process
that serves both ratelimit and accesslog. `tollkeeper learned` shows it.
"""

REPORTED = """The answers of these public bug reports on other gateways, clients and model servers are tried too
(`tests/formats/test_bug_reports.py`), each as the report has it:
"""

NOT_SERVED = """Of the providers' own clients each route is in a table, or begins with one of these, which are in none and answered with 404
(`python -m tests.formats.sdks` compares them): they keep things for the whole account, which a tenant would share with others, or
begin work whose use is not in the answer (storage, containers, agents, videos, training). xAI's own client speaks gRPC, and Gemini's
live sessions, file search, tuning and operations are in no table either.
"""

REFUSED = """## What is refused

Realtime sessions: websockets and CONNECT are answered with 403, whatever the route, since nothing could count what passes
through them, and so is whatever else begins or extends such a session. The other routes here control the model server, tell of
others, or begin work whose use nobody reports. `tollkeeper routes` shows them beside those that are open; what is in no table is
answered with 404. Behind each server's name is the version whose routes were compared with its table.

| server | refused with 403 |
|---|---|"""


def page() -> str:
    tried = ["## What was tried", "", _cases(), "", REPORTED, _reports(), "", table.section(case_modules()), ""]
    return "\n".join(
        [INTRODUCTION, "## Places", "", _places(), "", *tried, BEFORE, REFUSED, _refused(), "", NOT_SERVED, _sdks(), ""]
    )


def _searches() -> str:
    return ", ".join(f"`{path}`" for path in sorted(SEARCHES))


def _places() -> str:
    rows = [
        "| format | used by | input | output | total | cache read, written | reasoning |",
        "|---|---|---|---|---|---|---|",
    ]
    for form in FORMATS:
        cells = (
            form.name,
            form.used_by,
            _paths(form.input, form.beside_input),
            _paths(form.output, form.beside_output),
            _paths((form.total,)),
            _paths((*form.cached, *form.cache_write, form.cache_write_5m, form.cache_write_1h)),
            _paths(form.reasoning),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return (
        "\n".join(rows)
        + f"\n\nAudio and image tokens, parts of input and output: {_media()}.\n\nSearches: {_searches()}."
    )


def _paths(paths: tuple[str, ...], beside: tuple[str, ...] = ()) -> str:
    first = ", ".join(f"`{path}`" for path in dict.fromkeys(paths) if path)
    return " + ".join([first, *(f"`{path}`" for path in beside)])


def _media() -> str:
    def media(form: Format) -> tuple[str, ...]:
        return (*form.audio_input, *form.audio_output, *form.image_input, *form.image_output)

    return ", ".join(dict.fromkeys(f"`{path}`" for form in FORMATS for path in media(form)))


def _cases() -> str:
    rows = ["| | as reported | estimated |", "|---|---|---|"]
    for module in case_modules():
        names: dict[UsageSource, list[str]] = {UsageSource.REPORTED: [], UsageSource.ESTIMATED: []}
        for name, (_, charged) in module.CASES.items():
            names[charged.source].append(name)
        about = (module.__doc__ or "").strip().rstrip(".")
        rows.append(
            f"| {about} | {'; '.join(names[UsageSource.REPORTED])} | {'; '.join(names[UsageSource.ESTIMATED])} |"
        )
    return "\n".join(rows)


def _sdks() -> str:
    rows = ["| client | not served, below `/v1` or `/v2` |", "|---|---|"]
    for sdk in sdks.SDKS:
        areas = ", ".join(f"`{area}`" for area in sdk.areas.split())
        rows.append(f"| {sdk.package} {sdk.version} | {areas or 'nothing'} |")
    return "\n".join(rows)


def _reports() -> str:
    return "; ".join(test_bug_reports.REPORTS) + "."


def _refused() -> str:
    rows: list[str] = []
    for server, (version, lines) in SERVERS.items():
        routes = [each for each in parse_routes(lines, server) if each.kind is Kind.REFUSED]
        if routes:
            rows.append(f"| {server} {version} | {', '.join(f'`{each.method} {each.path}`' for each in routes)} |")
    return "\n".join(rows)


def case_modules() -> list[ModuleType]:
    """Each has CASES: by name an answer, and what it is charged."""
    return [*_modules(providers), *_modules(servers)]


def _modules(package: ModuleType) -> list[ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


if __name__ == "__main__":
    PAGE.write_text(page())
