"""`.badges/stack.json`: what others read about a running stack."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from devstack.files import write_private
from devstack.layout import StackFolder
from devstack.plan import API, KAFKA, POSTGRES, WORKER
from devstack.supervisor_control import ProgramState, SupervisorControl

Pids = dict[str, object]


def write_stack_file(folder: StackFolder, control: SupervisorControl, facts: Mapping[str, object]) -> None:
    """Write the facts, and the process ids as supervisord has them now."""
    with _alone(folder):
        write_private(folder.stack, _json({**facts, "pids": _pids(control.states(), control.pid(), {})}))


def refresh_pids(folder: StackFolder, control: SupervisorControl) -> None:
    """Bring the process ids up to date; nothing when the file is not there (yet, or any more).

    A process that is down just now keeps its last id.
    """
    with _alone(folder):
        try:
            found = json.loads(folder.stack.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        pids = _pids(control.states(), control.pid(), found["pids"])
        if pids != found["pids"]:
            write_private(folder.stack, _json({**found, "pids": pids}))


def recorded_pids(folder: StackFolder) -> Mapping[str, int]:
    """Return the last known process id of each program, by its name; nothing when the file is not there."""
    try:
        found: Mapping[str, object] = json.loads(folder.stack.read_text(encoding="utf-8"))["pids"]
    except FileNotFoundError:
        return {}
    pids: dict[str, int] = {}
    for kind, recorded in found.items():
        if isinstance(recorded, list):
            pids |= {f"{kind}-{number}": pid for number, pid in enumerate(recorded, 1) if pid}
        elif isinstance(recorded, int):
            pids[kind] = recorded
    return pids


def remove_stack_file(folder: StackFolder) -> None:
    """Remove the file, which is no longer true."""
    with _alone(folder), suppress(FileNotFoundError):
        folder.stack.unlink()


def _json(content: Mapping[str, object]) -> str:
    return json.dumps(content, indent=2) + "\n"


def _pids(states: list[ProgramState], supervisor: int, before: Mapping[str, object]) -> Pids:
    pids: Pids = {"supervisor": supervisor}
    for kind in (KAFKA, POSTGRES):
        now = [state.pid for state in states if state.name == kind]
        pids[kind] = now[0] if now and now[0] else before.get(kind)
    for kind in (API, WORKER):
        numbered = sorted((state for state in states if state.name.startswith(f"{kind}-")), key=_number)
        last = before.get(kind)
        old = last if isinstance(last, list) and len(last) == len(numbered) else [None] * len(numbered)
        pids[kind] = [state.pid or known for state, known in zip(numbered, old, strict=True)]
    return pids


def _number(state: ProgramState) -> int:
    return int(state.name.rpartition("-")[2])


@contextmanager
def _alone(folder: StackFolder) -> Iterator[None]:
    """Let writers take turns, each asking for the process ids in its own: the newest win."""
    lock = os.open(folder.path / "stack.json.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
