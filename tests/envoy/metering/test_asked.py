"""What the meter in a real Envoy reads of a request: names, counts, text, forms; and what is no JSON to it."""

import json

import pytest

from ratelimit.tenants.body import INVALID, Body, parse_body
from tests.envoy.chain import Chain
from tests.media import png, wav


def read(chain: Chain, body: str | bytes, path: str = "/v1/x", **headers: str) -> Body:
    return parse_body(chain.metadata(body, path, **headers)["asked"])


BOUNDS = {
    '{"max_tokens":5}': 5,
    '{"max_tokens":"50"}': 50,
    '{"max_tokens":5,"n_predict":900}': 900,
    '{"MAX_TOKENS":7}': 7,
    '{"max_tokens":null}': None,
    '{"max_tokens":[5]}': None,
    '{"max_tokens":1e3}': 1000,
    '{"max_tokens":%s}' % ("9" * 100): 2**31 - 1,
    '{"parameters":{"max_new_tokens":400},"inputs":"hi"}': 400,
    '{"options":{"num_predict":60},"model":"m"}': 60,
    '{"sampling_params":{"max_new_tokens":70}}': 70,
    '{"sampling_params":[{"max_new_tokens":70},{"max_new_tokens":7000},{"max_new_tokens":1}]}': 7000,
    '{"generationConfig":{"maxOutputTokens":80}}': 80,
    '{"inferenceConfig":{"maxTokens":90}}': 90,
    '{"textGenerationConfig":{"maxTokenCount":91}}': 91,
    '{"a":{"max_tokens":5}}': None,
}


@pytest.mark.parametrize(("body", "bound"), BOUNDS.items())
def test_the_bound_is_read_under_every_name(chain: Chain, body: str, bound: int | None) -> None:
    assert read(chain, body).bound == bound


OUTPUTS = {
    '{"n":3}': 3,
    '{"n":2,"best_of":5}': 5,
    '{"n":2,"n_cmpl":8}': 8,
    '{"num_choices":4}': 4,
    json.dumps({"prompt": ["a"] * 100}): 100,
    '{"prompt":["a","b"],"n":3}': 6,
    '{"prompt":[[1,2,3],[4,5]]}': 2,
    '{"prompt":[1,2,3]}': 1,
    '{"messages":[[{"role":"user","content":"a"}],[{"role":"user","content":"b"}]]}': 2,  # vLLM
    '{"prompt":"a"}': 1,
    '{"generationConfig":{"candidateCount":4}}': 4,
    '{"text":["a","b","c"],"sampling_params":{"n":2}}': 6,
    '{"input":[{"role":"user","content":"a"},{"role":"user","content":"b"}]}': 1,
    '{"messages":[{"role":"user","content":"a"},{"role":"user","content":"b"}]}': 1,
}


@pytest.mark.parametrize(("body", "outputs"), OUTPUTS.items())
def test_every_way_to_ask_for_several_answers_counts(chain: Chain, body: str, outputs: int) -> None:
    assert read(chain, body).outputs == outputs


def test_token_ids_are_counted(chain: Chain) -> None:
    body = read(chain, json.dumps({"prompt": [list(range(1000)), list(range(500))], "model": "m"}))
    assert (body.prompt_ids, body.outputs, body.text) == (1500, 2, ())


# A server that is more lenient reads these in another way than we would.
NOT_JSON = [
    '{"max_tokens":1,}', '{"a":[1,],"n":1}', "{'n':1}", '{"n":1}/**/', '{/*"*/"n":1}', '{"n":1}//x', '{n:1}',
    '{"n":01}',
    '{"n":+1}', '{"n":.5}', '{"n":1.}', '{"n":0x1}', '{"n":NaN}', '{"n":Infinity}', '{"a":[}', '{"a":{]}',
    '{"a":[1 2]}',
    '{"a" 1}', '{"a":"x\ny"}', '{"a":"x\ty"}', '{"a":"x\x01y"}', '{"a":1}{"n":2}', '{"a":tru}', '{"a":nul}', "{",
    '{"a":"b', '{"a":"b\\', '{"a"}', '{,}', '{"a":1,,"b":2}', '{"a":"\ud800"}', '#\n{"n":1}',
]  # fmt: skip


@pytest.mark.parametrize("body", NOT_JSON)
def test_what_parsers_disagree_on_is_no_json(chain: Chain, body: str) -> None:
    assert read(chain, body.encode("utf-8", "surrogatepass")) == INVALID


JSON = [
    '{"a":18446744073709551615,"n":1}', '{"a":-0.5e-7}', '{"a":1e400,"b":[true,false,null]}', '{ }',
    '\t{"a" : [ ] }\r\n',
    '{"a":"\\u0000\\"\\\\"}', '{"a":"é中😀"}', '{"":{}}', '{"a":"\\\\"}', '{"a":"\x7f"}',
]  # fmt: skip


@pytest.mark.parametrize("body", JSON)
def test_what_we_do_not_read_does_not_matter(chain: Chain, body: str) -> None:
    assert read(chain, body).valid


def test_text_that_is_no_utf_8_is_found_at_every_place(chain: Chain) -> None:
    parts = (b"\x80", b"\xe4\xb8", b"\xf0", b"\xed\xa0\x80", "é".encode(), "😀".encode())
    for body in (b'{"a":"' + b"x" * at + part + b"x" * 20 + b'"}' for at in range(34) for part in parts):
        assert read(chain, body).valid == is_utf_8(body), body


