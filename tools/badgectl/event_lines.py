"""One event or dead letter as a line for people, or as JSON for programs."""

import base64
from collections.abc import Mapping
from typing import Any

from aiokafka import ConsumerRecord

from badgectl.terminal_text import json_line, printable
from domain.errors import DomainError, JsonNotUtf8Error
from domain.json_text import parse_json
from messaging.cloud_events import text_headers

_ATTRIBUTE = "ce_"
_DEAD_LETTER = "dlq_"


def event_json(record: ConsumerRecord) -> str:
    """Return the event in CloudEvents' structured mode."""
    headers = text_headers(record.headers)
    attributes = {name.removeprefix(_ATTRIBUTE): text for name, text in headers.items() if name.startswith(_ATTRIBUTE)}
    if "content-type" in headers:
        attributes["datacontenttype"] = headers["content-type"]
    return json_line({**attributes, **_content(record.value, "data")})


def event_line(record: ConsumerRecord) -> str:
    """Return time, tenant, participant, badge, rarity and id of the event."""
    headers = text_headers(record.headers)
    data = _object(record.value)
    return printable(
        f"{headers.get('ce_time')}  {data.get('tenant_id')}  {data.get('participant_id')}  "
        f"{data.get('badge_code')} ({data.get('rarity')})  {headers.get('ce_id')}"
    )


def dead_letter_json(record: ConsumerRecord) -> str:
    """Return the dead letter: why and where from, and the record as it came."""
    headers = text_headers(record.headers)
    own = {name: text for name, text in headers.items() if name.startswith(_DEAD_LETTER)}
    others = {name: text for name, text in headers.items() if name not in own}
    key = None if record.key is None else record.key.decode(errors="replace")
    return json_line({**own, "key": key, "headers": others, **_content(record.value, "value")})


def dead_letter_line(record: ConsumerRecord) -> str:
    """Return time, reason, detail and place of the dead letter."""
    headers = text_headers(record.headers)
    place = f"{headers.get('dlq_topic')}/{headers.get('dlq_partition')}@{headers.get('dlq_offset')}"
    return printable(f"{headers.get('dlq_time')}  {headers.get('dlq_reason')}  {place}  {headers.get('dlq_detail')}")


def _content(value: bytes | None, name: str) -> Mapping[str, object]:
    """The value as JSON, else as text, else as Base64 under `<name>_base64`."""
    if value is None:
        return {name: None}
    try:
        return {name: parse_json(value)}
    except JsonNotUtf8Error:
        return {f"{name}_base64": base64.b64encode(value).decode()}
    except DomainError:
        return {name: value.decode()}


def _object(value: bytes | None) -> Mapping[str, Any]:
    content = _content(value, "data").get("data")
    return content if isinstance(content, dict) else {}
