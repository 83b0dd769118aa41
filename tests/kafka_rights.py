"""The rights on Kafka that `deploy/kafka/acls.sh` grants, as a list, and how tests grant them."""

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import CreateAclsRequest

from messaging.group_offsets import open_client
from messaging.settings import KafkaSettings

SCRIPT = Path(__file__).parents[1] / "deploy" / "kafka" / "acls.sh"
CLUSTER = "kafka-cluster"
# As Kafka's protocol numbers them.
RESOURCES = {"--topic": 2, "--group": 3, "--cluster": 4, "--transactional-id": 5}
OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}
_LITERAL = 3
_ALLOW = 3
_ANY_HOST = "*"

# Stands where Kafka's own program would: writes down what it was asked, a word a line.
_RECORDER = """\
#!/bin/sh
printf '%s\\n' "$@" . >> "$RECORD"
"""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Right:
    """One operation on one resource, for one user."""

    user: str
    operation: str
    kind: str
    name: str

    def __str__(self) -> str:
        """For the names of tests."""
        return f"{self.operation} {self.kind.removeprefix('--')} {self.name}"


def granted_rights(folder: Path, *, prefix: str = "") -> Sequence[Right]:
    """Run the script with a recorder in the place of `kafka-acls.sh`; return what it asked for."""
    program, record = folder / "kafka-acls.sh", folder / "asked"
    program.write_text(_RECORDER)
    program.chmod(0o700)
    record.unlink(missing_ok=True)
    settings = {"BOOTSTRAP": "none", "PREFIX": prefix, "RECORD": str(record), "PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run(["sh", SCRIPT], env=settings, check=True)
    calls = record.read_text().split("\n.\n")[:-1]
    return [right for call in calls for right in _rights(call.splitlines())]


async def grant(kafka: KafkaSettings, rights: Iterable[Right]) -> None:
    """Grant them, as the superuser of these settings."""
    async with open_client(kafka) as client:
        for right in rights:
            await _create(client, right)


async def _create(client: AIOKafkaClient, right: Right) -> None:
    request = CreateAclsRequest(
        RESOURCES[right.kind],
        right.name,
        _LITERAL,
        f"User:{right.user}",
        _ANY_HOST,
        OPERATIONS[right.operation],
        _ALLOW,
    )
    answer = await client.send(client.get_random_node(), request)
    assert [code for code, _message in answer.creation_responses] == [0]


def _rights(words: Sequence[str]) -> Iterable[Right]:
    given: Mapping[str, list[str]] = {name: [] for name in ("--allow-principal", "--operation", *RESOURCES)}
    left = iter(words)
    for word in left:
        if word == "--cluster":
            given[word].append(CLUSTER)
        elif word in given:
            given[word].append(next(left))
        else:
            assert word in {"--bootstrap-server", "none", "--add", "--force"}, word
    (principal,) = given["--allow-principal"]
    for kind in RESOURCES:
        for name in given[kind]:
            for operation in given["--operation"]:
                yield Right(user=principal.removeprefix("User:"), operation=operation, kind=kind, name=name)
