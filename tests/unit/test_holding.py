"""When Kafka is about to delete what the brake holds."""

import pytest

from award_worker.holding import is_running_out


@pytest.mark.parametrize(
    ("held", "first", "end", "expected"),
    [
        (0, 0, 1_000_000, False),
        (500, 0, 10_000, False),
        (10_000, 9_000, 11_000, False),
        (10_000, 9_000, 19_000, False),
        (10_000, 9_000, 19_001, True),
        (10_000, 10_000, 10_500, True),
        (10_000, 12_000, 20_000, True),
    ],
)
def test_what_is_held_runs_out_in_the_oldest_tenth_of_a_log_that_is_being_cut(
    *, held: int, first: int, end: int, expected: bool
) -> None:
    assert is_running_out(held, first=first, end=end) is expected
