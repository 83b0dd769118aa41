"""A short round of `make chaos`, always the same one."""

import sys
from pathlib import Path

import pytest
from rich.console import Console

from chaos.suite.display import print_result, shown
from chaos.suite.faults import Kind
from chaos.suite.round import Options, Round

SECONDS = 60
SCALE = 0.7
SEED = 29
KINDS = (
    Kind.KILL_GATEWAY,
    Kind.KILL_RELAY,
    Kind.STOP_RELAY,
    Kind.TERM_WORKER,
    Kind.KILL_KAFKA,
    Kind.KILL_POSTGRES,
    Kind.CUT_KAFKA,
    Kind.STALL_POSTGRES,
    Kind.REBALANCE,
)


@pytest.mark.whole_round
@pytest.mark.timeout(300)
async def test_faults_of_every_sort_lose_and_repeat_nothing(tmp_path: Path) -> None:
    round_ = Round(Options(seconds=SECONDS, seed=SEED, folder=tmp_path, kinds=KINDS, scale=SCALE))
    console = Console(file=sys.stdout, width=120, force_terminal=False)
    async with shown(round_, console):
        await round_.run()
    print_result(round_, console)
    assert {fault.kind for fault in round_.faults} == set(KINDS)
    assert round_.holds, [example for one in round_.invariants for example in one.examples]
