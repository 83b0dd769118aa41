"""The jars of Apache Kafka: locked in kafka_jars.lock, fetched by jgo, kept in the user's cache folder.

`python -m devstack.kafka_jars --lock` resolves the jars again and rewrites the lock: to be run, and its difference
read, when a version below changes. `--lock VERSION --file FILE` makes a lock of another release, in a file of its own.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import Dependency, MavenContext, PythonResolver
from jgo.parse import Endpoint
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from devstack.errors import StackError

KAFKA_VERSION = "4.2.2"
LOCK = Path(__file__).with_name("kafka_jars.lock")
_BROKER = "kafka_2.13"
# The marks of exclamation keep jgo from letting one root's managed versions override the other's.
_ROOTS = f"org.apache.kafka:{_BROKER}:{{release}}!+org.apache.logging.log4j:log4j-slf4j-impl:2.25.5!"
_CONNECTIONS = 6
_ATTEMPTS = 3
_PAUSE_S = 0.5

Progression = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Jar:
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        """The name that Maven repositories give the file."""
        return f"{self.artifact}-{self.version}.jar"


def locked_jars(lock: Path = LOCK) -> list[Jar]:
    """Return the jars of the lock."""
    jars = []
    for line in lock.read_text(encoding="ascii").splitlines():
        if line and not line.startswith("#"):
            coordinates, size, sha256 = line.split()
            group, artifact, version = coordinates.split(":")
            jars.append(Jar(group=group, artifact=artifact, version=version, size=int(size), sha256=sha256))
    return jars


def release_of(jars: Sequence[Jar]) -> str:
    """Return the version of Kafka that a lock is for."""
    return next(jar.version for jar in jars if jar.artifact == _BROKER)


def install(console: Console, *, lock: Path = LOCK) -> Path:
    """Return a folder of the locked jars, fetching them when it is not there yet or not whole.

    Each release has a folder of its own.

    Raises StackError when a jar cannot be had, or is not the locked one.
    """
    jars = locked_jars(lock)
    place = cache_folder() / f"kafka-{release_of(jars)}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(place.with_name(f"{place.name}.lock")):
        if _wrong_jar(place, jars) is not None:
            _fetch_into(place, jars, console)
    return place


def cache_folder() -> Path:
    """Return our folder below the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "badges"


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    with path.open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _wrong_jar(folder: Path, jars: list[Jar]) -> Jar | None:
    """Return the first jar that is missing in the folder or not the locked one."""
    for jar in jars:
        try:
            content = (folder / jar.file_name).read_bytes()
        except OSError:
            return jar
        if hashlib.sha256(content).hexdigest() != jar.sha256:
            return jar
    return None


def _fetch_into(place: Path, jars: list[Jar], console: Console) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f"{place.name}.") as work:
        repository = Path(work, "repository")
        with _shown(console, jars) as progression:
            paths = _download(jars, repository, progression)
        fetched = Path(work, "jars")
        fetched.mkdir()
        for jar, path in zip(jars, paths, strict=True):
            shutil.copyfile(path, fetched / jar.file_name)
        wrong = _wrong_jar(fetched, jars)
        if wrong is not None:
            msg = (
                f"{wrong.file_name} ({wrong.group}) is not the one that the lock names: its SHA-256 differs. "
                "Nothing was installed. The repository it came from, or something on the way, serves another file."
            )
            raise StackError(msg)
        if place.exists():
            # A server that runs on the old files keeps them open.
            place.rename(Path(work, "old"))
        fetched.rename(place)


def _download(jars: list[Jar], repository: Path, progression: Progression) -> list[Path]:
    settings = GlobalSettings.load()
    maven = MavenContext(
        resolver=PythonResolver(progress_callback=progression),
        repo_cache=repository,
        local_repos=[settings.repo_cache],
        remote_repos={"central": MAVEN_CENTRAL_URL, **settings.repositories},
    )
    pool = ThreadPoolExecutor(_CONNECTIONS)
    try:
        return list(pool.map(lambda jar: _download_one(maven, jar), jars))
    finally:
        pool.shutdown(cancel_futures=True)


def _download_one(maven: MavenContext, jar: Jar) -> Path:
    artifact = maven.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return Path(artifact.resolve())
        except OSError as error:  # the errors of requests are among them
            if attempt == _ATTEMPTS:
                raise _unreachable(maven, jar, error) from error
            # jgo takes what is there for whole.
            (maven.repo_cache / artifact.component.path_prefix / jar.file_name).unlink(missing_ok=True)
            time.sleep(_PAUSE_S)
        except RuntimeError as error:
            raise _unreachable(maven, jar, error) from error
    raise AssertionError


def _unreachable(maven: MavenContext, jar: Jar, error: Exception) -> StackError:
    repositories = ", ".join(maven.remote_repos.values())
    return StackError(
        f"{jar.file_name} of Apache Kafka could not be fetched from {repositories}: {error}. "
        f"The jars are needed once and are then kept in {cache_folder()}. "
        "Check the network; behind a proxy set HTTPS_PROXY; or name a mirror of Maven Central under "
        "[repositories] in ~/.config/jgo.conf."
    )


@contextmanager
def _shown(console: Console, jars: list[Jar]) -> Iterator[Progression]:
    """Show one bar for all jars; off a terminal a line has to do."""
    total = sum(jar.size for jar in jars)
    console.print(
        f"Fetching Apache Kafka {release_of(jars)}, once: {len(jars)} jars, {total / 1e6:.0f} MB", highlight=False
    )
    columns = (TextColumn("  "), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("jars", total=total)

        @contextmanager
        def one_file(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
            yield lambda count: progress.advance(bar, count)

        yield one_file


def resolve_lock(release: str) -> list[Jar]:
    """Resolve a release against the repositories and return what its lock should say."""
    with tempfile.TemporaryDirectory() as work:
        maven = MavenContext(repo_cache=Path(work))
        coordinates = Endpoint.parse(_ROOTS.format(release=release)).coordinates
        roots = [maven.create_dependency(replace(root, scope="compile")) for root in coordinates]
        given, found = maven.resolver.resolve(roots)
        wanted = [*given, *(one for one in found if one.scope in {"compile", "runtime"})]
        return sorted(_lock_line(one.artifact.resolve(), one) for one in wanted)


def _lock_line(path: Path, of: Dependency) -> Jar:
    content = path.read_bytes()
    return Jar(
        group=of.groupId,
        artifact=of.artifactId,
        version=of.version,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def main() -> None:
    """Fetch the jars, or with --lock rewrite the lock."""
    parser = argparse.ArgumentParser(prog="python -m devstack.kafka_jars", description=main.__doc__)
    parser.add_argument("--file", type=Path, default=LOCK, help="the lock; by default that of the embedded Kafka")
    parser.add_argument(
        "--lock", nargs="?", const=KAFKA_VERSION, metavar="VERSION", help="resolve the jars again and write the lock"
    )
    given = parser.parse_args()
    if given.lock is None:
        Console().print(install(Console(), lock=given.file))
        return
    call = " ".join([parser.prog, *sys.argv[1:]])
    lines = [f"# The jars of Apache Kafka: coordinates, bytes, SHA-256. Made by `{call}`.\n"]
    lines += [f"{jar.group}:{jar.artifact}:{jar.version} {jar.size} {jar.sha256}\n" for jar in resolve_lock(given.lock)]
    given.file.write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    main()
