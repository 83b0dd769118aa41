"""Which release comes before: by tags, else by the changelog, and never silently none."""

import subprocess
from pathlib import Path

import pytest

from previous_release import ReleaseMissingError, check_out, find_release

AUTHOR = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
FIRST = "# Changelog\n\n## Unreleased\n### Added\n- A thing.\n"
RELEASED = "# Changelog\n\n## Unreleased\n\n## 0.1.0\n### Added\n- A thing.\n"
LENGTH_OF_A_HASH = 40
AFTER = RELEASED.replace("## Unreleased\n", "## Unreleased\n### Added\n- One more.\n")


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(root), *AUTHOR, *words], check=True, capture_output=True)


def commit(root: Path, changelog: str, *tags: str) -> None:
    """One commit more, and its tags."""
    (root / "CHANGELOG.md").write_text(changelog)
    (root / "requirements.lock").write_text("nothing\n")
    git(root, "add", ".")
    git(root, "commit", "--allow-empty", "-m", "c")
    for tag in tags:
        git(root, "tag", tag)


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREVIOUS_RELEASE", raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository without commits."""
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-b", "main")
    return root


def test_first_release_has_none_before_it(root: Path) -> None:
    commit(root, FIRST)
    assert find_release(root) is None
    commit(root, RELEASED)
    assert find_release(root) is None
    git(root, "tag", "v0.1.0")
    assert find_release(root) is None


def test_newest_release_before_is_taken_by_number(root: Path) -> None:
    commit(root, RELEASED, "v0.9.0")
    commit(root, RELEASED, "v0.10.0", "nightly", "v0.11.0-rc1")
    commit(root, AFTER)
    assert find_release(root) == "v0.10.0"
    git(root, "tag", "v0.11.0")
    assert find_release(root) == "v0.10.0"


def test_release_of_another_branch_is_not_before(root: Path) -> None:
    commit(root, RELEASED, "v0.1.0")
    git(root, "checkout", "-b", "other")
    commit(root, RELEASED, "v0.2.0")
    git(root, "checkout", "main")
    commit(root, AFTER)
    assert find_release(root) == "v0.1.0"


def test_clone_without_tags_knows_a_release_by_its_heading(root: Path) -> None:
    commit(root, FIRST)
    commit(root, RELEASED)
    git(root, "tag", "here")
    commit(root, AFTER)
    commit(root, AFTER)
    found = find_release(root)
    git(root, "diff", "--exit-code", str(found), "here")
    assert found is not None
    assert len(found) == LENGTH_OF_A_HASH


def test_clone_without_the_commit_of_a_release_is_told_to_fetch_it(root: Path, tmp_path: Path) -> None:
    commit(root, FIRST)
    commit(root, RELEASED)
    commit(root, AFTER)
    shallow = tmp_path / "shallow"
    git(root, "clone", "--depth", "1", root.as_uri(), str(shallow))
    with pytest.raises(ReleaseMissingError, match=r"release 0\.1\.0, and its commit is not here: `git fetch --tags`"):
        find_release(shallow)


def test_folder_that_is_no_repository_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "CHANGELOG.md").write_text(AFTER)
    with pytest.raises(ReleaseMissingError):
        find_release(tmp_path)


def test_commit_can_be_chosen(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREVIOUS_RELEASE", "abc123")
    assert find_release(root) == "abc123"


def test_release_is_taken_out_as_it_was(root: Path, tmp_path: Path) -> None:
    commit(root, RELEASED, "v0.1.0")
    commit(root, AFTER)
    (root / "CHANGELOG.md").write_text("changed and not committed")
    release = check_out("v0.1.0", tmp_path, root)
    assert (release.folder / "CHANGELOG.md").read_text() == RELEASED
    assert release.environment["PYTHONPATH"].startswith(str(release.folder))
