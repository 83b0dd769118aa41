"""Ports for the tests, on the loopback address: each is one test process's until that ends.

What a server was given looks free until it listens, and again while it is down.
"""

from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from secrets import randbelow

from devstack.kafka_jars import cache_folder
from devstack.ports import claiming, next_free

# Below those that the system gives to clients: one that calls a server while it is down may be given the server's own
# port, connect to itself and keep the server from coming back.
_FIRST, _NUMBER = 15_000, 15_000

_chosen: set[int] = set()
_until_the_end = ExitStack()


def free_port() -> int:
    """Return a port that no test was given before, here or in a test process that runs beside this one."""
    return next_free(_FIRST + randbelow(_NUMBER), _chosen, _claim())


@cache
def _claim() -> Callable[[int], bool]:
    return _until_the_end.enter_context(claiming(cache_folder() / "test-ports.lock"))
