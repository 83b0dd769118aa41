"""Nothing happens at import: no environment is read, nothing is connected, nothing is run."""

import subprocess
import sys

import pytest

PROGRAM = """
import importlib, os, pkgutil, socket, sys, threading

def refuse(event, arguments):
    if event in {"socket.connect", "socket.bind", "subprocess.Popen", "os.system", "os.exec"}:
        raise AssertionError(f"{event} {arguments} while importing")

read = []

class Environment(dict):
    def __getitem__(self, name):
        read.append(name)
        return super().__getitem__(name)

    def get(self, name, default=None):
        read.append(name)
        return super().get(name, default)

sys.addaudithook(refuse)
os.environ = Environment(os.environ)
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if ".migrations" not in module.name:
        importlib.import_module(module.name)
assert not [name for name in read if name.startswith("BADGES")], read
assert threading.active_count() == 1
"""


PACKAGES = ["domain", "messaging", "storage", "telemetry", "api", "award_worker", "badges_client"]


@pytest.mark.parametrize("package", PACKAGES)
def test_import_does_nothing(package: str) -> None:
    settings = ("BADGES_DATABASE_URL", "BADGES_API_PORT", "BADGES_WORKER_PORT", "BADGES_KAFKA_REPLICATION_FACTOR")
    environment = dict.fromkeys(settings, "fatal to whoever reads it")
    ran = subprocess.run([sys.executable, "-c", PROGRAM, package], env=environment, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    assert ran.stdout == b""
