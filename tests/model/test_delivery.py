"""The delivery protocol, every state of it: right with all its rules, wrong when one is left out."""

from functools import partial

import pytest

from model.delivery import Rules, State, World, fault, first_state, is_done
from model.exploration import Exploration, explore
from model.moves import steps

MOST_STATES = 1_000_000


def explored(rules: Rules, world: World) -> Exploration[State]:
    """Visit every state that the rules let this world reach."""
    return explore(
        first_state(world),
        steps=partial(steps, rules=rules, world=world),
        fault=fault,
        is_done=is_done,
        most=MOST_STATES,
    )


@pytest.mark.parametrize(
    "world", [World(faults=4), World(faults=3, kafka_may_forget=True)], ids=["faults", "faults and a forgetful Kafka"]
)
def test_with_all_rules_nothing_is_lost_or_repeated_and_everything_ends_well(world: World) -> None:
    exploration = explored(Rules(), world)
    assert exploration.fault is None, "\n".join(exploration.way)
    assert exploration.states > 40_000


ONE_FAULT = World(faults=1)
FORGETFUL = World(faults=2, kafka_may_forget=True)


@pytest.mark.parametrize(
    ("rules", "world", "fault_found"),
    [
        (Rules(awards_before_offsets=False), World(faults=0), "a request is lost"),
        (Rules(deletes_after_transaction=False), World(faults=0), "an event is lost"),
        (Rules(fences=False), ONE_FAULT, "an event is there twice"),
        (Rules(fences_before_watermark=False), ONE_FAULT, "an event is there twice"),
        (Rules(discards_producer_in_doubt=False), ONE_FAULT, "an event is there twice"),
        (Rules(awaits_every_send=False), ONE_FAULT, "an event is lost"),
        (Rules(demands_nonce=False), World(faults=2), "an event is there twice"),
        (Rules(compares_with_mirror=False), FORGETFUL, "an event is there twice"),
        (
            Rules(retries_missing_watermark=False, compares_with_mirror=False),
            World(faults=2),
            "an event is there twice",
        ),
    ],
    ids=[
        "offsets are committed before the awards",
        "rows are deleted before the transaction",
        "each relay has a transactional id of its own",
        "the watermark is read before the fence",
        "a producer in doubt is used again",
        "a send is not awaited",
        "an answer without the nonce is believed",
        "no mirror of the watermark",
        "a missing watermark is taken for zero",
    ],
)
def test_without_one_rule_the_promise_is_broken(rules: Rules, world: World, fault_found: str) -> None:
    exploration = explored(rules, world)
    assert exploration.fault == fault_found
    assert len(exploration.way) > 1


def test_missing_watermark_does_no_harm_where_the_mirror_is_compared() -> None:
    assert explored(Rules(retries_missing_watermark=False), World(faults=3)).fault is None


def test_watermark_that_is_gone_for_good_needs_an_operator() -> None:
    exploration = explore(
        first_state(FORGETFUL),
        steps=lambda state: (step for step in steps(state, Rules(), FORGETFUL) if "operator" not in step[0]),
        fault=fault,
        is_done=is_done,
        most=MOST_STATES,
    )
    assert exploration.fault == "it never ends well"
    assert "Kafka forgets the watermark" in exploration.way
