"""Medians and spread over the rounds, and the JSON that others read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench.effort import Effort
from bench.machine import Machine
from bench.setting import Figures
from bench.table import MEASURES

_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The values of the rounds."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What a run has found. `ratios` and `figures` hold only what was measured."""

    started: str
    rounds: int
    scale: float
    effort: Effort
    machine: Machine
    failed: Sequence[str]
    """Experiments that did not succeed in every round."""

    ratios: Mapping[str, Spread]
    figures: Mapping[str, Spread]

    def save(self, path: Path) -> None:
        """Write the JSON."""
        path.write_text(self.as_json(), encoding="utf-8")

    def as_json(self) -> str:
        """Medians as plain numbers under `ratios` and `figures`; the least and the most of each under `spread`."""
        both = {**self.ratios, **self.figures}
        known = {measure.key: measure.target for measure in MEASURES if measure.key in both}
        document = {
            "started": self.started,
            "rounds": self.rounds,
            "scale": self.scale,
            "effort": asdict(self.effort),
            "machine": asdict(self.machine),
            "failed": list(self.failed),
            "ratios": {key: _rounded(spread.median) for key, spread in self.ratios.items()},
            "figures": {key: _rounded(spread.median) for key, spread in self.figures.items()},
            "spread": {key: [_rounded(spread.least), _rounded(spread.most)] for key, spread in both.items()},
            "targets": {
                key: {"target": str(target), "is_met": target.is_met(both[key].median)} for key, target in known.items()
            },
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def summed_up(
    rounds: Sequence[Figures],
    *,
    started: str,
    scale: float,
    effort: Effort,
    machine: Machine,
    failed: Sequence[str] = (),
) -> Results:
    """Take medians over the rounds; a ratio is worked out within each round first."""
    keys = dict.fromkeys(key for figures in rounds for key in figures)
    ratios = {
        measure.key: [value for figures in rounds if (value := measure.value(figures)) is not None]
        for measure in MEASURES
        if measure.to
    }
    return Results(
        started=started,
        rounds=len(rounds),
        scale=scale,
        effort=effort,
        machine=machine,
        failed=failed,
        ratios={key: _spread(values) for key, values in ratios.items() if values},
        figures={key: _spread([figures[key] for figures in rounds if key in figures]) for key in keys},
    )


def _spread(values: Sequence[float]) -> Spread:
    return Spread(median=median(values), least=min(values), most=max(values))


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
