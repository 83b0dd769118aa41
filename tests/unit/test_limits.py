"""Lengths and contents, to the last character and byte."""

import pytest

from domain.errors import InvalidValueError
from domain.limits import METADATA_BYTES, METADATA_DEPTH, check_metadata, check_text


def nested(levels: int, leaf: object = "leaf") -> dict[str, object]:
    """An object that is `levels` deep, lists and objects in turn."""
    value: object = leaf
    for level in range(levels - 1):
        value = [value] if level % 2 else {"a": value}
    return {"a": value}


@pytest.mark.parametrize("text", ["a", "x" * 255, "🏅" * 255, " ", "\n\x01/..", "e\u0301"])
def test_text_of_1_to_255_characters_is_taken_as_it_is(text: str) -> None:
    assert check_text("participant_id", text, longest=255) is text


@pytest.mark.parametrize("text", ["", "x" * 256, "🏅" * 256])
def test_text_of_another_length_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="participant_id must have 1 to 255 characters"):
        check_text("participant_id", text, longest=255)


@pytest.mark.parametrize(
    ("value", "name"),
    [(5, "number"), (1.5, "number"), (True, "boolean"), (None, "null"), ([], "array"), ({}, "object")],
)
def test_other_types_are_refused_by_their_json_name(value: object, name: str) -> None:
    with pytest.raises(InvalidValueError, match=f"must be a string, not {name}"):
        check_text("badge_code", value, longest=50)


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "a\udfff", "\udc00\ud800"])
def test_text_that_postgres_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="must not contain"):
        check_text("badge_code", text, longest=50)


def test_no_metadata_is_none_and_empty_metadata_is_empty() -> None:
    assert check_metadata(None) is None
    assert check_metadata({}) == {}


@pytest.mark.parametrize("value", [[], "{}", 5, False, ""])
def test_metadata_is_an_object_or_null(value: object) -> None:
    with pytest.raises(InvalidValueError, match="metadata must be an object"):
        check_metadata(value)


def test_metadata_may_be_32_levels_deep_and_no_deeper() -> None:
    deepest = nested(METADATA_DEPTH)
    assert check_metadata(deepest) is deepest
    empties: list[object] = [{}, []]
    for empty in empties:
        with pytest.raises(InvalidValueError, match="at most 32 levels"):
            check_metadata(nested(METADATA_DEPTH, empty))


@pytest.mark.parametrize("character", ["x", "é", "🏅", '"', "\n"])
def test_metadata_may_have_16_kib_as_compact_json_and_no_more(character: str) -> None:
    width = {"x": 1, "é": 2, "🏅": 4, '"': 2, "\n": 2}[character]
    count, rest = divmod(METADATA_BYTES - len('{"a":""}'), width)
    largest = {"a": character * count + "x" * rest}
    assert check_metadata(largest) is largest
    with pytest.raises(InvalidValueError, match="at most 16384 bytes"):
        check_metadata({"a": character * count + "x" * (rest + 1)})


@pytest.mark.parametrize("text", ["\0", "\ud800"])
@pytest.mark.parametrize("place", ["value", "key", "list", "deep value", "deep key"])
def test_metadata_holds_no_text_that_postgres_cannot_hold(text: str, place: str) -> None:
    value: dict[str, dict[str, object]] = {
        "value": {"a": text},
        "key": {text: 1},
        "list": {"a": [1, text]},
        "deep value": nested(METADATA_DEPTH, text),
        "deep key": {"a": [{"b": {text: None}}]},
    }
    with pytest.raises(InvalidValueError, match="must not contain"):
        check_metadata(value[place])


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_metadata_holds_no_number_that_is_not_json(number: float) -> None:
    with pytest.raises(InvalidValueError, match="cannot be written as JSON"):
        check_metadata({"a": [number]})
