"""Log lines have one form, and say of participants what the setting allows."""

import hashlib
import hmac
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr, ValidationError

from telemetry.logs import configure_logs
from telemetry.logs_settings import LogSettings

KEY = "sixteen letters!"
PROGRAM = """
import structlog
from telemetry.logs import configure_logs
from telemetry.logs_settings import LogSettings
read = LogSettings()
configure_logs(form=read.format, participants=read.participant_form())
structlog.get_logger("theirs").warning("happened", participant_id="user_123", count=1)
try:
    password = "hunter2"
    raise ValueError("broken")
except ValueError:
    structlog.get_logger("theirs").exception("failed")
"""


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def line(capsys: pytest.CaptureFixture[str], **settings: object) -> dict[str, object]:
    """What a line about user_123 is like."""
    read = LogSettings.model_validate(settings)
    configure_logs("INFO", form=read.format, participants=read.participant_form())
    structlog.get_logger("tests").info("happened", participant_id="user_123")
    written: dict[str, object] = json.loads(capsys.readouterr().err)
    return written


def test_participants_are_hashed_with_the_key_that_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    written = line(capsys, hash_key=SecretStr(KEY))
    assert written["participant_hash"] == hmac.new(KEY.encode(), b"user_123", hashlib.sha256).hexdigest()[:16]
    assert "participant_id" not in written


def test_the_documented_command_makes_the_same_hash(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "observability.md").read_text(encoding="utf-8")
    (command,) = [line for line in page.splitlines() if "openssl" in line]
    environment = {**os.environ, "BADGES_LOG_HASH_KEY": KEY}
    shown = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == line(capsys, hash_key=SecretStr(KEY))["participant_hash"]


def test_without_a_key_the_same_hash_holds_for_one_process_only(capsys: pytest.CaptureFixture[str]) -> None:
    first, another = line(capsys), line(capsys)
    assert len(str(first["participant_hash"])) == 16
    assert first["participant_hash"] != another["participant_hash"], "each process makes up a key of its own"


def test_participants_are_absent_or_plain_where_it_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert not {"participant_id", "participant_hash"} & line(capsys, participants="absent").keys()
    assert line(capsys, participants="plain")["participant_id"] == "user_123"


def test_a_short_key_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGES_LOG_HASH_KEY", "hunter2")
    with pytest.raises(ValidationError) as refused:
        LogSettings()
    assert "hunter2" not in str(refused.value)


def test_lines_of_libraries_have_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO")
    logging.getLogger("aiokafka.client").warning("theirs %s", 1)
    logging.getLogger("aiokafka.client").info("noise")
    written = json.loads(capsys.readouterr().err)
    assert (written["event"], written["level"], written["logger"]) == ("theirs 1", "warning", "aiokafka.client")


def test_the_call_under_way_is_named_in_every_line_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with structlog.contextvars.bound_contextvars(request_id="request-1", participant_id="user_123"):
        written = line(capsys)
    assert written["request_id"] == "request-1"
    assert "participant_hash" in written


@pytest.mark.parametrize("form", ["auto", "json", "console"])
def test_a_pipe_gets_json_unless_people_ask_for_text(form: str) -> None:
    environment = {"BADGES_LOG_FORMAT": form, "BADGES_LOG_PARTICIPANTS": "plain"}
    ran = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert "hunter2" not in ran.stderr, "no values of variables in tracebacks"
    if form == "console":
        assert "happened" in ran.stderr
        assert "participant_id=user_123" in ran.stderr
        assert "ValueError: broken" in ran.stderr
        assert "\x1b[" not in ran.stderr, "colours are for terminals"
    else:
        happened, failed = map(json.loads, ran.stderr.splitlines())
        assert (happened["event"], happened["participant_id"]) == ("happened", "user_123")
        assert failed["exception"][0]["exc_value"] == "broken"
