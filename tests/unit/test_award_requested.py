"""Records of `award_requests`: what is read from good ones, and why bad ones are refused."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import NOON, TENANT, award_request, raw_record
from domain.awards import AwardRequest, LegibleRequest, RejectionReason, ReplyAddress, RequestRejectedError
from domain.errors import InvalidValueError
from domain.limits import check_metadata
from messaging.award_requested import EVENT_TYPE, decode_request, encode_request, request_key
from poison import BINARY, STRUCTURED, Headers, Poison, asking, enveloped, poison, with_metadata

NOW = NOON + timedelta(hours=1)
RECORD_TIME = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def read(
    value: bytes | None = None, headers: Headers = BINARY, *, timestamp_ms: int = 1_700_000_000_000
) -> AwardRequest:
    """The request that a good record holds."""
    value = asking(TENANT) if value is None else value
    content = decode_request(raw_record(value, headers=headers, timestamp_ms=timestamp_ms, offset=7), now=NOW).content
    assert isinstance(content, AwardRequest), content
    return content


def refusal(value: bytes, headers: Headers = BINARY, *, timestamp_ms: int = 1_700_000_000_000) -> RequestRejectedError:
    """Why a bad record is refused."""
    content = decode_request(raw_record(value, headers=headers, timestamp_ms=timestamp_ms), now=NOW).content
    assert isinstance(content, RequestRejectedError)
    return content


@pytest.mark.parametrize("bad", poison(TENANT), ids=lambda bad: bad.name)
def test_poison_is_refused_for_its_documented_reason(bad: Poison) -> None:
    record = raw_record(headers=bad.headers)._replace(key=bad.key, value=bad.value)
    content = decode_request(record, now=NOW).content
    assert isinstance(content, RequestRejectedError), content
    assert content.reason is bad.reason, content.detail
    assert content.detail


def test_poison_names_are_unique() -> None:
    names = [bad.name for bad in poison(TENANT)]
    assert len(names) == len(set(names))


@given(
    participant_id=texts,
    badge_code=texts,
    metadata=st.none() | st.dictionaries(texts, json_values, max_size=4),
    earned_at=st.datetimes(max_value=datetime(2026, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - st adds the zone
    reply_to=st.none() | st.builds(ReplyAddress, partition=st.integers(0, 2**31 - 1), request_id=texts),
)
def test_what_is_encoded_is_decoded_again(
    participant_id: str,
    badge_code: str,
    metadata: dict[str, object] | None,
    earned_at: datetime,
    reply_to: ReplyAddress | None,
) -> None:
    request = award_request(
        participant_id=participant_id, badge_code=badge_code, metadata=metadata, earned_at=earned_at
    )
    if reply_to is not None:
        reply_to = ReplyAddress(partition=reply_to.partition, request_id=request.request_id)
    try:
        check_metadata(metadata)
    except InvalidValueError:
        return
    received = decode_request(raw_record(request=request, reply_to=reply_to), now=NOW)
    assert received.content == request
    assert received.reply_to == reply_to


@given(
    value=st.binary(max_size=200),
    headers=st.lists(st.tuples(st.text(max_size=12), st.none() | st.binary()), max_size=4),
)
def test_no_bytes_make_the_decoder_fail(value: bytes, headers: list[tuple[str, bytes | None]]) -> None:
    content = decode_request(raw_record(value, headers=[*headers, *BINARY]), now=NOW).content
    assert isinstance(content, RequestRejectedError)


@given(
    envelope=st.dictionaries(
        st.sampled_from(["specversion", "type", "id", "source", "time", "data", "data_base64"]),
        json_values | st.just("1.0") | st.just(EVENT_TYPE) | st.just(json.loads(asking(TENANT))),
    )
)
def test_no_envelope_makes_the_decoder_fail(envelope: dict[str, object]) -> None:
    envelope = {"type": EVENT_TYPE} | envelope
    received = decode_request(raw_record(json.dumps(envelope).encode(), headers=STRUCTURED), now=NOW)
    assert isinstance(received.content, AwardRequest | RequestRejectedError)


def test_record_key_is_tenant_and_participant() -> None:
    key, _, _ = encode_request(award_request(participant_id="a:b/ü"))
    assert key == f"{TENANT}:a:b/ü".encode() == request_key(TENANT, "a:b/ü")


def test_headers_are_those_of_a_cloud_event_in_binary_mode() -> None:
    request = award_request(participant_id="ü", request_id="r1", source="/upstream")
    _, value, headers = encode_request(request, ReplyAddress(partition=3, request_id="r1"))
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "ce_type": b"badges.award.requested.v1",
        "ce_id": b"r1",
        "ce_source": b"/upstream",
        "ce_subject": "ü".encode(),
        "ce_time": b"2026-02-14T12:00:00Z",
        "content-type": b"application/json",
        "request_id": b"r1",
        "reply_partition": b"3",
    }
    assert b'"metadata"' not in value


def test_unknown_fields_and_headers_are_passed_over() -> None:
    headers = [*BINARY, ("traceparent", b"00-1"), ("x", None), ("y", b"\xff")]
    request = read(asking(TENANT, reason="ten logins", version=2), headers)
    assert request.participant_id == "poison"


def test_structured_mode_is_read() -> None:
    data = json.loads(asking(TENANT, metadata={"a": 1}))
    request = read(enveloped(data, id="e1", source="/upstream", time="2026-02-14T11:00:00+01:00"), STRUCTURED)
    assert (request.request_id, request.source) == ("e1", "/upstream")
    assert request.earned_at == NOON - timedelta(hours=2)
    assert request.metadata == {"a": 1}


def test_structured_mode_takes_data_base64() -> None:
    data = base64.b64encode(asking(TENANT, participant_id="ü")).decode()
    assert read(enveloped(None, data=..., data_base64=data), STRUCTURED).participant_id == "ü"


@pytest.mark.parametrize(
    "content_type",
    [b"application/json", b"application/json; charset=utf-8", b"Application/JSON ;x=y", None, b"\xff"],
)
def test_binary_mode_takes_json_with_or_without_parameters(content_type: bytes | None) -> None:
    assert read(headers=[BINARY[0], ("content-type", content_type)]).badge_code == "power_user"


@pytest.mark.parametrize(
    "content_type", [b"application/cloudevents+json", b"application/CloudEvents+JSON;charset=UTF-8"]
)
def test_structured_mode_is_known_by_its_content_type(content_type: bytes) -> None:
    assert read(enveloped(json.loads(asking(TENANT))), [("content-type", content_type)]).badge_code == "power_user"


def test_specversion_may_be_missing() -> None:
    assert read(headers=[BINARY[0]]).badge_code == "power_user"


def test_of_two_headers_with_one_name_the_last_counts() -> None:
    assert read(headers=[("ce_type", b"other"), *BINARY]).badge_code == "power_user"
    rejection = refusal(asking(TENANT), [*BINARY, ("ce_type", b"other")])
    assert rejection.reason is RejectionReason.UNKNOWN_EVENT_TYPE


def test_earned_at_of_the_data_comes_before_the_event_time() -> None:
    headers = [*BINARY, ("ce_time", b"2026-02-13T10:00:00Z")]
    value = asking(TENANT, earned_at="2026-02-14T10:00:00.123456789+02:00")
    assert read(value, headers).earned_at == datetime(2026, 2, 14, 8, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize("earned_at", [None, ...])
def test_event_time_comes_before_the_record_timestamp(earned_at: object) -> None:
    headers = [*BINARY, ("ce_time", b"2026-02-13T10:00:00Z")]
    assert read(asking(TENANT, earned_at=earned_at), headers).earned_at == datetime(2026, 2, 13, 10, tzinfo=UTC)


def test_record_timestamp_is_the_last_resort() -> None:
    assert read().earned_at == RECORD_TIME
    assert read(timestamp_ms=1_700_000_000_123).earned_at == RECORD_TIME + timedelta(milliseconds=123)


def test_record_without_any_time_is_refused() -> None:
    assert refusal(asking(TENANT), timestamp_ms=-1).reason is RejectionReason.SCHEMA_VIOLATION


def test_record_timestamp_past_year_9999_is_in_the_future() -> None:
    assert refusal(asking(TENANT), timestamp_ms=2**63 - 1).reason is RejectionReason.EARNED_AT_IN_FUTURE


def test_five_minutes_in_the_future_are_tolerated_and_not_a_microsecond_more() -> None:
    limit = NOW + timedelta(minutes=5)
    assert read(asking(TENANT, earned_at=limit.isoformat())).earned_at == limit
    beyond = (limit + timedelta(microseconds=1)).isoformat()
    assert refusal(asking(TENANT, earned_at=beyond)).reason is RejectionReason.EARNED_AT_IN_FUTURE


def test_event_time_in_the_future_is_harmless_when_the_data_has_a_date() -> None:
    headers = [*BINARY, ("ce_time", b"9999-01-01T00:00:00Z")]
    assert read(asking(TENANT, earned_at="2026-02-14T10:00:00Z"), headers).earned_at == NOON - timedelta(hours=2)


def test_year_1_is_a_date_like_any_other() -> None:
    assert read(asking(TENANT, earned_at="0001-01-01T00:00:00Z")).earned_at == datetime(1, 1, 1, tzinfo=UTC)


def test_longest_values_are_accepted() -> None:
    value = asking(TENANT, participant_id="🏅" * 255, badge_code="é" * 50)
    request = read(value.ljust(64 * 1024))
    assert (len(request.participant_id), len(request.badge_code)) == (255, 50)


def test_tenant_id_may_be_in_capitals() -> None:
    assert read(asking(str(TENANT).upper())).tenant_id == TENANT


def test_metadata_comes_as_it_was_sent() -> None:
    raw = b'{"big":18446744073709551617,"float":0.1,"text":"\\u00e9\\ud83c\\udfc5","empty":{},"null":null}'
    assert read(with_metadata(asking(TENANT), raw)).metadata == {
        "big": 2**64 + 1,
        "float": 0.1,
        "text": "é🏅",
        "empty": {},
        "null": None,
    }


def test_of_a_duplicate_key_the_last_wins() -> None:
    value = asking(TENANT)[:-1] + b',"participant_id":"second"}'
    assert read(value).participant_id == "second"


def test_request_id_is_the_reply_address_then_the_event_id_then_the_position() -> None:
    named = [*BINARY, ("ce_id", b"event-1")]
    assert read(headers=[*named, ("request_id", b"r1"), ("reply_partition", b"2")]).request_id == "r1"
    assert read(headers=named).request_id == "event-1"
    assert read().request_id == "award_requests-0-7"


@pytest.mark.parametrize("event_id", [b"", b"\xff", b"a\0b", b"x" * 256, None])
def test_unusable_event_id_is_as_good_as_none(event_id: bytes | None) -> None:
    assert read(headers=[*BINARY, ("ce_id", event_id)]).request_id == "award_requests-0-7"


def test_unusable_source_is_as_good_as_none() -> None:
    assert read(headers=[*BINARY, ("ce_source", b"x" * 256)]).source == ""
    assert read(headers=[*BINARY, ("ce_source", b"/upstream")]).source == "/upstream"


@pytest.mark.parametrize(
    ("partition", "request_id"),
    [
        (None, b"r1"),
        (b"", b"r1"),
        (b"-1", b"r1"),
        (b"1.5", b"r1"),
        (b"+1", b"r1"),
        (b" 1", b"r1"),
        ("\u0661".encode(), b"r1"),
        (b"2147483648", b"r1"),
        (b"9" * 5000, b"r1"),
        (b"\xff", b"r1"),
        (b"1", None),
        (b"1", b""),
        (b"1", b"\xff"),
        (b"1", b"a\0b"),
        (b"1", b"x" * 256),
    ],
)
def test_bad_reply_address_costs_the_answer_and_no_more(partition: bytes | None, request_id: bytes | None) -> None:
    headers = [*BINARY, ("reply_partition", partition), ("request_id", request_id)]
    received = decode_request(raw_record(asking(TENANT), headers=headers), now=NOW)
    assert received.reply_to is None
    assert isinstance(received.content, AwardRequest)


def test_refused_record_keeps_its_reply_address() -> None:
    headers = [*BINARY, ("reply_partition", b"2147483647"), ("request_id", b"r1")]
    received = decode_request(raw_record(b"{", headers=headers), now=NOW)
    assert received.reply_to == ReplyAddress(partition=2**31 - 1, request_id="r1")


def test_what_can_be_read_of_a_rejected_request_is_kept() -> None:
    data = {"tenant_id": str(TENANT), "participant_id": "user_123", "badge_code": "power_user"}
    named = [header for header in BINARY if header[0] != "ce_id"]

    def legible(**changes: object) -> LegibleRequest:
        value = json.dumps(data | changes).encode()
        received = decode_request(raw_record(value, headers=[*named, ("ce_id", b"login-7")]), now=NOON)
        assert isinstance(received.content, RequestRejectedError)
        assert received.subject is received.legible
        return received.legible

    whole = LegibleRequest(tenant_id=TENANT, participant_id="user_123", badge_code="power_user", request_id="login-7")
    assert legible(earned_at="yesterday") == whole
    assert legible(earned_at="2199-01-01T00:00:00Z") == whole
    assert legible(metadata=5) == whole
    assert legible(participant_id="") == replace(whole, participant_id=None)
    assert legible(badge_code="x" * 51) == replace(whole, badge_code=None)
    assert legible(tenant_id="mine", participant_id="\0") == replace(whole, tenant_id=None, participant_id=None)
    cut = decode_request(raw_record(b'{"tenant_id"', headers=BINARY), now=NOON)
    assert cut.legible == LegibleRequest()
