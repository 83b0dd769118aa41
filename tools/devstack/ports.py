"""Free ports on the loopback address."""

import fcntl
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.errors import StackError

LOOPBACK = "127.0.0.1"
_SEARCHED = 200
_ANSWER_S = 1


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now, and would be the one who answers there."""
    return _can_be_bound(port) and not _is_answered(port)


def _is_answered(port: int) -> bool:
    """Whether somebody answers. What the firewall sends on to a container can be bound here, to no avail."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=_ANSWER_S).close()
    except OSError:
        return False
    return True


def _can_be_bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Connections of an earlier server that linger in TIME_WAIT do not make a port taken; a listener still does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


@contextmanager
def claiming(ledger: Path) -> Iterator[Callable[[int], bool]]:
    """Lend an `is_free` that also claims the port, until the context ends, from every other process that asks so.

    For the time between the choice of a port and the start of the server, in which it looks free to others.
    """
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("wb") as claims:

        def claim(port: int) -> bool:
            try:
                # The byte at the port's number. First the claim: whoever had it has started his server since.
                fcntl.lockf(claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            except (BlockingIOError, PermissionError):
                return False
            return is_free(port)

        yield claim


def next_free(preferred: int, chosen: set[int], may_take: Callable[[int], bool] = is_free) -> int:
    """Return the first port from `preferred` on that may be taken and is not in `chosen`, and add it to `chosen`."""
    for port in range(preferred, min(preferred + _SEARCHED, 65536)):
        if port not in chosen and may_take(port):
            chosen.add(port)
            return port
    msg = f"no free port was found from {preferred} on: {_SEARCHED} are taken"
    raise StackError(msg)
