"""What is given again is what the first client got, in every format, and only if it was whole."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.e2e.cache.conftest import ALL, OF_ONE, READY, SAYS, Place, unique
from tests.e2e.deployment import Credential, wait_for
from tests.formats.page import case_modules
from tests.formats.wire import JSON, Answer, End
from tests.web import NO_TLS

CASES = {f"{module.__name__}: {name}": case[0] for module in case_modules() for name, case in module.CASES.items()}
WHOLE = {name: answer for name, answer in CASES.items() if answer.end is End.WHOLE}
CUT = {name: answer for name, answer in CASES.items() if answer.end is End.CUT}
# The last three end without a word of it, as those that were cut do.
NOT_WHOLE = ("error", "exception", "failed", "just ends", "tensorrt_llm: generate stream", "transcription, text")
AT_ONCE = 100


@pytest.fixture(scope="module")
def who(place: Place) -> Credential:
    return place.tenant(tokens_per_minute=10**9)


def same_for_all(answer: httpx.Response) -> list[tuple[str, str]]:
    """A plain answer that came in chunks says its length when it is given again."""
    other = OF_ONE | {"content-length", "transfer-encoding"}
    return sorted(
        (name, text) for name, text in answer.headers.items() if name not in other and "ratelimit" not in name
    )


def test_every_format_is_given_again_byte_for_byte(place: Place, who: Credential) -> None:
    """Plain and as a stream, if the answer says that it is whole; never what ends with an error, or just ends."""
    first = {name: place.answer(who, answer) for name, answer in WHOLE.items()}
    wanted = {name for name in WHOLE if not any(word in name for word in NOT_WHOLE)}
    assert len(wanted) >= 90
    again: dict[str, httpx.Response] = {}

    def all_hit() -> bool | None:
        for name in wanted - again.keys():
            _, answer = place.answer(who, WHOLE[name], first[name][0])
            if answer.headers[SAYS] == "hit":
                again[name] = answer
        return again.keys() == wanted or None

    wait_for(all_hit, "answers from the cache")
    for name, answer in again.items():
        assert answer.content == first[name][1].content == b"".join(WHOLE[name].pieces), name
        assert same_for_all(answer) == same_for_all(first[name][1]), name
        assert int(answer.headers["age"]) >= 0
    for name in WHOLE.keys() - wanted:
        assert place.answer(who, WHOLE[name], first[name][0])[1].headers[SAYS] == "miss", name


def test_a_sound_that_comes_slowly_is_kept_whole(place: Place, who: Credential) -> None:
    """The meter reads no more of it than how it begins."""
    sound = (CASES["tests.formats.providers.test_openai_others: speech"])._replace(pause=0.02)
    number, first = place.answer(who, sound)
    again = wait_for(lambda: hit if (hit := place.answer(who, sound, number)[1]).headers[SAYS] == "hit" else None, "it")
    assert again.content == first.content == b"".join(sound.pieces)


WORD = b'{"choices":[{"index":0,"message":{"content":"hi"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
NOT_KEPT = {
    "no store": Answer((WORD,), JSON, ("cache-control: private, No-Store",)),
    "whatever the request": Answer((WORD,), JSON, ("vary: *",)),
    "of no type": Answer((WORD,), ""),
    "a page": Answer((b"<html>Sign in first</html>",), "text/html"),
    "text": Answer((b"out of memory",), "text/plain"),
    "JSON that stops": Answer((WORD[:-9],), JSON),
    "a stream labelled as JSON that stops": Answer((b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n',), JSON),
}


def test_what_is_no_answer_or_may_not_be_kept_is_not(place: Place, who: Credential) -> None:
    first = {name: place.answer(who, answer) for name, answer in NOT_KEPT.items()}
    number, _ = place.answer(who, Answer((WORD,), JSON, ("vary: origin", "cache-control: no-cache")))
    wait_for(lambda: place.answer(who, READY, number)[1].headers[SAYS] == "hit" or None, "what came last")
    for name, (number, answer) in first.items():
        assert (answer.status_code, answer.headers[SAYS]) == (200, "miss"), name
        assert place.answer(who, READY, number)[1].headers[SAYS] == "miss", name


def test_what_was_cut_is_never_kept(place: Place, who: Credential) -> None:
    """Whoever asks again waits for a moment, in case what was cut is still to be kept: so all do beside one another."""

    def cut_twice(answer: Answer) -> list[str]:
        number, said = place.upstream.add(answer), []
        for _ in range(2):
            try:
                said.append(place.answer(who, answer, number)[1].headers[SAYS])
            except httpx.RemoteProtocolError:
                said.append("cut")
        return said

    with ThreadPoolExecutor(len(CUT)) as pool:
        assert dict(zip(CUT, pool.map(cut_twice, CUT.values()), strict=True)) == {name: ["cut", "cut"] for name in CUT}


def test_a_hundred_equal_requests_run_the_model_once(place: Place, who: Credential) -> None:
    prompt, gate = unique(), threading.Barrier(AT_ONCE, timeout=60)

    def one(_: int) -> tuple[int, str, bytes]:
        with httpx.Client(verify=NO_TLS, base_url=place.envoy.base_url, timeout=60) as client:
            body = {"model": ALL, "messages": [{"role": "user", "content": prompt}], "max_tokens": 16}
            gate.wait()
            answer = client.post("/v1/chat/completions", json=body, headers={**who.headers, "x-stub-delay-ms": "2000"})
            return answer.status_code, answer.headers[SAYS], answer.content

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(one, range(AT_ONCE)))
    assert Counter((status, said) for status, said, _ in answers) == {(200, "miss"): 1, (200, "hit"): AT_ONCE - 1}
    assert len({content for *_, content in answers}) == 1
    assert place.came(prompt) == 1


def test_who_waits_for_what_is_not_kept_runs_by_itself(place: Place, who: Credential) -> None:
    """The first one's answer is an error, or its client leaves: the others do not wait for long, nor one by one."""
    prompt = unique()

    def one(_: int) -> int:
        with httpx.Client(verify=NO_TLS, base_url=place.envoy.base_url, timeout=60) as client:
            body = {"model": ALL, "messages": [{"role": "user", "content": prompt}]}
            headers = {**who.headers, "x-stub-status": "500", "x-stub-delay-ms": "500"}
            return client.post("/v1/chat/completions", json=body, headers=headers).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(8))) == {500}
    assert place.came(prompt) == 8
