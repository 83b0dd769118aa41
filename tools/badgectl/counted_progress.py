"""How far a command is: a bar on a terminal, else a line now and then; on standard error."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

LINE_SECONDS = 5.0

Show = Callable[[int, str], None]
"""Takes how much is done, and says it in words."""


@contextmanager
def counted_progress(console: Console, total: Callable[[], int | None]) -> Iterator[Show]:
    """Show the progress while the context lasts; `total` is how much there is in all, if that is known yet."""
    if not console.is_terminal:
        yield _line_printer(console)
        return
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, words: progress.update(task, completed=done, total=total(), description=words)


def _line_printer(console: Console) -> Show:
    shown_at = time.monotonic()

    def show(_done: int, words: str) -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at >= LINE_SECONDS:
            shown_at = time.monotonic()
            console.print(words, highlight=False)

    return show
