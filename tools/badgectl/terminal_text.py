"""Text of others on a terminal."""

import json

from rich.console import Console

PIPE_COLUMNS = 160


class ResultConsole(Console):
    """Standard output. Rich's own leaves with code 1 when nobody reads; here that is for the command line to say."""

    def on_broken_pipe(self) -> None:
        """Say what happened."""
        raise BrokenPipeError


def printable(text: object) -> str:
    """`text` with nothing in it that would move a terminal's cursor or break the line."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))


def result_console() -> ResultConsole:
    """Return standard output; tables keep their columns readable where no terminal sets a width."""
    console = ResultConsole()
    return console if console.is_terminal else ResultConsole(width=PIPE_COLUMNS)


def json_line(value: object) -> str:
    """`value` as one line of JSON, in ASCII: safe for every terminal and encoding."""
    return json.dumps(value, separators=(",", ":"))
