"""When the brake is on, what it lets pass, and how it goes off."""

from collections.abc import Sequence
from typing import Any

import pytest

from award_worker.brake import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Brake, BrakeHeldError, BrakeLimits

GOOD, BAD = False, True


class Seconds:
    """A monotonic clock that is moved by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    """The test's clock."""
    return Seconds()


def brake(seconds: Seconds, **limits: Any) -> Brake:
    """A brake with small limits."""
    return Brake(BrakeLimits(**{"consecutive": 5, "ratio": 0.8, "window": 10} | limits), seconds)


def is_on(brake: Brake) -> bool:
    """Whether it is on now: mypy takes a property for constant."""
    return brake.is_on


def may_probe(brake: Brake) -> bool:
    """Whether it may probe now."""
    return brake.may_probe


def braked(seconds: Seconds, **limits: Any) -> Brake:
    """A brake that is on."""
    made = brake(seconds, **limits)
    made.note([BAD] * 10)
    assert is_on(made)
    return made


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([[BAD] * 4], False),
        ([[BAD] * 5], True),
        ([[BAD] * 3, [BAD] * 2], True),
        ([[BAD] * 4, [GOOD], [BAD] * 4], False),
        ([[BAD, BAD, BAD, BAD, GOOD] * 2], True),
        ([[BAD, BAD, BAD, GOOD, GOOD] * 4], False),
        ([[GOOD] * 100, [BAD, BAD, BAD, BAD, GOOD] * 2], True),
        ([[BAD, BAD, BAD, BAD, GOOD], [BAD] * 4], False),
        ([[]], False),
    ],
)
def test_brake_is_on_when_too_much_is_rejected(
    *, batches: Sequence[Sequence[bool]], expected: bool, seconds: Seconds
) -> None:
    made = brake(seconds)
    for batch in batches:
        made.admit(batch)
        made.note(batch)
    assert is_on(made) is expected


def test_each_limit_can_be_turned_off(seconds: Seconds) -> None:
    by_ratio = brake(seconds, consecutive=0)
    by_ratio.note([BAD] * 9)
    assert not is_on(by_ratio)
    by_ratio.note([BAD])
    assert is_on(by_ratio)
    by_row = brake(seconds, ratio=0)
    by_row.note([BAD, BAD, BAD, BAD, GOOD] * 100)
    assert not is_on(by_row)
    never = brake(seconds, consecutive=0, ratio=0)
    never.note([BAD] * 1000)
    assert not is_on(never)


def test_bad_batch_is_held_and_a_better_one_ends_it(seconds: Seconds) -> None:
    made = braked(seconds)
    with pytest.raises(BrakeHeldError):
        made.admit([BAD, BAD, BAD, BAD, GOOD])
    assert is_on(made)
    better = [BAD, BAD, BAD, GOOD, GOOD]
    made.admit(better)
    assert is_on(made)  # until the batch is recorded
    made.note(better)
    assert not is_on(made)
    made.note([BAD] * 4)
    assert not is_on(made)  # it counts from the beginning


def test_batch_that_tells_nothing_new_passes(seconds: Seconds) -> None:
    made = braked(seconds)
    made.admit([])
    made.note([])
    assert is_on(made)


def test_pauses_between_probes_grow_and_have_a_bound(seconds: Seconds) -> None:
    made = braked(seconds)
    pauses = []
    for _ in range(8):
        assert may_probe(made)
        with pytest.raises(BrakeHeldError):
            made.admit([BAD])
        before = seconds.now
        while not may_probe(made):
            seconds.now += 0.5
        pauses.append(seconds.now - before)
    assert pauses[:3] == [FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS, 4 * FIRST_PAUSE_SECONDS]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    made.note([GOOD])
    made.note([BAD] * 10)
    with pytest.raises(BrakeHeldError):
        made.admit([BAD])
    seconds.now += FIRST_PAUSE_SECONDS
    assert may_probe(made)


def test_released_brake_lets_everything_pass_for_its_time(seconds: Seconds) -> None:
    made = braked(seconds)
    with pytest.raises(BrakeHeldError):
        made.admit([BAD] * 10)
    made.release(60)
    assert not is_on(made)
    assert may_probe(made)
    for _ in range(5):
        made.admit([BAD] * 10)
        made.note([BAD] * 10)
    assert not is_on(made)
    seconds.now += 61
    made.note([BAD] * 4)
    assert not is_on(made)
    made.note([BAD])
    assert is_on(made)
