"""docs/events.md: its snippets are run as they stand, its tables and examples are held against the code."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from jsonschema import Draft202012Validator
from rich.console import Console

from absences import skip
from builders import NOON, award_request, publish, raw_record
from debian import debian_program
from devstack import kafka_jars
from devstack.seed import DemoTenant
from domain.awards import AwardRequest, RejectionReason
from messaging.announcements import EVENT_TYPE as AWARDED
from messaging.award_requested import EVENT_TYPE as REQUESTED
from messaging.award_requested import decode_request
from messaging.settings import KafkaSettings
from messaging.topics import create_topics, topics_of
from observers import header, read_topic
from processes import Installation, installation
from servers import TestServers

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "events.md").read_text()
SCHEMAS = ROOT / "libs" / "messaging" / "schemas"
KCAT = ("kcat", "librdkafka1", "libyajl2", "liblz4-1", "libsasl2-2", "libsasl2-modules-db")
SECONDS = 60


def snippets() -> Mapping[str, str]:
    """Every snippet of the page that names its file in its first line, by that name."""
    found = re.findall(r"^```\w+\n((?:#|//) (\S+)\n.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return {name: code for code, name in found}


def tables(heading: str) -> Sequence[Sequence[str]]:
    """The names in the first column of each table under a header cell."""
    found = re.findall(rf"^\| {heading} \|.*\n\| ---.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [
        [name for row in rows.splitlines() for name in re.findall(r"`([^`]+)`", row.split("|")[1])] for rows in found
    ]


def shown_records() -> Sequence[tuple[str, Mapping[str, str], dict[str, object]]]:
    """Key, headers and data of the records that the page shows."""
    found = re.findall(r"^key +(\S+)\nheaders +(.*)\nvalue +(.*)$", PAGE, re.MULTILINE)
    return [
        (key, dict(each.split("=", 1) for each in headers.split(",")), json.loads(value))
        for key, headers, value in found
    ]


@pytest.fixture
async def place(servers: TestServers, database_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation whose topics have the names of the page: without a prefix."""
    servers.must_be_ours()
    kafka = KafkaSettings(bootstrap=servers.kafka_bootstrap)
    await create_topics(kafka, partitions=4)
    async with installation(database_url, kafka, tmp_path) as running:
        yield running
    topics = topics_of(kafka)
    ours = [topics.award_requests, topics.badge_awarded, topics.award_requests_dlq]
    admin = AIOKafkaAdminClient(**kafka.connection())
    await admin.start()
    try:
        await admin.delete_topics([*ours, topics.award_outcomes, topics.relay_marker])
    finally:
        await admin.close()


def environment(place: Installation, demo: DemoTenant, **more: str) -> dict[str, str]:
    """What the page has its readers export."""
    return {**os.environ, "BOOTSTRAP": place.kafka.bootstrap, "TENANT": str(demo.id), **more}


