"""One run: the servers, a warm-up, the rounds."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from aiokafka.errors import KafkaError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench.display import line_of
from bench.effort import Effort
from bench.errors import BenchError
from bench.experiments import Experiment
from bench.machine import this_machine
from bench.measures.drain import fresh_and_duplicates
from bench.results import Results, summed_up
from bench.servers import open_servers
from bench.setting import Figures, Setting
from bench.wrk import find_wrk
from devstack.layout import StackFolder

EXPERIMENT_SECONDS = 3600
TRIES = 2
"""A machine that others use too spoils a try now and then: that must not cost the whole run."""

WARM_UP_PART = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was asked for."""

    experiments: Sequence[Experiment]
    rounds: int
    scale: float

    async def measured(self, folder: StackFolder, console: Console) -> Results:
        """Measure it all on servers of its own below the folder. What cannot be measured is named in `failed`.

        Raises:
            BenchError: wrk is missing.
            StackError: the servers do not start.
        """
        wrk = find_wrk()
        started = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        effort = Effort().scaled(self.scale)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        async with open_servers(folder, console) as servers, AsyncExitStack() as kept:
            machine = await this_machine(servers)
            setting = Setting(servers=servers, wrk=wrk, effort=effort, kept=kept)
            with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
                await _warm_up(setting, progress)
                rounds, failed = await self._rounds(setting, progress)
        return summed_up(
            rounds, started=started, scale=self.scale, effort=effort, machine=machine, failed=sorted(failed)
        )

    async def _rounds(self, setting: Setting, progress: Progress) -> tuple[Sequence[Figures], set[str]]:
        once = sum(one.is_once for one in self.experiments)
        task = progress.add_task("", total=len(self.experiments) * self.rounds - once * (self.rounds - 1))
        rounds: list[dict[str, float]] = []
        failed: set[str] = set()
        for number in range(self.rounds):
            setting.round = number
            rounds.append({})
            for experiment in self.experiments:
                if experiment.is_once and number:
                    continue
                progress.update(task, description=f"round {number + 1}: {experiment.name}")
                found = await _found(experiment, setting, progress.console)
                rounds[-1] |= found
                failed |= set() if found else {experiment.name}
                progress.advance(task)
        return rounds, failed


async def _warm_up(setting: Setting, progress: Progress) -> None:
    """Have Kafka's machine code compiled before anything counts."""
    task = progress.add_task("warming up", total=1)
    await fresh_and_duplicates(replace(setting, effort=setting.effort.scaled(WARM_UP_PART)))
    progress.remove_task(task)


async def _found(experiment: Experiment, setting: Setting, console: Console) -> Figures:
    """Run the experiment, again if it fails; nothing when it fails again."""
    name = f"round {setting.round + 1}: {experiment.name}"
    for _ in range(TRIES):
        try:
            async with asyncio.timeout(EXPERIMENT_SECONDS):
                found = await experiment.run(setting)
        except (BenchError, TimeoutError, KafkaError, OSError) as error:
            console.print(f"{name}: [red]failed[/]: {escape(str(error))}", highlight=False, soft_wrap=True)
        else:
            console.print(f"{name}: {line_of(found)}", highlight=False, soft_wrap=True)
            return found
    return {}
