"""The event contracts: every example is judged by its schema, and so is what our own code writes."""

import json
from collections.abc import Sequence
from datetime import timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from builders import NOON, TENANT, award_of, award_request, badge, raw_record
from domain.awards import AwardRequest, RejectionReason, RequestRejectedError
from domain.badges import Rarity
from domain.times import parse_instant
from messaging.announcements import EVENT_TYPE as AWARDED
from messaging.announcements import KafkaAnnouncements
from messaging.award_requested import EVENT_TYPE as REQUESTED
from messaging.award_requested import decode_request, encode_request
from messaging.outbox_payload import unpack_messages
from messaging.topics import Topics

ROOT = Path(__file__).parents[2]
SCHEMAS = files("messaging") / "schemas"
TYPES = (REQUESTED, AWARDED)
BEYOND_ANY_SCHEMA = {"earned_at_in_future", "too_large"}

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=50)
metadata = st.none() | st.dictionaries(
    texts, st.none() | texts | st.integers() | st.lists(texts, max_size=3), max_size=3
)


def schema_of(event_type: str) -> dict[str, object]:
    """The schema of an event's data."""
    schema: dict[str, object] = json.loads((SCHEMAS / event_type / "schema.json").read_text())
    return schema


def validator(event_type: str) -> Draft202012Validator:
    """Judges an event's data, dates included."""
    formats = FormatChecker(formats=[])

    @formats.checks("date-time", raises=ValueError)
    def is_instant(value: object) -> bool:
        if isinstance(value, str):
            try:
                parse_instant("value", value)
            except Exception as error:
                raise ValueError(str(error)) from error
        return True

    return Draft202012Validator(schema_of(event_type), format_checker=formats)


def examples(event_type: str, *folders: str) -> Sequence[Traversable]:
    """The example files in a folder of the type, by name."""
    folder = (SCHEMAS / event_type / "examples").joinpath(*folders)
    return sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)


def named(event_types: Sequence[str], *folders: str) -> Sequence[object]:
    """One parameter for each example."""
    return [
        pytest.param(event_type, file, id=f"{event_type}-{file.name.removesuffix('.json')}")
        for event_type in event_types
        for file in examples(event_type, *folders)
    ]


@pytest.mark.parametrize("event_type", TYPES)
def test_schema_is_one_of_draft_2020_12_and_named_after_its_type(event_type: str) -> None:
    schema = schema_of(event_type)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == event_type


@pytest.mark.parametrize("event_type", TYPES)
def test_schema_leaves_room_for_fields_to_come(event_type: str) -> None:
    assert schema_of(event_type)["additionalProperties"] is True


def test_every_schema_is_of_a_type_we_know() -> None:
    assert {folder.name for folder in SCHEMAS.iterdir()} == set(TYPES)


@pytest.mark.parametrize(("event_type", "example"), named(TYPES))
def test_valid_example_fits(event_type: str, example: Traversable) -> None:
    validator(event_type).validate(json.loads(example.read_text()))


@pytest.mark.parametrize(("event_type", "example"), named(TYPES, "invalid"))
def test_invalid_example_does_not_fit_for_one_reason(event_type: str, example: Traversable) -> None:
    errors = list(validator(event_type).iter_errors(json.loads(example.read_text())))
    assert len({error.json_path.partition(".")[2].partition(".")[0] for error in errors}) == 1, errors


@pytest.mark.parametrize(("event_type", "example"), named([REQUESTED]))
def test_worker_reads_what_the_schema_allows(event_type: str, example: Traversable) -> None:
    content = decode_request(raw_record(example.read_bytes()), now=NOON).content
    assert isinstance(content, AwardRequest), (event_type, content)


@pytest.mark.parametrize(("event_type", "example"), named([REQUESTED], "invalid"))
def test_worker_refuses_what_the_schema_forbids(event_type: str, example: Traversable) -> None:
    content = decode_request(raw_record(example.read_bytes()), now=NOON).content
    assert isinstance(content, RequestRejectedError), (event_type, content)
    assert content.reason is RejectionReason.SCHEMA_VIOLATION


@given(participant_id=texts, badge_code=texts, metadata=metadata)
def test_what_gateways_publish_fits(participant_id: str, badge_code: str, metadata: dict[str, object] | None) -> None:
    request = award_request(
        participant_id=participant_id,
        badge_code=badge_code,
        metadata=metadata,
        earned_at=NOON + timedelta(microseconds=1),
    )
    _, value, _ = encode_request(request)
    validator(REQUESTED).validate(json.loads(value))


@given(
    participant_id=texts,
    metadata=metadata,
    rarity=st.sampled_from(Rarity),
    icon=st.none() | st.just("https://cdn.example.com/x.png"),
    category=st.none() | texts,
    source=st.just("") | texts,
)
def test_what_the_worker_publishes_fits(
    participant_id: str,
    metadata: dict[str, object] | None,
    rarity: Rarity,
    icon: str | None,
    category: str | None,
    source: str,
) -> None:
    definition = badge(rarity=rarity, icon_url=icon, category=category)
    request = award_request(participant_id=participant_id, metadata=metadata, source=source)
    packed = KafkaAnnouncements(Topics()).badge_awarded(award_of(request, definition), definition)
    (message,) = unpack_messages(packed)
    data = json.loads(message.value or b"")
    validator(AWARDED).validate(data)
    assert set(data) == set(schema_of(AWARDED)["required"])  # type: ignore[call-overload]  # a list of names


@given(
    changes=st.fixed_dictionaries(
        {},
        optional={
            "tenant_id": st.uuids().map(str) | st.text(max_size=40) | st.none(),
            "participant_id": st.text(max_size=260) | st.integers() | st.none(),
            "badge_code": st.text(max_size=55) | st.booleans(),
            "metadata": st.none() | st.dictionaries(st.text(max_size=3), st.text(max_size=3)) | st.lists(st.none()),
            "earned_at": st.none()
            | st.datetimes(max_value=NOON.replace(tzinfo=None)).map(lambda day: f"{day.isoformat()}Z")
            | st.datetimes().map(str),
        },
    )
)
def test_worker_and_schema_agree_on_any_data(changes: dict[str, object]) -> None:
    data = {"tenant_id": str(TENANT), "participant_id": "user_123", "badge_code": "power_user"} | changes
    record = raw_record()._replace(value=json.dumps(data).encode())
    content = decode_request(record, now=NOON).content
    fits = validator(REQUESTED).is_valid(data)
    if isinstance(content, RequestRejectedError) and content.reason.value in BEYOND_ANY_SCHEMA:
        return
    assert fits is isinstance(content, AwardRequest), content


def test_schemas_and_migrations_are_in_the_wheel(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for event_type in TYPES:
        assert f"messaging/schemas/{event_type}/schema.json" in names
    assert "storage/migrations/versions/0001_first_schema.py" in names
