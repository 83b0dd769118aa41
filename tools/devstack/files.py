"""Files of the stack: private, and replaced in one step."""

import os
import stat
from pathlib import Path

from devstack.errors import StackError


def write_private(path: Path, text: str) -> None:
    """Replace the file by one with this text that its owner alone may read; readers see the old or the new."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.new")
    unfinished.unlink(missing_ok=True)
    # Never readable for others, not even before a chmod.
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    unfinished.replace(path)


def make_executable(*programs: Path) -> None:
    """Set the executable bits of programs that an installer unpacked without them.

    Raises StackError when a program is missing or its folder is not ours to change.
    """
    for program in programs:
        if os.access(program, os.X_OK):
            continue
        try:
            program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        except OSError as error:
            msg = f"{program} is not there or cannot be made executable: install the extra `stack` again ({error})"
            raise StackError(msg) from error


def tail(path: Path, lines: int) -> str:
    """Return the last lines of a log, or a remark when there is none."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"({path} does not exist)"
    return "\n".join(text.splitlines()[-lines:]) or f"({path} is empty)"
