"""A real PgBouncer in transaction mode, with fewer connections to Postgres than its clients have to it."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from debian import debian_program
from devstack.ports import LOOPBACK
from ports import free_port

PACKAGES = ("pgbouncer", "libc-ares2", "libevent-2.1-7")
START_SECONDS = 10
CONNECTIONS = 2


@contextmanager
def pgbouncer(database_url: str, folder: Path) -> Iterator[str]:
    """Lend the URL that leads to the database by way of the pooler."""
    target = urlsplit(database_url)
    port = free_port()
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        "[databases]\n"
        f"* = host={target.hostname} port={target.port} user={target.username} password={target.password}\n"
        "[pgbouncer]\n"
        f"listen_addr = {LOOPBACK}\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = transaction\ndefault_pool_size = {CONNECTIONS}\nmax_client_conn = 500\n"
    )
    program, environment = debian_program("pgbouncer", PACKAGES)
    user = ["-u", "nobody"] if os.geteuid() == 0 else []  # it does not run as root
    log = folder / "pgbouncer.log"
    with log.open("wb") as written:
        process = subprocess.Popen([program, *user, settings], env=environment, stdout=written, stderr=written)
    try:
        _wait(process, port, log)
        yield target._replace(netloc=f"{target.username}@{LOOPBACK}:{port}").geturl()
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, "PgBouncer does not answer"
        time.sleep(0.02)
