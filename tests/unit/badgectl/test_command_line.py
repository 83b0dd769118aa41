import subprocess
import sys

COMMANDS = ("up", "down", "status", "migrate", "topics", "import", "award", "badges", "events")


def test_help_names_every_command() -> None:
    shown = subprocess.run([sys.executable, "-m", "badgectl", "--help"], capture_output=True, text=True, check=True)
    words = shown.stdout.split()
    assert all(command in words for command in COMMANDS)


def test_command_line_starts_without_the_services() -> None:
    code = "import sys, badgectl.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"fastapi", "starlette", "uvicorn", "faststream", "api", "award_worker"} & set(loaded.stdout.split())