def is_utf_8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_an_escape_that_the_body_cuts_short_is_a_character_as_any_other(chain: Chain) -> None:
    for digits in ("", "0", "00e", "00e9", "zzzz", "-0e9"):
        body = read(chain, f'{{"prompt":"a\\u{digits}"}}')
        assert (body.valid, body.strings) == (True, 1), digits


def test_nesting_is_read_to_512_and_not_beyond(chain: Chain) -> None:
    assert read(chain, '{"a":' + "[" * 511 + "]" * 511 + "}").valid
    assert not read(chain, '{"a":' + "[" * 512 + "]" * 512 + "}").valid


@pytest.mark.parametrize("spelling", ["Model", "MODEL", "\\u004dodel"])
def test_a_model_that_only_some_servers_see_is_refused(chain: Chain, spelling: str) -> None:
    answer = chain.post(f'{{"{spelling}":"m"}}')
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "ambiguous_key")


def form(*parts: tuple[str, bytes], boundary: str = "XX") -> bytes:
    made = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + value + b"\r\n"
        for head, value in parts
    )
    return made + f"--{boundary}--\r\n".encode()


FORM = {"path": "/v1/audio/transcriptions", "content_type": "multipart/form-data; boundary=XX"}
MODEL, FILE = ('name="model"', b"whisper"), ('name="file"; filename="a.wav"', wav(2))


def test_a_form_is_read_as_a_body_is(chain: Chain) -> None:
    body = read(chain, form(MODEL, ('name="n"', b"3"), FILE, ('name="prompt"', b"two words")), **FORM)
    assert (body.model, body.outputs, body.images) == ("whisper", 3, 0)
    assert 1_990 <= body.audio_ms <= 2_010
    assert body.text[0] == 9
    edit = read(chain, form(MODEL, ('name="image"; filename="a.png"', png(1024, 768))), **FORM)
    assert edit.sizes == ((1024, 768),)


def test_a_field_of_a_form_that_is_there_twice_is_refused(chain: Chain) -> None:
    answer = chain.post(form(MODEL, MODEL, FILE), **FORM)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "duplicate_key")


NO_FORM = {
    "another boundary": (form(MODEL, FILE), "multipart/form-data; boundary=YY"),
    "two boundaries": (form(MODEL, FILE), "multipart/form-data; boundary=YY; boundary=XX"),
    "a preamble": (b"x\r\n" + form(MODEL, FILE), FORM["content_type"]),
    "no end": (form(MODEL, FILE)[:-8], FORM["content_type"]),
    "something after it": (form(MODEL, FILE) + b"x", FORM["content_type"]),
    "two names": (form(('name="model"; name="other"', b"m"), FILE), FORM["content_type"]),
    "an encoded name": (form(("name*=UTF-8''model", b"m"), FILE), FORM["content_type"]),
    "a name without quotes": (form(("name=model", b"m"), FILE), FORM["content_type"]),
    "no name": (form(('filename="model"', b"m"), FILE), FORM["content_type"]),
    "a field and a file": (form(MODEL, ('name="model"; filename="m"', b"m"), FILE), FORM["content_type"]),
    "a field in another charset": (
        form(('name="model"\r\nContent-Type: text/plain; charset=utf-7', b"m"), FILE),
        FORM["content_type"],
    ),
    "a charset of all fields": (form(('name="_charset_"', b"utf-7"), MODEL, FILE), FORM["content_type"]),
    "JSON ahead of it": (b'{"model":"m"}\r\n' + form(MODEL, FILE), FORM["content_type"]),
}


@pytest.mark.parametrize(("body", "content_type"), NO_FORM.values(), ids=NO_FORM.keys())
def test_a_form_that_parsers_read_differently_is_none(chain: Chain, body: bytes, content_type: str) -> None:
    assert read(chain, body, FORM["path"], content_type=content_type) == INVALID


CHARSETS = {
    "application/json; charset=utf-7": False,
    "application/json; charset=shift_jis": False,
    "application/json; charset=utf-16": False,
    "application/json; charset=utf-8; charset=utf-7": False,
    "application/json; charset*=utf-8''utf-7": False,
    'application/json; charset="utf-7': False,
    "application/json;charset=UTF-8": True,
    'application/json; charset="utf-8"; x=y': True,
    "application/json; charset=us-ascii": True,
    "application/json; charset=iso-8859-1": True,
}


@pytest.mark.parametrize(("content_type", "is_read"), CHARSETS.items(), ids=CHARSETS)
def test_a_body_in_another_charset_is_not_read(chain: Chain, content_type: str, is_read: bool) -> None:
    found = read(chain, b'{"model":"m"}', content_type=content_type)
    assert (found.model == "m", found == INVALID) == (is_read, not is_read)


def test_only_what_is_ascii_is_the_same_in_latin_1(chain: Chain) -> None:
    kind = "application/json; charset=iso-8859-1"
    assert read(chain, '{"model":"m","user":"zo\u00eb"}'.encode(), content_type=kind) == INVALID


@pytest.mark.parametrize("text", ["\\u-4e2", "\\u", "\\uzzzz", "\\", "\\\\u4e2"])
def test_an_escape_that_is_none_does_not_stop_the_meter(chain: Chain, text: str) -> None:
    answer = chain.post(f'{{"model":"mock-model","messages":[{{"role":"user","content":"{text} "}}]}}')
    assert answer.status_code != 500
