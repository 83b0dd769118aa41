"""What a rate of awards needs, worked out from the processor time per request that was measured."""

import math
from collections.abc import Iterator, Mapping

from bench.results import Results

RATES = (1_000, 10_000, 100_000)
BUSY = 0.6
"""A core is planned for so much of its time: the rest is for peaks, restarts and what is done beside the work."""

_DAY = 86_400
_GIB = 1024**3
_NEEDED = ("http_cpu_gateway_us", "drain_cpu_worker_us", "drain_cpu_kafka_us", "drain_cpu_postgres_us")


def sizing_lines(results: Results) -> Iterator[str]:
    """The table as Markdown; nothing where a figure that it needs was not measured."""
    figures = {key: spread.median for key, spread in results.figures.items()}
    if not set(_NEEDED) <= figures.keys() or "relay_per_second" not in figures:
        return
    yield from ("", "### Sizing", "")
    yield "| fresh awards a second | 1 k | 10 k | 100 k |"
    yield "| --- | ---: | ---: | ---: |"
    for name, cells in _rows(figures):
        yield f"| {name} | {' | '.join(cells)} |"


def _rows(figures: Mapping[str, float]) -> Iterator[tuple[str, list[str]]]:
    gateway, worker, kafka, postgres = (figures[key] for key in _NEEDED)
    relays = [rate / figures["relay_per_second"] for rate in RATES]
    workers = [_processes(rate, worker) for rate in RATES]
    yield "gateways of one core, if all come over HTTP", [f"{_processes(rate, gateway):,}" for rate in RATES]
    yield "workers of one core", [f"{count:,}" for count in workers]
    yield "partitions of `award_requests`: three for each worker", [f"{_partitions(count):,}" for count in workers]
    yield "share of what one relay can publish", [f"{relay:.0%}" for relay in relays]
    yield "cores of Kafka's brokers, replicated three times", [_cores(rate, 3 * kafka) for rate in RATES]
    yield "cores of Postgres", [_cores(rate, postgres) for rate in RATES]
    if size := figures.get("award_bytes"):
        yield "growth of `awards` with its indexes, GiB a day", [f"{rate * _DAY * size / _GIB:,.0f}" for rate in RATES]


def _processes(rate: int, microseconds: float) -> int:
    return math.ceil(rate * microseconds / 1e6 / BUSY)


def _partitions(workers: int) -> int:
    return max(12, 3 * workers)


def _cores(rate: int, microseconds: float) -> str:
    return f"{rate * microseconds / 1e6 / BUSY:,.1f}"
