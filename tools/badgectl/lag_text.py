"""A sample of the lag, as JSON and for people."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Column, Table

from badgectl.lag_sample import KafkaSample, LagSample, PartitionSample
from badgectl.terminal_text import printable
from domain.times import format_instant
from storage.lag import LockHolder, RelayLag

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_LOST = "lost"


def lag_json(sample: LagSample) -> Mapping[str, object]:
    """The sample in plain values; what did not answer is null."""
    return {
        "at": format_instant(sample.at),
        "award_requests": None if sample.kafka is None else _requests_json(sample.kafka, sample.at),
        "outbox": None if sample.relay is None else _outbox_json(sample.relay),
        "relay": {
            "holder": None if sample.relay is None else _holder_json(sample.relay.holder),
            "watermark_in_kafka": None if sample.kafka is None else sample.kafka.watermark,
            "watermark_in_postgres": None if sample.relay is None else sample.relay.mirror.watermark,
            "moved_at": None if sample.relay is None else format_instant(sample.relay.mirror.moved_at),
            "highest_number": None if sample.relay is None else sample.relay.mirror.highest,
        },
        "failures": [{"server": each.server, "error": str(each.error)} for each in sample.failures],
    }


def lag_text(sample: LagSample) -> RenderableType:
    """Tables for a terminal of 80 columns."""
    parts: list[RenderableType] = []
    if sample.kafka is not None:
        parts += [_requests_table(sample.kafka, sample.at), ""]
    facts = Table(Column(style="bold", no_wrap=True), Column(overflow="fold"), box=None, show_header=False)
    for name, fact in _facts(sample):
        facts.add_row(name, escape(printable(fact)), style="red" if name == _LOST else None)
    return Group(*parts, facts)


def holder_text(holder: LockHolder) -> str:
    """Which relay it is, and where; Postgres tells the address of another role's session to few."""
    name = holder.application or "unknown"
    if holder.is_hidden:
        return f"{name} (address unknown)"
    return f"{name} at {holder.address or 'a local socket'}"


def _requests_json(kafka: KafkaSample, at: datetime) -> Mapping[str, object]:
    return {
        "partitions": [
            {
                "partition": each.lag.partition,
                "committed": each.lag.committed,
                "end": each.lag.end,
                "lag": each.waiting,
                "lost": each.lag.lost,
                "held_by_open_transactions": each.lag.held,
                "consumed_per_second": round(each.consumed_per_second, 1),
                "produced_per_second": round(each.produced_per_second, 1),
                "oldest_seconds": _age(each.oldest_at, at),
            }
            for each in kafka.partitions
        ],
        "lag": sum(each.waiting for each in kafka.partitions),
        "lost": sum(each.lag.lost for each in kafka.partitions),
        "consumed_per_second": round(sum(each.consumed_per_second for each in kafka.partitions), 1),
        "produced_per_second": round(sum(each.produced_per_second for each in kafka.partitions), 1),
        "oldest_seconds": _oldest(kafka.partitions, at),
    }


def _outbox_json(relay: RelayLag) -> Mapping[str, object]:
    oldest = relay.outbox.oldest_seconds
    return {
        "batches": relay.outbox.batches,
        "messages": relay.outbox.messages,
        "claimed_batches": relay.outbox.claimed_batches,
        "oldest_seconds": None if oldest is None else round(oldest, 3),
    }


def _holder_json(holder: LockHolder | None) -> Mapping[str, object] | None:
    if holder is None:
        return None
    return {
        "pid": holder.pid,
        "application": holder.application,
        "address": holder.address,
        "since": None if holder.since is None else format_instant(holder.since),
    }


def _requests_table(kafka: KafkaSample, at: datetime) -> Table:
    names = ("partition", "committed", "end", "lag", "in/s", "out/s", "oldest")
    table = Table(*(Column(name, justify="right") for name in names), box=None)
    for each in kafka.partitions:
        committed = "-" if each.lag.committed is None else str(each.lag.committed)
        table.add_row(str(each.lag.partition), committed, str(each.lag.end), *_cells([each], at))
    table.add_row("sum", "", "", *_cells(kafka.partitions, at), style="bold")
    return table


def _cells(partitions: Sequence[PartitionSample], at: datetime) -> Iterator[str]:
    yield str(sum(each.waiting for each in partitions))
    yield f"{sum(each.produced_per_second for each in partitions):.1f}"
    yield f"{sum(each.consumed_per_second for each in partitions):.1f}"
    yield _duration(_oldest(partitions, at))


def _facts(sample: LagSample) -> Iterator[tuple[str, str]]:
    if sample.kafka is not None and (lost := sum(each.lag.lost for each in sample.kafka.partitions)):
        yield _LOST, f"{lost} offsets were deleted before a worker read them: requests there are never awarded"
    if sample.kafka is not None and (held := sum(each.lag.held for each in sample.kafka.partitions)):
        yield "held", f"{held} offsets behind open transactions of producers"
    if sample.relay is not None:
        depth = sample.relay.outbox
        yield "outbox", f"{depth.messages} messages in {depth.batches} batches, {depth.claimed_batches} claimed"
        yield "oldest", _duration(depth.oldest_seconds)
        yield "relay", _holder(sample.relay.holder)
    if sample.kafka is not None or sample.relay is not None:
        yield "watermark", ", ".join(_watermarks(sample))


def _holder(holder: LockHolder | None) -> str:
    if holder is None:
        return "nobody holds the lock: no relay leads"
    since = "" if holder.since is None else f", since {format_instant(holder.since)}"
    return f"{holder_text(holder)}, backend {holder.pid}{since}"


def _watermarks(sample: LagSample) -> Iterator[str]:
    if sample.kafka is not None:
        yield f"Kafka {'none' if sample.kafka.watermark is None else sample.kafka.watermark}"
    if sample.relay is not None:
        mirror = sample.relay.mirror
        yield f"Postgres {mirror.watermark} ({format_instant(mirror.moved_at)}), highest number given {mirror.highest}"


def _age(then: datetime | None, at: datetime) -> float | None:
    return None if then is None else round(max(0.0, (at - then).total_seconds()), 3)


def _oldest(partitions: Sequence[PartitionSample], at: datetime) -> float | None:
    return max((age for each in partitions if (age := _age(each.oldest_at, at)) is not None), default=None)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.1f} s"
