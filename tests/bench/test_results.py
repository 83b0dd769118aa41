"""How rounds become a table: ratios within a round, medians over the rounds."""

import json
from pathlib import Path

import pytest
from bench.effort import Effort
from bench.errors import BenchError
from bench.experiments import EXPERIMENTS, chosen
from bench.machine import Machine
from bench.page import BEGIN, END, write_page
from bench.results import Results, summed_up
from bench.setting import Figures
from bench.table import MEASURES

MACHINE = Machine(cores=2, memory_gib=8, system="Linux x86_64", versions={"python": "3.11.7"})
FIGURES = {"drain_per_second": 100.0, "one_by_one_per_second": 2.0, "drain_cpu_worker_us": 40.0}


def results(*rounds: Figures) -> Results:
    return summed_up(rounds, started="2026-02-14 12:00 UTC", scale=1, effort=Effort(), machine=MACHINE)


def test_ratio_is_taken_within_a_round_before_the_median() -> None:
    slow, usual, fast = (
        {"drain_per_second": rate, "one_by_one_per_second": peer}
        for rate, peer in ((10.0, 1.0), (100.0, 2.0), (400.0, 10.0))
    )
    spread = results(slow, usual, fast).ratios["drain_vs_one_by_one"]
    assert (spread.median, spread.least, spread.most) == (40, 10, 50)


def test_json_holds_plain_medians_and_whether_targets_are_met() -> None:
    found = json.loads(results(FIGURES).as_json())
    assert found["ratios"] == {"drain_vs_one_by_one": 50}
    assert found["figures"]["drain_per_second"] == 100
    assert found["spread"]["drain_vs_one_by_one"] == [50, 50]
    assert found["targets"] == {"drain_vs_one_by_one": {"target": "≥ 50", "is_met": True}}


def test_figure_of_the_first_round_alone_is_kept() -> None:
    assert results({"worker_rss_max_mb": 90}, FIGURES).figures["worker_rss_max_mb"].median == 90


def test_every_measure_comes_from_figures_that_some_experiment_gives() -> None:
    given = {key for one in EXPERIMENTS for key in one.gives}
    assert not {figure for measure in MEASURES for figure in measure.needs} - given


def test_key_chooses_the_experiments_that_its_ratio_needs() -> None:
    assert [one.name for one in chosen(["drain_vs_one_by_one"], is_quick=False)] == [
        "drain, fresh and duplicates",
        "drain, peer (a)",
    ]


def test_quick_run_leaves_the_long_experiments_out() -> None:
    assert {one.name for one in EXPERIMENTS} - {one.name for one in chosen([], is_quick=True)} == {
        "drain among many awards",
        "memory of the worker",
    }


def test_unknown_key_is_refused_by_name() -> None:
    with pytest.raises(BenchError, match="unknown: speed"):
        chosen(["speed"], is_quick=False)


def test_page_keeps_what_people_wrote_around_the_results(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_page(results(FIGURES), page)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"\n{END}\nafter\n")
    assert "old" not in text
    assert "(`drain_vs_one_by_one`) | 50 | 50 … 50 | ≥ 50 | met |" in text


def test_new_page_shows_targets_charts_and_processor_times(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    write_page(results(FIGURES), page)
    text = page.read_text()
    assert "ratios are claims" in text
    assert "ours, fresh" in text
    assert "| drain |  |  | 40 |  |  | 40 |" in text
