"""A real redis-server: the one that is installed, else Debian's, unpacked into the user's cache."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devstack.kafka_jars import cache_folder
from devstack.ports import LOOPBACK, next_free

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
        program, environment = redis_server()
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
    server = RedisProcess(port=next_free(16_379, set()))
    server.start()
    try:
        yield server
    finally:
        server.kill()


def redis_server() -> tuple[str, dict[str, str]]:
    """Return the program and its environment; fetch Debian's packages if there is none."""
    installed = shutil.which("redis-server")
    if installed:
        return installed, dict(os.environ)
    place = cache_folder() / "redis"
    if not place.exists():
        _unpack_into(place)
    libraries = ":".join(str(folder) for folder in (place / "usr" / "lib").glob("*-linux-gnu"))
    return str(place / "usr" / "bin" / "redis-server"), {**os.environ, "LD_LIBRARY_PATH": libraries}


def _unpack_into(place: Path) -> None:
    """Download without installing: that needs no rights but to read the package lists."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=True, capture_output=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as work:
        subprocess.run(["apt-get", "download", "-qq", *PACKAGES], cwd=work, check=True, capture_output=True)
        root = Path(work, "root")
        for package in Path(work).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, root], check=True)
        root.rename(place)
