"""The processes of a stack are told from strangers by what only they carry."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.layout import MARK, StackFolder
from devstack.running import running, stop, supervisor_of

OBEDIENT = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {OBEDIENT}"


@contextmanager
def child(script: str, *, mark: Path | None) -> Iterator[int]:
    environment = {**os.environ, **({MARK: str(mark)} if mark else {})}
    with subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


def test_a_marked_process_belongs_to_the_stack(tmp_path: Path) -> None:
    with child(OBEDIENT, mark=tmp_path) as pid:
        assert [process.pid for process in running(StackFolder(tmp_path))] == [pid]


def test_strangers_and_other_stacks_do_not_belong(tmp_path: Path) -> None:
    with child(OBEDIENT, mark=None), child(OBEDIENT, mark=tmp_path / "other"):
        assert running(StackFolder(tmp_path)) == []


def test_a_process_that_is_not_supervisord_is_not_taken_for_it(tmp_path: Path) -> None:
    with child(OBEDIENT, mark=tmp_path):
        assert supervisor_of(StackFolder(tmp_path)) is None


def test_an_obedient_process_is_not_killed(tmp_path: Path) -> None:
    with child(OBEDIENT, mark=tmp_path):
        assert stop(running(StackFolder(tmp_path)), patience_s=10) == []
        assert running(StackFolder(tmp_path)) == []


def test_a_stubborn_process_is_killed_in_the_end(tmp_path: Path) -> None:
    with child(STUBBORN, mark=tmp_path) as pid:
        assert [process.pid for process in stop(running(StackFolder(tmp_path)), patience_s=0.2)] == [pid]
        assert running(StackFolder(tmp_path)) == []
