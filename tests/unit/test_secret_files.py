"""Settings that stand in files, as Docker and Kubernetes mount secrets."""

from pathlib import Path

import pytest

from api.settings import ApiSettings
from award_worker.settings import WorkerSettings
from badgectl import addresses
from badgectl.failures import CommandError

URL = "postgresql://badges_api:secret@db.example/badges"


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that settings are read from."""
    monkeypatch.setenv("BADGES_SECRETS_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", ["BADGES_DATABASE_URL", "badges_database_url"])
def test_database_is_found_by_every_process(folder: Path, name: str) -> None:
    (folder / name).write_text(f"{URL}\n")
    assert str(ApiSettings().database_url) == URL
    assert str(WorkerSettings().database_url) == URL
    assert addresses.database_url() == URL


def test_settings_of_one_process_and_of_kafka_are_read_too(folder: Path) -> None:
    (folder / "BADGES_DATABASE_URL").write_text(URL)
    (folder / "badges_api_rate_limit_store").write_text("rediss://:secret@redis.example:6379/0")
    (folder / "badges_kafka_bootstrap").write_text("kafka.example:9093")
    settings = ApiSettings()
    assert str(settings.rate_limit_store) == "rediss://:secret@redis.example:6379/0"
    assert settings.kafka.bootstrap == "kafka.example:9093"
    assert addresses.kafka_settings() == settings.kafka


def test_environment_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "BADGES_DATABASE_URL").write_text("postgresql://file.example/badges")
    monkeypatch.setenv("BADGES_DATABASE_URL", URL)
    assert addresses.database_url() == URL


def test_folder_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BADGES_SECRETS_DIR", str(tmp_path / "none"))
    with pytest.raises(CommandError, match="BADGES_SECRETS_DIR is not a folder"):
        addresses.database_url()
