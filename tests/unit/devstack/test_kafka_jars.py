"""Jars are those of the lock, or there are none."""

import hashlib
from pathlib import Path

import pytest
from rich.console import Console

from devstack.errors import StackError
from devstack.kafka_jars import KAFKA_VERSION, install, locked_jars

QUIET = Console(quiet=True)
CONTENT = b"a jar"
JAR = "kafka_2.13-1.0.jar"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a Maven repository that holds one jar, and no way out."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("M2_REPO", raising=False)
    jar = tmp_path / ".m2/repository/org/example/kafka_2.13/1.0" / JAR
    jar.parent.mkdir(parents=True)
    jar.write_bytes(CONTENT)
    return tmp_path


def lock_of(home: Path, content: bytes, *artifacts: str) -> Path:
    """A lock of Kafka itself, which is in the repository, and of other jars."""
    lock = home / "some.lock"
    size_and_digest = f"{len(content)} {hashlib.sha256(content).hexdigest()}"
    lines = [f"org.example:{artifact}:1.0 {size_and_digest}\n" for artifact in ("kafka_2.13", *artifacts)]
    lock.write_text("# made up\n" + "".join(lines))
    return lock


def test_the_lock_holds_one_release_of_kafka() -> None:
    versions = {jar.version for jar in locked_jars() if jar.group == "org.apache.kafka"}
    assert versions == {KAFKA_VERSION}


def test_the_lock_holds_every_jar_once() -> None:
    names = [jar.file_name for jar in locked_jars()]
    assert len(names) == len(set(names)) > 40


def test_a_locked_jar_is_installed(home: Path) -> None:
    folder = install(QUIET, lock=lock_of(home, CONTENT))
    assert [path.read_bytes() for path in folder.iterdir()] == [CONTENT]


def test_every_release_has_a_folder_of_its_own(home: Path) -> None:
    assert install(QUIET, lock=lock_of(home, CONTENT)).name == "kafka-1.0"


def test_another_jar_than_the_locked_one_is_named_and_not_installed(home: Path) -> None:
    with pytest.raises(StackError, match=JAR):
        install(QUIET, lock=lock_of(home, b"what was locked"))
    assert not list((home / "cache").rglob("*.jar"))


def test_a_damaged_jar_in_the_cache_is_replaced(home: Path) -> None:
    lock = lock_of(home, CONTENT)
    jar = install(QUIET, lock=lock) / JAR
    jar.write_bytes(b"damaged")
    install(QUIET, lock=lock)
    assert jar.read_bytes() == CONTENT


def test_a_jar_that_cannot_be_reached_is_named_with_what_to_do(home: Path) -> None:
    with pytest.raises(StackError, match=r"other-1\.0\.jar .* could not be fetched .* HTTPS_PROXY"):
        install(QUIET, lock=lock_of(home, CONTENT, "other"))
