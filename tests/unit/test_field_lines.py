"""Prefer, as RFC 7240 has it."""

import pytest

from api.field_lines import prefers

ASYNC = "respond-async"


@pytest.mark.parametrize(
    "lines",
    [
        ["respond-async"],
        ["Respond-ASYNC"],
        ["wait=5, respond-async"],
        ["respond-async, wait=5"],
        ["wait=5", "respond-async"],
        ["wait=5", "return=minimal", " respond-async ;x=y; z"],
        [",, respond-async ,"],
        ['respond-async=""'],
        ['respond-async = "" ; x'],
        ['x="a, b", respond-async'],
        [r'x="a \", b", respond-async'],
        ['x="never closed', "respond-async"],
    ],
)
def test_preference_is_found(lines: list[str]) -> None:
    assert prefers(ASYNC, lines)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ["wait=5"],
        ["respond-asynchronously"],
        ["x=respond-async"],
        ["x; respond-async"],
        ["respond-async=5"],
        ['x="a, respond-async"'],
        [r'x="a \", respond-async"'],
        ['x="never closed, respond-async'],
    ],
)
def test_other_preferences_are_none(lines: list[str]) -> None:
    assert not prefers(ASYNC, lines)


@pytest.mark.timeout(2, func_only=True)
@pytest.mark.parametrize("line", ['"' * 80_000, '"\\' * 40_000, "," * 80_000, 'a="' * 20_000])
def test_hostile_lines_take_no_time(line: str) -> None:
    assert not prefers(ASYNC, [line])
