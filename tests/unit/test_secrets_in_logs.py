"""The check that every log of the suite goes through finds what it has to find."""

from pathlib import Path

import pytest

from secrets_in_logs import assert_no_secrets

KEY = "bq_live_" + "0123456789abcdef" * 2


@pytest.mark.parametrize(
    "line",
    [
        KEY,
        KEY.replace("live", "test"),
        "postgresql://badges:hunter2@127.0.0.1/badges",
        "redis://:hunter2@127.0.0.1/0",
        '{"headers": {"Authorization": "Bearer x"}}',
        "b'x-api-key'",
        "authorization: Basic x",
        "(b'authorization', b'Basic x')",
        '"password": "hunter2"',
        "sasl_plain_password='hunter2'",
    ],
)
def test_a_secret_in_a_log_is_found(line: str, tmp_path: Path) -> None:
    log = tmp_path / "written.txt"
    log.write_text(f"before\n{line}\nafter\n")
    with pytest.raises(AssertionError, match="holds a secret"):
        assert_no_secrets(log)


def test_a_known_secret_is_found_and_not_shown(tmp_path: Path) -> None:
    log = tmp_path / "written.txt"
    log.write_text("it was correct horse battery staple, then")
    with pytest.raises(AssertionError) as found:
        assert_no_secrets(log, ["correct horse battery staple"])
    assert "staple" not in str(found.value.args)


@pytest.mark.parametrize(
    "line",
    [
        "postgresql://badges@127.0.0.1/badges",
        "http://127.0.0.1:8000/readyz",
        'password authentication failed for user "nobody"',
        "bq_live_…",
        "TopicAuthorizationFailedError('badge_awarded'): authorization failed",
        '{"kafka": "127.0.0.1:9092,127.0.0.1:9093"}',
    ],
)
def test_what_is_no_secret_passes(line: str, tmp_path: Path) -> None:
    log = tmp_path / "written.txt"
    log.write_text(line)
    assert_no_secrets(log, ["correct horse battery staple"])
    assert_no_secrets(tmp_path / "never written.txt")
