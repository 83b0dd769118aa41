"""Private files are private, and never half written."""

from pathlib import Path

import pytest

from devstack.errors import StackError
from devstack.files import make_executable, tail, write_private


def test_a_private_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    write_private(tmp_path / "secret", "text")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_private_file_is_replaced_not_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, "old")
    with path.open() as reader:
        write_private(path, "new")
        assert (reader.read(), path.read_text()) == ("old", "new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_program_without_its_executable_bit_is_given_it(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.touch(mode=0o644)
    make_executable(program)
    assert program.stat().st_mode & 0o111 == 0o111


def test_a_missing_program_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="install the extra `stack` again"):
        make_executable(tmp_path / "nothing")


def test_the_end_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("1\n2\n3\n")
    assert tail(tmp_path / "log", 2) == "2\n3"


def test_a_log_that_is_not_there_is_told() -> None:
    assert "does not exist" in tail(Path("/nowhere/log"), 2)
