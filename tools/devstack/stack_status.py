"""What runs of a stack, now."""

from collections.abc import Sequence
from dataclasses import dataclass

from devstack.layout import StackFolder
from devstack.plan import Plan, load_plan
from devstack.readiness import addresses, unready
from devstack.running import running, supervisor_of
from devstack.stack_file import recorded_pids
from devstack.supervisor_control import SupervisorControl, SupervisorEndingError, SupervisorGoneError


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramStatus:
    """One program of a stack that is up. `address` is a URL, for servers `host:port`."""

    name: str
    state: str
    is_ready: bool
    pid: int | None
    address: str
    uptime_s: int
    failing: Sequence[str] = ()
    """Which of its checks fail, when it is not ready."""


async def stack_status(folder: StackFolder) -> list[ProgramStatus]:
    """Return the status of every program; nothing when no stack is up here."""
    plan = load_plan(folder.plan)
    if plan is None or supervisor_of(folder) is None:
        return []
    try:
        with SupervisorControl(plan) as control:
            states = {state.name: state for state in control.states()}
    except SupervisorEndingError:
        return _ending(folder, plan)
    except SupervisorGoneError:
        return []
    waiting = await unready(plan)
    return [
        ProgramStatus(
            name=name,
            state=states[name].state.lower(),
            is_ready=states[name].state in {"RUNNING", "STARTING"} and name not in waiting,
            pid=states[name].pid or None,
            address=address,
            uptime_s=states[name].uptime_s,
            failing=waiting.get(name, ()),
        )
        for name, address in addresses(plan).items()
        if name in states
    ]


def _ending(folder: StackFolder, plan: Plan) -> list[ProgramStatus]:
    """What is left of a stack that is being stopped: services drain first, servers end last."""
    left, pids = {process.pid for process in running(folder)}, recorded_pids(folder)
    return [
        ProgramStatus(
            name=name,
            state="stopping" if is_left else "stopped",
            is_ready=False,
            pid=pids[name] if is_left else None,
            address=address,
            uptime_s=0,
        )
        for name, address in addresses(plan).items()
        for is_left in [pids.get(name) in left]
    ]
