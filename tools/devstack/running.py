"""The processes of a stack that run on this machine, found by what only they carry."""

import contextlib
import os
from collections.abc import Sequence
from signal import SIGINT, SIGTERM

import psutil

from devstack.layout import MARK, StackFolder


def running(folder: StackFolder) -> list[psutil.Process]:
    """Return the stack's processes: those with its mark in their environment, and its Postgres.

    (Postgres runs as another user when root starts it, and the environment of others may be hidden.)
    """
    found = []
    for candidate in psutil.process_iter(["cmdline", "environ"]):
        # A badgectl that was called from inside the stack's environment is not a part of it.
        if candidate.pid == os.getpid():
            continue
        environment, command = candidate.info["environ"] or {}, candidate.info["cmdline"] or [""]
        # Postgres's own children are its business: they leave with it, and take SIGTERM from others for a crash.
        marked = environment.get(MARK) == str(folder.path) and not command[0].startswith("postgres:")
        if marked or _is_postgres_of(folder, command):
            found.append(candidate)
    return found


def supervisor_of(folder: StackFolder) -> psutil.Process | None:
    """Return the stack's supervisord if it runs."""
    for process in running(folder):
        with contextlib.suppress(psutil.Error):
            if str(folder.supervisor_conf) in process.cmdline():
                return process
    return None


def stop(processes: Sequence[psutil.Process], *, patience_s: float) -> list[psutil.Process]:
    """Ask the processes to end, then kill those that have not; return those that had to be killed."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            # For Postgres SIGTERM means to wait for every client to leave.
            process.send_signal(SIGINT if _is_postgres(process.cmdline()) else SIGTERM)
    _, stubborn = psutil.wait_procs(processes, timeout=patience_s)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=patience_s)
    return stubborn


def _is_postgres(command: Sequence[str]) -> bool:
    return bool(command) and command[0].endswith("/postgres")


def _is_postgres_of(folder: StackFolder, command: Sequence[str]) -> bool:
    return _is_postgres(command) and command[1:3] == ["-D", str(folder.postgres / "data")]
