"""Programs of Debian's: the one that is installed, else unpacked from its packages into the user's cache."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from devstack.kafka_jars import cache_folder


def debian_program(name: str, packages: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Return the program and its environment; `packages` are what it needs beyond a plain Debian."""
    installed = shutil.which(name)
    if installed:
        return installed, dict(os.environ)
    place = cache_folder() / packages[0]
    if not place.exists():
        _unpack_into(place, packages)
    libraries = ":".join(str(folder) for folder in (place / "usr" / "lib").glob("*-linux-gnu"))
    (program,) = (place / "usr").glob(f"*bin/{name}")
    return str(program), {**os.environ, "LD_LIBRARY_PATH": libraries}


def _unpack_into(place: Path, packages: Sequence[str]) -> None:
    """Download without installing: that needs no rights but to read the package lists."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=True, capture_output=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as work:
        subprocess.run(["apt-get", "download", "-qq", *packages], cwd=work, check=True, capture_output=True)
        root = Path(work, "root")
        for package in Path(work).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, root], check=True)
        root.rename(place)
