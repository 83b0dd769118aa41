import json
from pathlib import Path

import pytest

from badgectl import addresses
from badgectl.failures import CommandError

STACK = {
    "api_url": "http://127.0.0.1:8000",
    "kafka_bootstrap": "127.0.0.1:9092",
    "postgres_dsn": "postgresql://stack/db",
    "tenant": {"id": "6f6d1f0c-5d1b-5a0e-9a57-2f4f0f6c8f11", "live_key": "bq_live_stack"},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def stack(folder: Path) -> Path:
    path = folder / ".badges" / "stack.json"
    path.parent.mkdir()
    path.write_text(json.dumps(STACK))
    return path


@pytest.mark.usefixtures("stack")
def test_stack_of_the_folder_is_used() -> None:
    assert addresses.kafka_settings().bootstrap == "127.0.0.1:9092"
    assert addresses.database_url() == "postgresql://stack/db"
    assert str(addresses.tenant_id(None)) == STACK["tenant"]["id"]  # type: ignore[index]
    assert addresses.gateway(None, None) == addresses.Gateway(url="http://127.0.0.1:8000", key="bq_live_stack")


@pytest.mark.usefixtures("stack")
def test_environment_wins_over_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGES_KAFKA_BOOTSTRAP", "elsewhere:1")
    monkeypatch.setenv("BADGES_DATABASE_URL", "postgresql://elsewhere/db")
    assert addresses.kafka_settings().bootstrap == "elsewhere:1"
    assert addresses.database_url() == "postgresql://elsewhere/db"


@pytest.mark.usefixtures("stack")
def test_key_of_the_stack_is_not_sent_to_another_url() -> None:
    with pytest.raises(CommandError, match="--key"):
        addresses.gateway("http://elsewhere", None)


@pytest.mark.usefixtures("folder")
def test_without_a_stack_the_error_says_what_to_do() -> None:
    for ask in (addresses.kafka_settings, addresses.database_url, lambda: addresses.gateway(None, None)):
        with pytest.raises(CommandError, match="badgectl up"):
            ask()


def test_broken_stack_file_is_an_error_not_a_traceback(stack: Path) -> None:
    for content in ("{", "[]", "{}"):
        stack.write_text(content)
        with pytest.raises(CommandError, match=r"stack\.json"):
            addresses.database_url()


def test_tenant_must_be_a_uuid() -> None:
    with pytest.raises(CommandError, match="UUID"):
        addresses.tenant_id("demo")


@pytest.mark.parametrize("url", ["postgres://host/db", "mysql://host/db", "postgresql://host:port/db", "nonsense"])
def test_database_url_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("BADGES_DATABASE_URL", url)
    with pytest.raises(CommandError, match="database URL"):
        addresses.database_url()
