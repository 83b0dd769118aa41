"""What runs of a stack, now."""

from dataclasses import dataclass

from devstack.layout import StackFolder
from devstack.plan import load_plan
from devstack.readiness import addresses, unready
from devstack.running import supervisor_of
from devstack.supervisor_control import SupervisorControl, SupervisorGoneError


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramStatus:
    """One program of a stack that is up. `address` is a URL, for servers `host:port`."""

    name: str
    state: str
    is_ready: bool
    pid: int | None
    address: str
    uptime_s: int


async def stack_status(folder: StackFolder) -> list[ProgramStatus]:
    """Return the status of every program; nothing when no stack is up here."""
    plan = load_plan(folder.plan)
    if plan is None or supervisor_of(folder) is None:
        return []
    try:
        with SupervisorControl(plan) as control:
            states = {state.name: state for state in control.states()}
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
        )
        for name, address in addresses(plan).items()
        if name in states
    ]
