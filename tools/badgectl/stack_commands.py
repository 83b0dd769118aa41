"""`badgectl up`, `down` and `status`: the embedded stack in the current folder."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from badgectl.stack_banner import introduce
from badgectl.terminal_text import printable, result_console
from devstack.errors import StackError
from devstack.layout import StackFolder
from devstack.plan import Wishes
from devstack.stack import RunningStack, bring_up, take_down, uninterrupted
from devstack.stack_status import ProgramStatus, stack_status

_INTERRUPTED = 130
_LOOK_S = 1.0


def up(
    *,
    detach: Annotated[
        bool, typer.Option(help="Return when every process is ready; stop with `badgectl down`.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, max=32, help="How many award workers.")] = 1,
    gateways: Annotated[int, typer.Option(min=1, max=32, help="How many HTTP gateways.")] = 1,
    reset: Annotated[bool, typer.Option(help="Delete the stack's data first.")] = False,
    api_port: Annotated[int | None, typer.Option(min=1, max=65535, help="The first gateway's port.")] = None,
) -> None:
    """Start Postgres, Kafka, the gateway and the worker below .badges, with a demo tenant."""
    folder, console = StackFolder.below(Path.cwd()), Console()
    wishes = Wishes(gateways=gateways, workers=workers, api_port=api_port)
    with _errors_told():
        interruption = _Interruption()
        try:
            stack = bring_up(folder, wishes, console, is_reset=reset)
        except KeyboardInterrupt as error:
            raise typer.Exit(_INTERRUPTED) from error
        if detach:
            introduce(stack, console)
        else:
            _stay(stack, console, interruption)


def down() -> None:
    """Stop the stack in the current folder. Its data stays."""
    folder, console = StackFolder.below(Path.cwd()), Console()
    if not folder.path.exists():
        console.print("Nothing is up here.")
        return
    with _errors_told(), folder.locked(), console.status("Stopping"):
        done = take_down(folder)
    if done.supervisor is not None:
        console.print(
            f"Stopped the stack (supervisor {done.supervisor}). Its data stays in {escape(str(folder.path))}.",
            soft_wrap=True,
        )
    if done.left_over:
        console.print(f"Stopped {done.left_over} processes that no supervisor looked after.")
    if done.supervisor is None and not done.left_over:
        console.print("Nothing is up here.")


def status(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show each process of the stack. Exit code 0 when all run and are ready, else 1."""
    found = asyncio.run(stack_status(StackFolder.below(Path.cwd())))
    if as_json:
        typer.echo(json.dumps([asdict(program) for program in found], indent=2))
    elif found:
        result_console().print(_table(found))
    else:
        typer.echo("Nothing is up here.")
    if not found or not all(program.is_ready for program in found):
        raise typer.Exit(1)


@contextmanager
def _errors_told() -> Iterator[None]:
    try:
        yield
    except StackError as error:
        Console(stderr=True).print(f"[red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from error
    except PermissionError as error:
        remark = f"no access to {error.filename}. Was the stack started here by another user?"
        Console(stderr=True).print(f"[red]error:[/] {escape(remark)}", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from error


class _Interruption:
    """Lets SIGTERM and the end of the terminal do what Ctrl-C does.

    A shell starts what it runs in the background with SIGINT ignored: without a handler of its own that signal,
    and whatever is turned into it, would be lost. That the end of the terminal is ignored is what nohup is for.
    """

    def __init__(self) -> None:
        self._came = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._handle)

    def check(self) -> None:
        """Raise KeyboardInterrupt if one has come: Python drops what is raised inside a finaliser."""
        if self._came:
            raise KeyboardInterrupt

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self._came = True
        raise KeyboardInterrupt


def _ended(stack: RunningStack, interruption: _Interruption) -> int:
    """Return the supervisor's exit code once it has ended."""
    while True:
        interruption.check()
        with suppress(subprocess.TimeoutExpired):
            return stack.supervisor.wait(_LOOK_S)


def _stay(stack: RunningStack, console: Console, interruption: _Interruption) -> None:
    """Return when the stack has ended: at a signal, with the terminal, or without us."""
    try:
        introduce(stack, console)
        console.print("Ctrl-C stops everything.")
        ended = _ended(stack, interruption)
    except (KeyboardInterrupt, OSError):
        # The terminal may be gone.
        with suppress(OSError):
            console.print("Stopping …")
        with uninterrupted():
            take_down(stack.folder)
        with suppress(OSError):
            console.print("Stopped.")
        return
    done = take_down(stack.folder)
    if ended or done.left_over:
        msg = f"supervisord ended (code {ended}); what it looked after was stopped. See {stack.folder.logs}."
        raise StackError(msg)
    console.print("The stack was stopped.")


def _unready(program: ProgramStatus) -> str:
    return f"no: {printable(', '.join(program.failing))}" if program.failing else "no"


def _table(found: list[ProgramStatus]) -> Table:
    table = Table("process", "state", "ready", "pid", "address", "up for", box=None)
    for program in found:
        ready = "[green]yes[/]" if program.is_ready else f"[red]{escape(_unready(program))}[/]"
        up_for = str(timedelta(seconds=program.uptime_s))
        table.add_row(program.name, program.state, ready, str(program.pid or "-"), program.address, up_for)
    return table
