"""The release before this one: found by its tag, taken out of git, and made ready to run beside this code."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devstack.kafka_jars import cache_folder

ROOT = Path(__file__).parents[1]
LOCK = "requirements.lock"

_TAG = re.compile(r"v\d+\.\d+\.\d+")
_HEADING = re.compile(r"^## \[?v?(\d+\.\d+\.\d+)", re.MULTILINE)
_SOURCES = ("services", "libs", "tools")


class ReleaseMissingError(Exception):
    """An earlier release ought to be there, and cannot be had from this clone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The code of a release in a folder, and the Python that has the packages it wants."""

    name: str
    folder: Path
    python: str

    @property
    def environment(self) -> Mapping[str, str]:
        """What has this Python find the release's code before any other."""
        return {"PYTHONPATH": os.pathsep.join(str(self.folder / source) for source in _SOURCES)}

    def run(self, *words: str, environment: Mapping[str, str] | None = None) -> str:
        """Run `python WORDS` to its end, and return what it prints."""
        done = subprocess.run(
            [self.python, *words],
            cwd=self.folder,
            env={**os.environ, **self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def find_release(root: Path = ROOT) -> str | None:
    """Return the newest tag vX.Y.Z before this code; None when this is the first release.

    In a clone without tags, the commit that gave the release its heading in the changelog: the tag is on that.
    PREVIOUS_RELEASE in the environment names another commit.

    Raises:
        ReleaseMissingError: the changelog tells of an earlier release, and this clone has neither of the two.
    """
    if chosen := os.environ.get("PREVIOUS_RELEASE"):
        return chosen
    here = _git(root, "tag", "--points-at", "HEAD")
    merged = _git(root, "tag", "--merged", "HEAD", "--sort=-version:refname")
    if merged is None or here is None:
        before: Sequence[str] = []
    else:
        before = [tag for tag in merged.split() if _TAG.fullmatch(tag) and tag not in here.split()]
    if before:
        return before[0]
    if told := _told_release(root):
        if commit := _commit_of(told, root):
            return commit
        raise ReleaseMissingError(
            f"CHANGELOG.md tells of release {told}, and its commit is not here: "
            "`git fetch --tags` (with `--unshallow` in a shallow clone), or name a commit in PREVIOUS_RELEASE"
        )
    return None


def version_of(root: Path = ROOT) -> str:
    """Return the version that this code gives itself."""
    return str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def check_out(name: str, folder: Path, root: Path = ROOT) -> Release:
    """Take the release out of git into the folder, and find a Python for it: this one when the locks are alike."""
    archive = folder / "release.tar"
    code = folder / "release"
    subprocess.run(["git", "-C", str(root), "archive", f"--output={archive}", name], check=True)
    with tarfile.open(archive) as tar:
        tar.extractall(code, filter="data")
    is_alike = (code / LOCK).read_bytes() == (root / LOCK).read_bytes()
    return Release(name=name, folder=code, python=sys.executable if is_alike else _python_for(name, code, root))


def _told_release(root: Path) -> str | None:
    """The release before this code, as the changelog has it: that of a release itself has nothing unreleased."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased, *_ = _HEADING.split(text, maxsplit=1)
    released = _HEADING.findall(text)
    has_more = re.search(r"^- ", unreleased, re.MULTILINE) is not None
    return next(iter(released if has_more else released[1:]), None)


def _commit_of(told: str, root: Path) -> str | None:
    """The oldest commit before HEAD with the heading; None where the history is cut off, or begins with it."""
    found = _git(root, "log", "--format=%H %P", "--reverse", f"-S## {told}", "HEAD", "--", "CHANGELOG.md")
    commit, *parents = (found or "").partition("\n")[0].split() or [""]
    return commit if parents else None


def _python_for(name: str, code: Path, root: Path) -> str:
    """A Python with the packages of the release's own lock, and its metadata; kept until another release's is made."""
    commit = subprocess.run(
        ["git", "-C", str(root), "rev-parse", f"{name}^{{commit}}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    place = cache_folder() / "releases" / commit
    python = place / "bin" / "python"
    is_done = place / ".done"
    if not is_done.exists():
        shutil.rmtree(place.parent, ignore_errors=True)
        uv = [sys.executable, "-m", "uv"]
        target = ["--quiet", "--python", str(python)]
        for command in (
            [*uv, "venv", "--quiet", "--python", sys.executable, str(place)],
            [*uv, "pip", "sync", *target, "--require-hashes", str(code / LOCK)],
            [*uv, "pip", "install", *target, "--offline", "--no-deps", "--no-build-isolation", str(code)],
        ):
            subprocess.run(command, check=True, env={**os.environ, "VIRTUAL_ENV": str(place)})
        is_done.touch()
    return str(python)


def _git(root: Path, *words: str) -> str | None:
    """What git prints; None where there is no git, or no repository."""
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
