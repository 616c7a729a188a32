"""Whatever the standard library reads is read, whichever of the two libraries does it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.fast_json import json_of, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_reads_what_either_library_wrote(value: Any) -> None:
    assert read_json(json.dumps(value)) == value
    assert read_json(json_of(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e999", "1e999"),
        ('"\\ud800"', "\ud800"),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ("18446744073709551616", 2**64),
        ("1.5", 1.5),
        ("[1.5, 1e999]", ["1.5", "1e999"]),
    ],
)
def test_what_one_of_them_refuses_is_read_by_the_other(text: str, value: Any) -> None:
    assert read_json(text) == value


@pytest.mark.parametrize("text", ["", "{", "nul", '{"a" 1}', "1 2"])
def test_what_is_no_json_is_an_error(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        read_json(text)
