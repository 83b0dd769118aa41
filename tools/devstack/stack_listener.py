"""Runs under supervisord, hears of every process that starts or ends, and keeps the ids in stack.json true.

`python -m devstack.stack_listener`, in the environment of the stack's supervisord.
"""

import os
from contextlib import suppress
from pathlib import Path

from supervisor import childutils

from devstack.layout import MARK, StackFolder
from devstack.plan import load_plan
from devstack.stack_file import refresh_pids
from devstack.supervisor_control import SupervisorControl, SupervisorGoneError


def main() -> None:
    """Answer events until supervisord ends."""
    folder = StackFolder(Path(os.environ[MARK]))
    plan = load_plan(folder.plan)
    if plan is None:
        msg = f"{folder.plan} cannot be read"
        raise SystemExit(msg)
    with SupervisorControl(plan) as control, suppress(SupervisorGoneError):
        while True:
            childutils.listener.wait()
            refresh_pids(folder, control)
            childutils.listener.ok()


if __name__ == "__main__":
    main()
