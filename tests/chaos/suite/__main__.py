"""`python -m chaos.suite`: one round; exit code 1 when an invariant breaks."""

import argparse
import asyncio
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from chaos.suite.display import print_result, shown
from chaos.suite.faults import Kind
from chaos.suite.report import write_report
from chaos.suite.round import Options, Round

FOLDER = Path(".badges/chaos")


def main() -> None:
    """Read the arguments and run."""
    arguments = _parser().parse_args()
    for name in [name for name in os.environ if name.startswith("BADGES_")]:
        del os.environ[name]  # settings of whoever runs this are not for what is tested
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it says of a broker that is away is expected
    console = Console()
    began = datetime.now(UTC)
    folder = FOLDER.resolve() / f"{began:%Y%m%d-%H%M%S}-seed-{arguments.seed}"
    folder.mkdir(parents=True)
    options = Options(
        seconds=arguments.seconds,
        seed=arguments.seed,
        folder=folder,
        kinds=arguments.faults,
        scale=arguments.scale,
        is_alone=arguments.alone,
    )
    round_ = Round(options)
    report = arguments.report or folder.with_suffix(".json")
    try:
        asyncio.run(_run(round_, console))
    finally:
        write_report(report, round_, began=began)
        if round_.holds:
            shutil.rmtree(folder)
    print_result(round_, console)
    console.print(f"Report: {report}" + ("" if round_.holds else f"; logs and data: {folder}"), soft_wrap=True)
    sys.exit(0 if round_.holds else 1)


async def _run(round_: Round, console: Console) -> None:
    async with shown(round_, console):
        await round_.run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos ARGS=…", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="for how long there are faults (300)")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same schedule (7)")
    parser.add_argument("--faults", type=_kinds, default=tuple(Kind), help="kinds, comma-separated, or all")
    parser.add_argument("--scale", type=float, default=1.0, help="times 60 calls and 90 records a second (1)")
    parser.add_argument("--alone", action="store_true", help="one fault at a time, with time to recover")
    parser.add_argument("--report", type=Path, default=None, help="where the JSON report goes (.badges/chaos)")
    return parser


def _kinds(text: str) -> Sequence[Kind]:
    if text == "all":
        return tuple(Kind)
    try:
        return [Kind(name.strip()) for name in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; known: {', '.join(Kind)}") from error


if __name__ == "__main__":
    main()
