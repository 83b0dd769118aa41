"""supervisord must read what we mean, whatever the folders are called."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from supervisor.options import ServerOptions

from devstack.plan import Wishes, choose_ports
from devstack.supervisor_conf import Program, supervisor_conf

HOSTILE_WORDS = [
    "/a b/c",
    "/a #1/c",
    "/a ;1/c",
    "/it's/c",
    '/a "b"/c',
    "/100%/c",
    "/%(here)s/%(ENV_HOME)s",
    "/back\\slash/c",
    "/ü,é=[b]/*",
    "-Dx=y z",
]


def read_by_supervisord(folder: Path, *run: Program) -> dict[str, Any]:
    """Return what supervisord makes of the programs, by name."""
    (folder / "logs").mkdir()
    conf = folder / "supervisord.conf"
    conf.write_text(supervisor_conf(choose_ports(Wishes(), None), run), encoding="utf-8")
    options = ServerOptions()
    options.realize(["-c", conf.name])
    return {program.name: program for group in options.process_group_configs for program in group.process_configs}


@pytest.mark.parametrize("word", HOSTILE_WORDS)
def test_every_word_of_a_command_arrives_as_it_was(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = Program(name="kafka", kind="kafka", command=["java", word, "-x"], folder="kafka")
    read = read_by_supervisord(tmp_path, program)["kafka"]
    assert shlex.split(read.command) == ["java", word, "-x"]


def test_connection_strings_reach_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {"BADGES_DATABASE_URL": "postgresql://badges:0aF@127.0.0.1:5432/badges", "BADGES_API_PORT": "8000"}
    program = Program(name="api-1", kind="api", command=["api"], folder="..", environment=settings)
    read = read_by_supervisord(tmp_path, program)["api-1"]
    assert read.environment == settings
