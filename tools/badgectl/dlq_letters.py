"""The dead letter of a rejected request: found on its topic, and shown."""

import asyncio
import base64
from collections.abc import Mapping
from contextlib import aclosing
from datetime import timedelta

from rich.console import Console
from rich.markup import escape

from badgectl.terminal_text import printable
from messaging.dead_letters import DeadLetter, read_dead_letter
from messaging.settings import KafkaSettings
from messaging.topic_scan import open_scan
from messaging.topics import topics_of
from storage.rejections import Rejection

CLOCK_SLACK = timedelta(minutes=10)
"""By so much may the clocks of Postgres and Kafka differ."""

SHOWN_CHARACTERS = 4000


async def find_letter(kafka: KafkaSettings, rejection: Rejection, *, seconds: float) -> DeadLetter | None:
    """Read the dead letters of the time on until that of the request; None when it is not there, or not in time.

    Raises:
        KafkaError: no broker, or no such topic.
        TopicHeldBackError: an open transaction is in the way.
    """
    topic, since = topics_of(kafka).award_requests_dlq, rejection.rejected_at - CLOCK_SLACK
    try:
        async with (
            asyncio.timeout(seconds),
            open_scan(kafka, topic, since=since) as scan,
            aclosing(scan.records()) as batches,
        ):
            async for records in batches:
                for record in records:
                    letter = read_dead_letter(record)
                    if letter is not None and _is_of(letter, rejection):
                        return letter
    except TimeoutError:
        return None
    return None


def letter_json(letter: DeadLetter) -> Mapping[str, object]:
    """Return the record as it came: text where it is UTF-8, else Base64."""
    headers = [{"name": name, **_content(value, "value")} for name, value in letter.headers]
    cut = {} if letter.cut_from is None else {"cut_from": letter.cut_from}
    key, value = _content(letter.key, "key"), _content(letter.value, "value")
    return {**key, "headers": headers, **value, "redrive_count": letter.redrive_count, **cut}


def print_letter(console: Console, letter: DeadLetter) -> None:
    """Print key, headers and value; what is no text in hexadecimal, what is long cut."""
    _print(console, f"key:     {_shown(letter.key)}")
    for name, value in letter.headers:
        _print(console, f"header:  {name}: {_shown(value)}")
    if letter.cut_from is not None:
        _print(console, f"cut:     the record had {letter.cut_from} bytes; headers left out, key and value cut")
    _print(console, f"value:   {_shown(letter.value)}")


def _is_of(letter: DeadLetter, rejection: Rejection) -> bool:
    place, position = letter.place, rejection.position
    if (place.topic, place.partition, place.offset) != (position.topic, position.partition, position.offset):
        return False
    if place.timestamp_ms is None:
        return abs(place.time - rejection.rejected_at) < CLOCK_SLACK
    return place.timestamp_ms == position.timestamp_ms


def _content(content: bytes | None, name: str) -> Mapping[str, object]:
    if content is None:
        return {name: None}
    try:
        return {name: content.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(content).decode()}


def _shown(content: bytes | None) -> str:
    if content is None:
        return "none"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = f"0x{content[: SHOWN_CHARACTERS // 2].hex()}"
    if len(text) <= SHOWN_CHARACTERS and not text.startswith("0x"):
        return text
    return f"{text[:SHOWN_CHARACTERS]} ({len(content):,} bytes)"


def _print(console: Console, line: str) -> None:
    console.print(escape(printable(line)), soft_wrap=True, highlight=False)
