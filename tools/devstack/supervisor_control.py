"""Talks to the supervisord of a stack, over XML-RPC on the loopback address."""

import http.client
import xmlrpc.client  # what it parses comes from our own supervisord, behind a password
from dataclasses import dataclass
from typing import Self

from supervisor.xmlrpc import Faults

from devstack.errors import StackError
from devstack.plan import CONTROL_USER, Plan
from devstack.ports import LOOPBACK

_TIMEOUT_S = 10
_LISTENER = "stack_listener"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramState:
    """What supervisord says of one program."""

    name: str
    group: str
    state: str
    """RUNNING, STARTING, BACKOFF (ended right after its start), STOPPED, …"""

    pid: int
    """0 when it does not run."""

    started: int
    """When it was last started, in seconds since 1970."""

    uptime_s: int


class SupervisorGoneError(StackError):
    """supervisord does not answer, or is about to end."""

    def __init__(self) -> None:
        super().__init__("supervisord does not answer")


class SupervisorEndingError(SupervisorGoneError):
    """supervisord is stopping its programs, and says no more of them."""


class SupervisorControl:
    """One supervisord, asked by one thread at a time; to be used in `with`.

    Every call raises SupervisorGoneError when it does not answer.
    """

    def __init__(self, plan: Plan) -> None:
        """Connect at the first call."""
        address = f"http://{CONTROL_USER}:{plan.control_password}@{LOOPBACK}:{plan.control}/RPC2"
        self._transport = _Transport()
        self._server = xmlrpc.client.ServerProxy(address, transport=self._transport)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._transport.close()

    def pid(self) -> int:
        """Return the process id of supervisord itself."""
        found = self._call("getPID")
        if not isinstance(found, int):
            raise SupervisorGoneError
        return found

    def states(self) -> list[ProgramState]:
        """Return the state of every program of the stack, in the order of their names."""
        found = self._call("getAllProcessInfo")
        if not isinstance(found, list):
            raise SupervisorGoneError
        states = [_state(entry) for entry in found if entry["name"] != _LISTENER]
        return sorted(states, key=lambda state: state.name)

    def start(self, program: ProgramState) -> None:
        """Start a program; returns before it runs."""
        name = f"{program.group}:{program.name}"
        self._call("startProcess", name, False)  # noqa: FBT003  # positional in XML-RPC: do not wait

    def _call(self, method: str, *arguments: object) -> object:
        try:
            return getattr(self._server.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise SupervisorGoneError from error
        except xmlrpc.client.Fault as error:
            if error.faultCode == Faults.SHUTDOWN_STATE:
                raise SupervisorEndingError from error
            msg = f"supervisord refuses {method}: {error.faultString}"
            raise StackError(msg) from error


class _Transport(xmlrpc.client.Transport):
    """With a timeout, which the standard one lacks."""

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        connection = super().make_connection(host)  # type: ignore[arg-type]
        connection.timeout = _TIMEOUT_S
        return connection


def _state(entry: dict[str, object]) -> ProgramState:
    running = entry["statename"] in {"RUNNING", "STARTING", "STOPPING"}
    now, start, pid = int(str(entry["now"])), int(str(entry["start"])), int(str(entry["pid"]))
    return ProgramState(
        name=str(entry["name"]),
        group=str(entry["group"]),
        state=str(entry["statename"]),
        pid=pid,
        started=start,
        uptime_s=max(now - start, 0) if running else 0,
    )