def shell(name: str, place: Installation, demo: DemoTenant) -> str:
    """Run a snippet for the shell, with kcat on the path; return what it prints."""
    program, beside = debian_program("kcat", KCAT)
    path = f"{Path(program).parent}:{os.environ['PATH']}"
    libraries = {"LD_LIBRARY_PATH": beside["LD_LIBRARY_PATH"]} if "LD_LIBRARY_PATH" in beside else {}
    done = subprocess.run(
        ["sh", "-euc", snippets()[name]],
        env=environment(place, demo, PATH=path, **libraries),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def command(name: str, folder: Path) -> Sequence[str]:
    """How to run a snippet of a language, put into a file of its name; skips where there is no Java to compile it."""
    source = folder / name
    source.write_text(snippets()[name])
    if name.endswith(".py"):
        return [sys.executable, "-W", "error", str(source)]
    java = shutil.which("java")
    modules = [] if java is None else [java, "--list-modules"]
    if java is None or "jdk.compiler" not in subprocess.run(modules, capture_output=True, text=True, check=True).stdout:
        skip("no Java development kit here")
    jars = kafka_jars.install(Console(stderr=True))
    return [java, "-cp", f"{jars}/*", str(source)]


async def until_printed(command: Sequence[str], env: Mapping[str, str], *words: str) -> None:
    """Run a consumer that never ends until it has printed all the words."""
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    printed = ""
    try:
        async with asyncio.timeout(SECONDS):
            while not all(word in printed for word in words):
                line = await process.stdout.readline()
                assert line, f"it ended, having printed:\n{printed}"
                printed += line.decode()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def awarded(place: Installation, participant_id: str) -> None:
    """Return once the participant's award is told of."""
    records = await read_topic(place.kafka, topics_of(place.kafka).badge_awarded, at_least=1)
    assert participant_id in {header(record, "ce_subject") for record in records}


@pytest.mark.parametrize(
    ("name", "participant_id"), [("publish_binary.sh", "user_123"), ("publish_structured.sh", "user_124")]
)
async def test_request_published_with_kcat_is_awarded_and_kcat_shows_it(
    name: str, participant_id: str, place: Installation, demo: DemoTenant
) -> None:
    await place.worker().ready()
    shell(name, place, demo)
    await awarded(place, participant_id)
    printed = shell("consume.sh", place, demo).splitlines()
    assert printed[0].startswith(f"{demo.id}:{participant_id} ce_specversion=1.0,ce_type={AWARDED},ce_id=")
    told = json.loads(printed[1])
    assert (told["badge_code"], told["source"]) == ("power_user", "/logins")
    assert told["request_id"].startswith("login-471")


async def test_request_published_with_kcat_for_no_tenant_is_shown_among_the_dead_letters(
    place: Installation, demo: DemoTenant
) -> None:
    await place.worker().ready()
    stranger = replace(demo, id=str(uuid4()))
    shell("publish_binary.sh", place, stranger)
    (letter,) = await read_topic(place.kafka, topics_of(place.kafka).award_requests_dlq, at_least=1)
    printed = shell("dead_letters.sh", place, demo).splitlines()
    assert printed[0].startswith(f"{stranger.id}:user_123 ce_specversion=1.0,")
    assert "dlq_reason=unknown_tenant,dlq_detail=" in printed[0]
    assert printed[1].encode() == letter.value


@pytest.mark.parametrize(("name", "participant_id"), [("publish.py", "user_125"), ("Publish.java", "user_126")])
async def test_request_published_by_a_program_of_the_page_is_awarded(
    name: str, participant_id: str, place: Installation, demo: DemoTenant, tmp_path: Path
) -> None:
    await place.worker().ready()
    running = command(name, tmp_path)
    await asyncio.to_thread(
        subprocess.run, running, env=environment(place, demo), check=True, timeout=SECONDS, capture_output=True
    )
    await awarded(place, participant_id)


@pytest.mark.parametrize("name", ["consume.py", "Consume.java"])
async def test_program_of_the_page_hears_of_every_award(
    name: str, place: Installation, demo: DemoTenant, tmp_path: Path
) -> None:
    running = command(name, tmp_path)
    await place.worker().ready()
    asked = [award_request(tenant_id=demo.id, participant_id=f"heard-{number}") for number in range(3)]
    await publish(place.kafka, *asked)
    await until_printed(running, environment(place, demo), *(request.participant_id for request in asked))


def test_every_snippet_of_the_page_is_run_here() -> None:
    assert set(snippets()) == {
        *("publish_binary.sh", "publish_structured.sh", "consume.sh", "dead_letters.sh"),
        *("publish.py", "Publish.java", "consume.py", "Consume.java"),
    }
    named = PAGE.count("```sh\n#") + PAGE.count("```python\n") + PAGE.count("```java\n")
    assert named == len(snippets())


def test_reasons_of_the_page_are_all_there_are() -> None:
    assert tables("`dlq_reason`") == [[reason.value for reason in RejectionReason]]


def test_headers_of_the_page_are_those_of_the_asyncapi_document() -> None:
    messages = json.loads((ROOT / "docs" / "asyncapi.json").read_text())["components"]["messages"]
    found = [sorted(each) for each in tables("header")]
    for message in ("award_requested", "badge_awarded", "dead_letter"):
        ignored = {"ce_subject"} if message == "award_requested" else set()  # the page says so below the table
        described = set(messages[message]["headers"]["properties"]) - ignored
        assert sorted(described) in found, (message, found)


def test_fields_of_the_page_are_those_of_the_schemas() -> None:
    for heading, event_type in (("field", REQUESTED), ("data", AWARDED)):
        schema = json.loads((SCHEMAS / event_type / "schema.json").read_text())
        assert [sorted(names) for names in tables(heading)] == [sorted(schema["properties"])]


def test_records_that_the_page_shows_are_what_they_say() -> None:
    request, event = shown_records()
    for (key, headers, data), event_type in ((request, REQUESTED), (event, AWARDED)):
        schema = json.loads((SCHEMAS / event_type / "schema.json").read_text())
        Draft202012Validator(schema).validate(data)
        assert headers["ce_type"] == event_type
        assert key == f"{data['tenant_id']}:{data['participant_id']}"
    content = decoded(request[2], [(name, text.encode()) for name, text in request[1].items()])
    (structured,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    same = decoded(json.loads(structured), [("content-type", b"application/cloudevents+json")])
    assert same._replace(metadata=content.metadata) == content


def decoded(value: object, headers: Sequence[tuple[str, bytes]]) -> AwardRequest:
    """The request in a record."""
    content = decode_request(raw_record(json.dumps(value).encode(), headers=headers), now=NOON).content
    assert isinstance(content, AwardRequest), content
    return content
