"""Jars are those of the lock, or there are none."""

import hashlib
from pathlib import Path

import pytest
from rich.console import Console

from devstack.errors import StackError
from devstack.kafka_jars import KAFKA_VERSION, install, locked_jars

QUIET = Console(quiet=True)
CONTENT = b"a jar"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a Maven repository that holds one jar, and no way out."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("M2_REPO", raising=False)
    jar = tmp_path / ".m2/repository/org/example/thing/1.0/thing-1.0.jar"
    jar.parent.mkdir(parents=True)
    jar.write_bytes(CONTENT)
    return tmp_path


def lock_of(home: Path, artifact: str, content: bytes) -> Path:
    lock = home / "some.lock"
    digest = hashlib.sha256(content).hexdigest()
    lock.write_text(f"# made up\norg.example:{artifact}:1.0 {len(content)} {digest}\n")
    return lock


def test_the_lock_holds_one_release_of_kafka() -> None:
    versions = {jar.version for jar in locked_jars() if jar.group == "org.apache.kafka"}
    assert versions == {KAFKA_VERSION}


def test_the_lock_holds_every_jar_once() -> None:
    names = [jar.file_name for jar in locked_jars()]
    assert len(names) == len(set(names)) > 40


def test_a_locked_jar_is_installed(home: Path) -> None:
    folder = install(QUIET, lock=lock_of(home, "thing", CONTENT))
    assert [path.read_bytes() for path in folder.iterdir()] == [CONTENT]


def test_another_jar_than_the_locked_one_is_named_and_not_installed(home: Path) -> None:
    with pytest.raises(StackError, match=r"thing-1\.0\.jar"):
        install(QUIET, lock=lock_of(home, "thing", b"what was locked"))
    assert not list((home / "cache").rglob("*.jar"))


def test_a_damaged_jar_in_the_cache_is_replaced(home: Path) -> None:
    lock = lock_of(home, "thing", CONTENT)
    jar = install(QUIET, lock=lock) / "thing-1.0.jar"
    jar.write_bytes(b"damaged")
    install(QUIET, lock=lock)
    assert jar.read_bytes() == CONTENT


def test_a_jar_that_cannot_be_reached_is_named_with_what_to_do(home: Path) -> None:
    with pytest.raises(StackError, match=r"other-1\.0\.jar .* could not be fetched .* HTTPS_PROXY"):
        install(QUIET, lock=lock_of(home, "other", CONTENT))
