"""What is the same request, and what is not: a caller cannot have, or leave, an answer of anything else."""

import json
from typing import Any

import pytest

from tests.e2e.cache.conftest import ALL, BY_USER, MODEL, OFF, OTHER, SAYS, SHARED, Place, body, unique
from tests.e2e.deployment import Credential


@pytest.fixture(scope="module")
def who(place: Place) -> Credential:
    return place.tenant()


def text_of(prompt: str, more: str = "", **fields: Any) -> str:
    """`more`: members ahead of the others, as they are written."""
    return "{" + more + json.dumps(body(prompt, **fields))[1:]


SAME = {
    "white space": lambda text: text.replace('": ', '" :\n\t '),
    "order": lambda text: json.dumps(dict(reversed(json.loads(text).items()))),
    "order within": lambda text: text.replace('{"role": "user", ', "{").replace('"}]', '", "role": "user"}]'),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_white_space_and_the_order_of_members_make_no_other_request(place: Place, who: Credential, change: Any) -> None:
    prompt = unique()
    text, kept = text_of(prompt), place.kept
    changed = change(text)
    assert changed != text
    assert json.loads(changed) == json.loads(text)
    assert place.raw(who, text) == "miss"
    place.until_kept(kept)
    assert place.raw(who, changed) == "hit"


# Of a body, its headers and path: pairs that are two requests.  The first is kept, the second must not get it.
TOOL = '"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{%s}}}}],'
A, B = '"a":{"type":"string"}', '"b":{"type":"number"}'
OTHERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another model": ({}, {"model": OTHER}),
    "a stream": ({}, {"stream": True}),
    "another bound": ({"max_tokens": 5}, {"max_tokens": 6}),
    "a number in another form": ({"top_p": 1}, {"top_p": 1.0}),
    "the order of messages": (
        {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]},
        {"messages": [{"role": "user", "content": "b"}, {"role": "user", "content": "a"}]},
    ),
    "a text with what ends one": ({"user": 'a","b":"'}, {"user": "a"}),
    "a header that a server may read": ({"h_x_lora": "1"}, {"h_x_lora": "2"}),
    "a host, by which a route may be chosen": ({"h_host": "one.test"}, {"h_host": "other.test"}),
    "a host that a proxy tells of": ({"h_x_forwarded_host": "one.test"}, {"h_x_forwarded_host": "other.test"}),
    "the order of two headers of a name": ({"h_x_lora": ["1", "2"]}, {"h_x_lora": ["2", "1"]}),
    "a version": ({"h_anthropic_version": "2023-06-01"}, {"h_anthropic_version": "2024-01-01"}),
    "a query": ({"path": "/v1/chat/completions?a=1"}, {"path": "/v1/chat/completions?a=2"}),
    "the order of a tool's fields": (
        {"more": TOOL % f"{A},{B}"},
        {"more": TOOL % f"{B},{A}"},
    ),
    "a key twice, of which servers take either": ({"more": '"x":{"k":1,"k":2},'}, {"more": '"x":{"k":2,"k":1},'}),
    "a key in capitals too": ({"more": '"x":{"k":1,"K":2},'}, {"more": '"x":{"K":2,"k":1},'}),
    "a key that is escaped": ({"more": '"x":{"k":1,"\\u006b":2},'}, {"more": '"x":{"\\u006b":2,"k":1},'}),
    "a key that folds to another": ({"more": '"x":{"k":1,"\u212a":2},'}, {"more": '"x":{"\u212a":2,"k":1},'}),
    "an empty object and an empty array": ({"more": '"x":{},'}, {"more": '"x":[],'}),
    "nesting": ({"more": '"x":[[1],2],'}, {"more": '"x":[[1,2]],'}),
}


@pytest.mark.parametrize(("one", "other"), OTHERS.values(), ids=OTHERS)
def test_what_differs_gets_no_answer_of_the_other(
    place: Place, who: Credential, one: dict[str, Any], other: dict[str, Any]
) -> None:
    prompt, kept = unique(), place.kept

    def ask(given: dict[str, Any]) -> str:
        headers = {name[2:]: each for name, each in given.items() if name.startswith("h_")}
        fields = {name: each for name, each in given.items() if not name.startswith(("h_", "path", "more"))}
        text = text_of(prompt, given.get("more", ""), seed=int(prompt.strip("What is?")), **fields)
        return place.raw(who, text, given.get("path", "/v1/chat/completions"), **headers)

    assert ask(one) == "miss"
    place.until_kept(kept)
    assert ask(other) == "miss"
    assert ask(one) == "hit"


def test_dialects_are_apart(place: Place, who: Credential) -> None:
    prompt = unique()
    place.until_hit(who, prompt)
    assert place.ask(who, prompt, "/v1/messages").headers[SAYS] == "miss"


