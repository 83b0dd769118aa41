"""The AsyncAPI document: in step with the worker, valid AsyncAPI 3, and true to what is on the topics."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from jsonschema import Draft7Validator

from award_worker.asyncapi import asyncapi_document
from award_worker.asyncapi_page import asyncapi_page
from builders import NOON, award_of, award_request, badge, raw_record
from domain.awards import AwardRequest, RawRecord, Rejected, RejectionReason
from messaging.announcements import LARGEST_DEAD_LETTER, KafkaAnnouncements
from messaging.award_requested import decode_request, encode_request
from messaging.outbox_payload import unpack_messages
from messaging.topics import Topics

ROOT = Path(__file__).parents[2]
COMMITTED = (ROOT / "docs" / "asyncapi.json").read_text()
DOCUMENT: Mapping[str, Any] = json.loads(COMMITTED)
MESSAGES: Mapping[str, Any] = DOCUMENT["components"]["messages"]
TRACE = {"traceparent": b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": b"vendor=1"}

# From the npm package @asyncapi/specs 6.11.1 (Apache-2.0), schemas/3.0.0-without-$id.json.
OFFICIAL = Path(__file__).parent / "asyncapi-3.0.0.schema.json.gz"

Headers = Sequence[tuple[str, bytes | None]]


def faults(schema: Mapping[str, Any], value: object) -> list[str]:
    """Why a value does not fit a schema of the document."""
    whole = {"allOf": [schema], "components": DOCUMENT["components"]}
    return [error.message for error in Draft7Validator(whole).iter_errors(value)]


def texts(headers: Headers) -> Mapping[str, str]:
    """Headers as the document sees them."""
    return {name: (value or b"").decode() for name, value in headers}


def references(node: object) -> Iterator[str]:
    """Every reference of the document."""
    if isinstance(node, dict):
        for name, below in node.items():
            if name == "$ref":
                yield below
            yield from references(below)
    elif isinstance(node, list):
        for below in node:
            yield from references(below)


def dead_letter(record: RawRecord, reason: RejectionReason) -> tuple[bytes | None, Headers]:
    """Value and headers of the dead letter that the worker writes."""
    rejected = Rejected(reason=reason, detail="because")
    (letter,) = unpack_messages(KafkaAnnouncements(Topics()).dead_letter(record, rejected, NOON))
    return letter.value, letter.headers


def test_committed_document_is_the_printed_one() -> None:
    command = [sys.executable, "-W", "error", "-m", "award_worker.print_asyncapi"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert printed == COMMITTED, f"run: {' '.join(command[-2:])} > docs/asyncapi.json"


def test_document_is_asyncapi_3() -> None:
    official = Draft7Validator(json.loads(gzip.decompress(OFFICIAL.read_bytes())))
    assert [(error.json_path, error.message) for error in official.iter_errors(DOCUMENT)] == []
    assert list(official.iter_errors({**DOCUMENT, "channels": {"x": {"adress": "x"}}}))


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > 15
    for reference in found:
        node: Any = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            node = node[name]


def test_topics_for_others_are_there_and_no_internal_ones() -> None:
    topics = Topics()
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert addresses == {topics.award_requests, topics.badge_awarded, topics.award_requests_dlq}
    actions = {name: operation["action"] for name, operation in DOCUMENT["operations"].items()}
    assert actions == {"award_requests": "receive", "badge_awarded": "send", "award_requests_dlq": "send"}


def test_prefix_of_an_installation_is_in_its_addresses() -> None:
    document = asyncapi_document(Topics("acme_"))
    assert {channel["address"] for channel in document["channels"].values()} == {
        "acme_award_requests",
        "acme_badge_awarded",
        "acme_award_requests_dlq",
    }
    assert set(document["channels"]) == set(DOCUMENT["channels"])
    group = document["operations"]["award_requests"]["bindings"]["kafka"]["groupId"]
    assert group["enum"] == ["acme_badges-award-worker"]


def test_everything_is_described() -> None:
    for part in ("channels", "operations", "servers"):
        for node in DOCUMENT[part].values():
            assert node["description"]
    for message in MESSAGES.values():
        for part in ("name", "title", "summary", "description", "contentType", "headers", "examples", "bindings"):
            assert message[part], (message["name"], part)
        assert all(
            header.get("description") or "pattern" in header for header in message["headers"]["properties"].values()
        )
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("name", MESSAGES)
def test_every_example_fits_its_message(name: str) -> None:
    message = MESSAGES[name]
    for example in message["examples"]:
        assert faults(message["headers"], example["headers"]) == []
        assert faults(message["payload"], example["payload"]) == []


def test_schemas_still_refuse_what_does_not_fit() -> None:
    payload = MESSAGES["award_requested"]["payload"]
    good = MESSAGES["award_requested"]["examples"][0]["payload"]
    hostile = {"a": [{"b": "\0"}]}
    for change in ({"participant_id": ""}, {"badge_code": True}, {"tenant_id": "demo"}, {"metadata": hostile}):
        assert faults(payload, good | change), change
    structured = MESSAGES["award_requested_structured"]
    event = structured["examples"][0]["payload"]
    wrong: Sequence[Mapping[str, object]] = (
        {"data": {}},
        {"type": "another"},
        {"specversion": "0.3"},
        {"data_base64": "e30="},
    )
    for attributes in wrong:
        assert faults(structured["payload"], {**event, **attributes}), attributes


@pytest.mark.parametrize("name", ["award_requested", "award_requested_structured"])
def test_worker_reads_every_example_of_a_request(name: str) -> None:
    for example in MESSAGES[name]["examples"]:
        headers = [(key, text.encode()) for key, text in example["headers"].items()]
        content = decode_request(raw_record(json.dumps(example["payload"]).encode(), headers=headers), now=NOON).content
        assert isinstance(content, AwardRequest), content
        assert (content.request_id, content.source) == ("5b1f6f0e-6a0c-4f6a-9d62-0d0f6f9f1a11", "/logins")


def test_headers_that_are_written_are_the_documented_ones() -> None:
    request = award_request()
    _, _, asked = encode_request(request)
    described = MESSAGES["award_requested"]["headers"]
    assert faults(described, texts(asked)) == []
    assert {name for name, _ in asked} - {"request_id"} == set(described["properties"]) - TRACE.keys()
    the_badge = badge()
    packed = KafkaAnnouncements(Topics()).badge_awarded(award_of(request, the_badge), the_badge, tuple(TRACE.items()))
    (event,) = unpack_messages(packed)
    described = MESSAGES["badge_awarded"]["headers"]
    assert faults(described, texts(event.headers)) == []
    assert {name for name, _ in event.headers} == set(described["properties"]) - {"ce_replay"}


@pytest.mark.parametrize("reason", RejectionReason)
def test_dead_letters_carry_the_documented_headers(reason: RejectionReason) -> None:
    described = MESSAGES["dead_letter"]["headers"]
    _, headers = dead_letter(raw_record(), reason)
    added = {name: text for name, text in texts(headers).items() if name.startswith("dlq_")}
    assert faults(described, added) == []
    assert set(added) == set(described["required"])


def test_dead_letter_that_is_cut_says_how_large_it_was() -> None:
    large = RawRecord(
        position=raw_record().position, key=b"k", value=b"0" * LARGEST_DEAD_LETTER, headers=(("a", b"b"),)
    )
    value, headers = dead_letter(large, RejectionReason.TOO_LARGE)
    assert value == b"0" * 64 * 1024
    assert texts(headers)["dlq_cut_from"] == str(LARGEST_DEAD_LETTER + 3)
    assert {name for name, _ in headers} == set(MESSAGES["dead_letter"]["headers"]["properties"])
    assert faults(MESSAGES["dead_letter"]["headers"], texts(headers)) == []


def test_page_shows_every_channel_header_and_field_and_loads_nothing() -> None:
    page = asyncapi_page(DOCUMENT)
    for channel in DOCUMENT["channels"].values():
        assert f"<code>{channel['address']}</code>" in page
    for message in MESSAGES.values():
        for name in message["headers"]["properties"]:
            assert f"<code>{name}</code>" in page
    for schema in ("badges.award.requested.v1", "badges.badge.awarded.v1"):
        for name in DOCUMENT["components"]["schemas"][schema]["properties"]:
            assert f"<code>{name}</code>" in page
    for loading in ("<script", "<link", "src=", "http://", "@import", "url("):
        assert loading not in page


def test_page_shows_markup_as_text() -> None:
    name = f"<script>{uuid4()}</script>"
    document = {**DOCUMENT, "info": {**DOCUMENT["info"], "title": name, "description": f"`{name}` & more"}}
    page = asyncapi_page(document)
    assert name not in page
    assert "&amp; more" in page
