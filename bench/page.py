"""The part of `docs/performance.md` that a run writes; what people wrote around it stays."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.display import shown
from bench.results import Results, Spread
from bench.sizing import sizing_lines
from bench.table import MEASURES

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
_NEW = f"""\
# Performance

`make bench` measures all of this again, side by side in one run, and `make bench ARGS="--write"` writes this page.
Kafka, Postgres, the load and what is measured share one machine, whose speed changes from minute to minute: **only
ratios are claims**. Each is taken within one round; shown are the median of the rounds, the least and the most.

{BEGIN}
{END}

## How it is measured
- **Peers** (`bench/peers`), as a team would write them in an afternoon, on the same tables and topics: (a) a FastStream
  worker that takes one message at a time: insert, commit, publish, acknowledge; (b) a FastAPI handler that inserts and
  publishes; (c) the same with SQLAlchemy's ORM. They remember keys and definitions for 5 s, as our gateway does. They
  lose events when they die, and have no cap on calls.
- **Ceilings**: rows inserted into `awards`, 1,000 a statement; records published and read; a FastAPI handler that does
  nothing; the SQL of the participant's list in a bare handler; one Kafka transaction; one Postgres commit.
- **Drains**: requests are queued first. A lock on `awards` is the starting line: the clock starts when it is released
  and every worker stands there with a batch. It ends when a `read_committed` reader may read the last event; then the
  events are read, and there must be exactly one for each award.
- **HTTP**: wrk with one thread, after a warm-up; a run with a failed call does not count. Who is measured first changes
  from round to round.
- **Latency**: requests published at an even pace; from the publishing call until the reader has the event.
- **Processor time**: of each process, with its children, from before the load until after it.
"""
_CHARTS: Sequence[tuple[str, Sequence[tuple[str, str]]]] = (
    (
        "Queued requests, awards a second until the last event is visible",
        (
            ("bare insert loop, no events", "bare_insert_per_second"),
            ("ours, duplicates", "duplicates_per_second"),
            ("ours, fresh", "drain_per_second"),
            ("ours, among 10 million awards", "drain_among_many_per_second"),
            ("one relay alone, events", "relay_per_second"),
            ("peer (a), one by one", "one_by_one_per_second"),
            ("peer (a), acknowledging first", "one_by_one_ack_first_per_second"),
        ),
    ),
    (
        "HTTP award calls a second, 32 callers",
        (
            ("handler that does nothing", "no_op_rps"),
            ("ours", "http_rps"),
            ("peer (b), dual write", "dual_write_rps"),
            ("peer (c), the same with an ORM", "orm_dual_write_rps"),
            ("ours, duplicates", "http_duplicates_rps"),
            ("peer (b), duplicates", "dual_write_duplicates_rps"),
            ("peer (c), duplicates", "orm_dual_write_duplicates_rps"),
        ),
    ),
    (
        "HTTP award call, p50 of one caller, ms",
        (
            ("handler that does nothing", "no_op_single_p50_ms"),
            ("ours", "http_single_p50_ms"),
            ("peer (b), dual write", "dual_write_single_p50_ms"),
            ("peer (c), the same with an ORM", "orm_dual_write_single_p50_ms"),
        ),
    ),
    (
        "Lists a second, 32 callers",
        (("ours", "list_rps"), ("bare handler, the same SQL", "bare_list_rps")),
    ),
)
_BAR = 40


def write_page(results: Results, path: Path) -> None:
    """Put the results between the marks of the page; make the page if there is none."""
    page = path.read_text(encoding="utf-8") if path.exists() else _NEW
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    content = "\n".join(_lines(results))
    path.write_text(f"{before}{BEGIN}\n{content}\n{END}{after}", encoding="utf-8")


def _lines(results: Results) -> Iterator[str]:
    machine = results.machine
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    yield f"Measured {results.started} on {machine.cores} cores and {machine.memory_gib} GiB ({machine.system})."
    yield f"Rounds: {results.rounds}. Scale of the counts: {results.scale:g}."
    yield f"Versions: {versions}."
    yield ""
    yield "| measure | median | least … most | target | |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for measure in MEASURES:
        spread = results.ratios.get(measure.key) or results.figures.get(measure.key)
        if spread is not None:
            verdict = "met" if measure.target.is_met(spread.median) else "**missed**"
            yield f"| {measure.title} (`{measure.key}`) | {_cells(spread)} | {measure.target} | {verdict} |"
    for title, bars in _CHARTS:
        yield from _chart(results, title, bars)
    yield from _processor_times(results)
    yield from sizing_lines(results)


def _chart(results: Results, title: str, bars: Sequence[tuple[str, str]]) -> Iterator[str]:
    found = [(name, results.figures[key].median) for name, key in bars if key in results.figures]
    if not found:
        return
    longest, width = max(value for _, value in found), max(len(name) for name, _ in found)
    yield from ("", f"### {title}", "```")
    for name, value in found:
        yield f"{name:<{width}}  {'█' * max(1, round(_BAR * value / longest))} {shown(value)}"
    yield "```"


def _processor_times(results: Results) -> Iterator[str]:
    times = {key: spread for key, spread in results.figures.items() if "_cpu_" in key}
    if not times:
        return
    components = ("gateway", "app", "worker", "kafka", "postgres")
    yield from ("", "### Processor time per request, µs", "")
    yield f"| | {' | '.join(components)} | all |"
    yield f"| --- |{' ---: |' * len(components)} ---: |"
    for prefix in dict.fromkeys(key.partition("_cpu_")[0] for key in times):
        found = [times.get(f"{prefix}_cpu_{component}_us") for component in components]
        cells = " | ".join("" if one is None else shown(one.median) for one in found)
        yield f"| {prefix} | {cells} | {shown(sum(one.median for one in found if one is not None))} |"


def _cells(spread: Spread) -> str:
    return f"{shown(spread.median)} | {shown(spread.least)} … {shown(spread.most)}"
