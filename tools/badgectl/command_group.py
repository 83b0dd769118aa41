"""The command line as a whole: what holds for every command."""

import os
import signal
from typing import Any

from typer.core import TyperGroup


class CommandGroup(TyperGroup):
    """Ends like other Unix tools when nobody reads what it prints (`| head`): by SIGPIPE, without a word.

    The signal itself must stay off meanwhile: it would come from Kafka's and Postgres's connections too.
    """

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the type is not public
        """Run the command; does not return when its reader is gone."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGPIPE)
            raise
