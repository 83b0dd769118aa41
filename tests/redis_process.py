"""A real redis-server: the one that is installed, else Debian's, unpacked into the user's cache."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from debian import debian_program
from devstack.ports import LOOPBACK
from ports import free_port

PACKAGES = ("redis-server", "redis-tools", "libatomic1", "libjemalloc2", "liblzf1")
START_SECONDS = 10


@dataclass(slots=True, kw_only=True)
class RedisProcess:
    """A server that keeps nothing on disk; it can be killed and started again on its port."""

    port: int
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """What a gateway is given."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Return when it answers."""
        program, environment = debian_program("redis-server", PACKAGES)
        command = [program, "--port", str(self.port), "--bind", LOOPBACK, "--save", "", "--daemonize", "no"]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert self.process.poll() is None, "redis-server has ended"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

    def answers(self) -> bool:
        """Whether a connection is accepted."""
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self.port)) == 0

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@contextmanager
def redis_process() -> Iterator[RedisProcess]:
    """Lend a running server."""
    server = RedisProcess(port=free_port())
    server.start()
    try:
        yield server
    finally:
        server.kill()
