"""The schedule of `make chaos`: made by the seed alone, and not too much at once."""

from itertools import pairwise

import pytest

from chaos.suite.faults import MOST_AT_ONCE, Kind, schedule

SEEDS = range(20)


def test_the_same_seed_gives_the_same_schedule_and_another_seed_another() -> None:
    assert schedule(seed=7, seconds=300) == schedule(seed=7, seconds=300)
    assert schedule(seed=7, seconds=300) != schedule(seed=8, seconds=300)


@pytest.mark.parametrize("seed", SEEDS)
def test_quarter_of_an_hour_has_a_hundred_faults_of_every_kind(seed: int) -> None:
    faults = schedule(seed=seed, seconds=900)
    assert len(faults) >= 100
    assert {fault.kind for fault in faults} == set(Kind)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_faults_are_over_in_time_and_few_go_on_at_once(seed: int) -> None:
    faults = schedule(seed=seed, seconds=300)
    assert all(0 < fault.at <= fault.ends_at <= 300 for fault in faults)
    assert all(first.at <= second.at for first, second in pairwise(faults))
    under_way = [sum(other.at <= fault.at < other.ends_at for other in faults) for fault in faults]
    assert max(under_way) <= MOST_AT_ONCE


def test_faults_that_come_alone_leave_time_to_recover() -> None:
    faults = schedule(seed=1, seconds=400, is_alone=True)
    assert all(first.ends_at + 9 < second.at for first, second in pairwise(faults))


def test_only_the_kinds_asked_for_are_in_the_schedule() -> None:
    faults = schedule(seed=1, seconds=120, kinds=[Kind.KILL_WORKER, Kind.STOP_RELAY])
    assert {fault.kind for fault in faults} == {Kind.KILL_WORKER, Kind.STOP_RELAY}
