"""Where the stack keeps its things: the folder `.badges`."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import StackError

FOLDER_NAME = ".badges"
MARK = "BADGES_STACK"
"""Every process of a stack carries the stack's folder under this name in its environment."""


@dataclass(frozen=True, slots=True)
class StackFolder:
    """The names below one stack's folder, which is an absolute path without symbolic links."""

    path: Path

    @classmethod
    def below(cls, parent: Path) -> "StackFolder":
        """Return the stack's folder of a folder; it need not exist."""
        return cls((parent / FOLDER_NAME).resolve())

    @property
    def postgres(self) -> Path:
        """Postgres's data and password."""
        return self.path / "postgres"

    @property
    def kafka(self) -> Path:
        """Kafka's log and settings."""
        return self.path / "kafka"

    @property
    def logs(self) -> Path:
        """What the processes print."""
        return self.path / "logs"

    @property
    def plan(self) -> Path:
        """The ports, kept from one `up` to the next."""
        return self.path / "plan.json"

    @property
    def demo(self) -> Path:
        """The demo tenant's keys, of which the database knows hashes alone."""
        return self.path / "demo.json"

    @property
    def stack(self) -> Path:
        """What others read about a running stack."""
        return self.path / "stack.json"

    @property
    def supervisor_conf(self) -> Path:
        """The settings of supervisord."""
        return self.path / "supervisord.conf"

    def create(self) -> None:
        """Make the folders; what is below is for their owner alone."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        self.logs.mkdir(exist_ok=True)

    def clear(self) -> None:
        """Delete everything but the lock; nothing may run."""
        for entry in self.path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != "lock":
                entry.unlink()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other `up` and `down` off this folder meanwhile.

        Raises:
            StackError: another one is at work.
        """
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError as error:
            msg = f"{self.path} belongs to somebody else: {error}"
            raise StackError(msg) from error
        try:
            _lock_or_refuse(lock, self.path)
            yield
        finally:
            os.close(lock)


def _lock_or_refuse(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        msg = f"another badgectl is starting or stopping the stack in {folder}"
        raise StackError(msg) from error
