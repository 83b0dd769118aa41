import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from badgectl.command_group import COMMANDS
from operator_commands import run_badgectl

TENANT = "6f6d1f0c-5d1b-5a0e-9a57-2f4f0f6c8f11"
NOWHERE = {
    "BADGES_KAFKA_BOOTSTRAP": "127.0.0.1:1",
    "BADGES_DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/x",
    "BADGES_URL": "http://127.0.0.1:1",
    "BADGES_KEY": f"bq_live_{0:032x}",
}
CALLS = (
    ("award", "u", "c"),
    ("badges", "u"),
    ("events",),
    ("import", "rows.csv", "--tenant", TENANT),
    ("import", "rows.csv", "--dry-run", "--tenant", TENANT),
    ("keys", "list", "demo"),
    ("tenants", "list"),
    ("migrate",),
    ("topics",),
)


def test_help_names_every_command(tmp_path: Path) -> None:
    words = run_badgectl("--help", folder=tmp_path).out.split()
    assert all(command in words for command in COMMANDS)


def test_version_is_told(tmp_path: Path) -> None:
    assert run_badgectl("--version", folder=tmp_path).out == f"badgectl {version('badges')}\n"


def test_command_that_was_mistyped_is_suggested(tmp_path: Path) -> None:
    told = run_badgectl("exlain", folder=tmp_path)
    assert (told.code, "Did you mean 'explain'?" in told.err) == (2, True)


def test_command_line_loads_what_is_asked_for_only() -> None:
    code = "import sys, badgectl.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"sqlalchemy", "aiokafka", "httpx", "alembic"} & set(loaded.stdout.split())


def test_no_command_loads_the_services() -> None:
    modules = ", ".join({f"badgectl.{place.partition(':')[0]}" for place in COMMANDS.values()})
    code = f"import sys, {modules}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"fastapi", "starlette", "uvicorn", "faststream", "api", "award_worker"} & set(loaded.stdout.split())


@pytest.mark.parametrize("words", [("up", "--detach", "--workers", "2"), ("down",), ("status", "--json")])
def test_where_the_embedded_servers_are_not_installed_a_command_that_needs_them_says_so(words: tuple[str, ...]) -> None:
    code = "import sys, runpy; sys.modules['psutil'] = None; runpy.run_module('badgectl', run_name='__main__')"
    told = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert (told.returncode, "with the extra `stack`" in told.stderr) == (1, True)
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_without_a_stack_each_command_says_how_to_get_one(tmp_path: Path, call: tuple[str, ...]) -> None:
    (tmp_path / "rows.csv").write_text("participant_id,badge_code\nu,c\n")
    told = run_badgectl(*call, folder=tmp_path)
    assert (told.code, told.out.count("Traceback") + told.err.count("Traceback")) == (1, 0)
    assert "run `badgectl up` here" in told.err


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_what_is_away_is_named_in_one_line(tmp_path: Path, call: tuple[str, ...]) -> None:
    (tmp_path / "rows.csv").write_text("participant_id,badge_code\nu,c\n")
    told = run_badgectl(*call, folder=tmp_path, environment=NOWHERE)
    assert told.code == 1
    (line,) = [line for line in told.err.splitlines() if line.startswith("error: ")]
    assert any(told in line for told in ("Kafka cannot be reached", "Postgres cannot be reached", "does not answer"))
    assert "secret" not in told.out + told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("award", "", "c"), "the participant's id must not be empty"),
        (("award", "u", ""), "the badge's code must not be empty"),
        (("award", "u" * 256, "c"), "at most 255 characters, not 256"),
        (("badges", ""), "the participant's id must not be empty"),
        (("award", "u", "c", "--metadata", "[1]"), "must be a JSON object such as"),
        (("award", "u", "c", "--metadata", "{"), "must be a JSON object such as"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_is_asked(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    told = run_badgectl(*arguments, folder=tmp_path, environment=NOWHERE)
    assert (told.code, told.out) == (1, "")
    assert said in told.err


def test_output_that_nobody_reads_ends_the_command_as_other_tools(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    told = subprocess.run(
        [sys.executable, "-m", "badgectl", "status"],
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (told.returncode, told.stderr) == (-signal.SIGPIPE, b"")
