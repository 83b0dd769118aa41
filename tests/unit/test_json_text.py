"""JSON from strangers: what is taken, and how each refusal is called."""

import pytest

from domain.errors import InvalidValueError, JsonMalformedError, JsonNotUtf8Error
from domain.json_text import compact_json, parse_json


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"null", None),
        (b' {"a" : [1, 1.5, true, "\\u0000"]}\n', {"a": [1, 1.5, True, "\0"]}),
        ('"é🏅"'.encode(), "é🏅"),
        (b'"\\ud83c\\udfc5"', "🏅"),
        (b'"\\ud800"', "\ud800"),
        (b"18446744073709551617", 2**64 + 1),
        (b"9" * 4300, 10**4300 - 1),
        (b"1e308", 1e308),
        (b"1e-400", 0.0),
        (b'{"a":1,"a":2}', {"a": 2}),
    ],
)
def test_json_is_read(raw: bytes, value: object) -> None:
    assert parse_json(raw) == value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b'{"a":1,}',
        b"[1,]",
        b"{'a':1}",
        b'{"a":1}{}',
        b'"\x00"',
        b'"\n"',
        b"\x00",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"\xef\xbb\xbf{}",
        b'"\\x"',
        b'"\\u12"',
        b"True",
    ],
)
def test_what_is_no_json_is_malformed(raw: bytes) -> None:
    with pytest.raises(JsonMalformedError):
        parse_json(raw)


@pytest.mark.parametrize("raw", [b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\xf4\x90\x80\x80"', b"\xc3"])
def test_what_is_not_utf_8_is_called_so(raw: bytes) -> None:
    with pytest.raises(JsonNotUtf8Error):
        parse_json(raw)


@pytest.mark.parametrize(
    "raw", [b"1e400", b"-1e400", b"9" * 4301, b"[" * 15_000 + b"]" * 15_000, b'{"a":' * 15_000, b"[" * 15_000]
)
def test_json_that_cannot_be_held_is_a_bad_value(raw: bytes) -> None:
    with pytest.raises(InvalidValueError):
        parse_json(raw)


def test_compact_json_keeps_characters_and_wastes_no_spaces() -> None:
    assert compact_json({"é": [1, None]}) == '{"é":[1,null]}'
