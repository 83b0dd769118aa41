"""How far an import is: a bar on a terminal, else a line now and then; on standard error."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from badgectl.import_files import ImportFile
from badgectl.import_tally import Tally

_BAR_SECONDS = 0.2
_LINE_SECONDS = 5.0


@contextmanager
def progress_shown(console: Console, file: ImportFile, tally: Tally) -> Iterator[None]:
    """Show the progress while the context lasts, from a thread: the import must not wait for a terminal."""
    if not console.is_terminal:
        with _repeated(_line_printer(console, tally), every=_LINE_SECONDS):
            yield
        return
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=file.size)
        began = time.monotonic()

        def show() -> None:
            rate = tally.rows / max(time.monotonic() - began, _BAR_SECONDS)
            progress.update(task, completed=file.position, description=f"{_so_far(tally)}, {rate:,.0f} rows/s")

        with _repeated(show, every=_BAR_SECONDS):
            yield


def _line_printer(console: Console, tally: Tally) -> Callable[[], None]:
    return lambda: console.print(_so_far(tally), highlight=False)


def _so_far(tally: Tally) -> str:
    return f"{tally.rows:,} rows read, {tally.settled:,} decided"


@contextmanager
def _repeated(show: Callable[[], None], *, every: float) -> Iterator[None]:
    ended = Event()

    def repeat() -> None:
        while not ended.wait(every):
            show()

    thread = Thread(target=repeat, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
