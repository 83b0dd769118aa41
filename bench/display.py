"""The results for people at a terminal."""

from rich.console import Console
from rich.table import Column, Table

from bench.results import Results, Spread
from bench.setting import Figures
from bench.table import MEASURES


def shown(value: float) -> str:
    """Three digits are more than a noisy machine can tell apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - from there on three digits are whole numbers


def line_of(figures: Figures) -> str:
    """What one experiment found, without processor times."""
    return ", ".join(f"{key} {shown(value)}" for key, value in figures.items() if "_cpu_" not in key)


def print_results(results: Results, console: Console) -> None:
    """Print the table of the targets, then every figure."""
    console.print(_targets(results))
    console.print(_figures(results))


def _targets(results: Results) -> Table:
    table = Table(Column("measure", no_wrap=True), "what", "median", "least … most", "target", "", title="Targets")
    for measure in MEASURES:
        spread = results.ratios.get(measure.key) or results.figures.get(measure.key)
        if spread is not None:
            verdict = "[green]met[/]" if measure.target.is_met(spread.median) else "[red]missed[/]"
            table.add_row(measure.key, measure.title, *_cells(spread), str(measure.target), verdict)
    return table


def _figures(results: Results) -> Table:
    table = Table(Column("figure", no_wrap=True), "median", "least … most", title="Figures")
    for key, spread in results.figures.items():
        table.add_row(key, *_cells(spread))
    return table


def _cells(spread: Spread) -> tuple[str, str]:
    return shown(spread.median), f"{shown(spread.least)} … {shown(spread.most)}"
