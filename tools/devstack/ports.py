"""Free ports on the loopback address."""

import socket

from devstack.errors import StackError

LOOPBACK = "127.0.0.1"
_SEARCHED = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Connections of an earlier server that linger in TIME_WAIT do not make a port taken; a listener still does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def next_free(preferred: int, chosen: set[int]) -> int:
    """Return the first port from `preferred` on that is free and not in `chosen`, and add it to `chosen`."""
    for port in range(preferred, min(preferred + _SEARCHED, 65536)):
        if port not in chosen and is_free(port):
            chosen.add(port)
            return port
    msg = f"no free port was found from {preferred} on: {_SEARCHED} are taken"
    raise StackError(msg)