def test_a_duplicate_of_what_decides_is_refused_whatever_is_kept(place: Place, who: Credential) -> None:
    prompt = unique()
    place.until_hit(who, prompt)
    for more in (f'"model":"{OTHER}",', '"temperature":1,"max_tokens":9,'):
        sent = place.envoy.post(
            "/v1/chat/completions",
            content=text_of(prompt, more),
            headers={**who.headers, "content-type": "application/json"},
        )
        assert (sent.status_code, SAYS in sent.headers) == (400, False)


def test_no_tenant_gets_anothers_answer(place: Place, who: Credential) -> None:
    prompt = unique()
    place.until_hit(who, prompt)
    other = place.tenant()
    assert place.ask(other, prompt).headers[SAYS] == "miss"
    place.until_hit(other, prompt)
    same_tenant = place.key(who.tenant_id)
    assert place.ask(same_tenant, prompt).headers[SAYS] == "hit"


def test_where_the_operator_says_so_tenants_share(place: Place, who: Credential) -> None:
    prompt = unique()
    place.until_hit(who, prompt, model=SHARED)
    assert place.ask(place.tenant(), prompt, model=SHARED).headers[SAYS] == "hit"
    barred = place.tenant(key={"models_allowed": [MODEL]})
    assert place.ask(barred, prompt, model=SHARED).status_code == 403


def test_a_personal_answer_is_its_users_alone(place: Place, who: Credential) -> None:
    prompt, given = unique(), {"model": BY_USER}
    place.until_hit(who, prompt, **given, headers={"x-user-id": "ann"})
    for headers in ({"x-user-id": "bob"}, {}):
        assert place.ask(who, prompt, **given, headers=headers).headers[SAYS] == "miss"
    other_key = place.key(who.tenant_id)
    assert place.ask(other_key, prompt, **given, headers={"x-user-id": "ann"}).headers[SAYS] == "miss"
    names = ("zoë".encode(), "zoé".encode(), b"zo\xeb", b"zo%EB", "x" * 300 + "a", "x" * 300 + "b", "-")
    for name in names:
        kept = place.kept
        assert place.ask(who, prompt, **given, headers={"x-user-id": name}).headers[SAYS] == "miss", name
        place.until_kept(kept)
    user = place.admin.put(f"/tenants/{who.tenant_id}/users/cy", json={})
    assert user.is_success, user.text
    keys = [place.key(who.tenant_id, user_id="cy") for _ in range(2)]
    place.until_hit(keys[0], prompt, **given)
    assert place.ask(keys[1], prompt, **given).headers[SAYS] == "hit"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-tollkeeper-cache": "hit", "x-tollkeeper-cluster": "tollkeeper_authz"},
        {"user-agent": "another", "x-stainless-retry-count": "2", "traceparent": "00-1-2-01", "x-request-id": "mine"},
        {"x-tenant-id": "somebody", "x-key-id": "else", "x-admission": "cached"},
    ],
)
def test_what_a_client_says_of_itself_changes_nothing(place: Place, who: Credential, headers: dict[str, str]) -> None:
    prompt = unique()
    place.until_hit(who, prompt)
    assert place.ask(who, prompt, headers=headers).headers[SAYS] == "hit"
    assert place.ask(place.tenant(), prompt, headers=headers).headers[SAYS] == "miss"


BYPASSED = {
    "no cache": {"model": OFF},
    "sampled": {"temperature": 0.5},
    "sampled by default": {"temperature": None},
    "a conversation that the server keeps": {"conversation": "c1"},
    "what follows another answer": {"previous_response_id": "r1"},
}


@pytest.mark.parametrize(("name", "fields"), BYPASSED.items(), ids=BYPASSED)
def test_what_is_not_to_be_kept_is_not(place: Place, who: Credential, name: str, fields: dict[str, Any]) -> None:
    prompt, kept = unique(), place.kept
    for _ in range(2):
        answer = place.ask(who, prompt, **fields)
        assert (answer.status_code, answer.headers.get(SAYS)) == (200, None if name == "no cache" else "bypass")
    assert (place.kept, place.came(prompt)) == (kept, 2)


def test_a_seed_and_vectors_are_kept_and_all_if_the_operator_says_so(place: Place, who: Credential) -> None:
    place.until_hit(who, unique(), temperature=0.7, seed=1)
    place.until_hit(who, unique(), model=ALL, temperature=0.7)
    prompt, kept = unique(), place.kept
    given = {"messages": None, "temperature": None, "max_tokens": None, "input": prompt}
    assert place.ask(who, prompt, "/v1/embeddings", **given).headers[SAYS] == "miss"
    place.until_kept(kept)
    assert place.ask(who, prompt, "/v1/embeddings", **given).headers[SAYS] == "hit"
