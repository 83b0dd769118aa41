"""docs/http-api.md: its console blocks are run as they stand, its table of errors is held against the document."""

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from raw_http import exchange, head
from shared import GAMIFY, Shared, Tenant

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "http-api.md").read_text()
DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text())

BLOCKS = re.findall(r"^```console\n\$ (.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CHANGING: Mapping[str, str] = {
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z": "INSTANT",
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "ID",
    r"(?m)^date: .*$": "DATE",
    r"(?m)^x-ratelimit-reset: \d+$": "RESET",
}
NOWHERE_ELSE = {
    (400, "bad_request"),
    (404, "not_found"),
    (405, "method_not_allowed"),
    (500, "internal_error"),
}


def parts(block: str) -> tuple[str, str]:
    """A command, of one line or several, and what it prints."""
    lines = block.splitlines(keepends=True)
    end = 1 + sum(line.startswith("    ") for line in lines[1:] if not re.match(r" +\d+ \d+$", line))
    return "".join(lines[:end]), "".join(lines[end:])


def steady(text: str) -> str:
    """Without what is another each time."""
    for pattern, name in CHANGING.items():
        text = re.sub(pattern, name, text)
    return text.replace("\r", "").strip("\n")


def run(command: str, environment: Mapping[str, str]) -> str:
    """What a shell prints."""
    ran = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=True)
    assert not ran.stderr
    return ran.stdout


async def test_every_console_block_runs_as_it_stands(shared: Shared, tenant: Tenant) -> None:
    environment = {
        **os.environ,
        "BADGES": shared.api_url + GAMIFY,
        "KEY": tenant.key,
        "ADMIN_KEY": tenant.admin_key,
        "no_proxy": "*",
    }
    assert len(BLOCKS) == 13
    for block in BLOCKS:
        command, expected = parts(block)
        assert command.strip()
        printed = await asyncio.to_thread(run, command, environment)
        assert steady(printed) == steady(expected), command
        if made := re.match(r'\{"id":"([^"]+)"', printed):
            environment["BADGE_ID"] = made[1]


def error_table() -> Sequence[tuple[int, str]]:
    """The rows of the table of errors, in their order."""
    return [(int(status), code) for status, code in re.findall(r"^\| (\d{3}) \| `(\w+)` \|", PAGE, re.MULTILINE)]


def documented_errors() -> set[tuple[int, str]]:
    """Every error in the OpenAPI document."""
    return {
        (int(status), example["value"]["code"])
        for methods in DOCUMENT["paths"].values()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        for example in response.get("content", {}).get("application/problem+json", {}).get("examples", {}).values()
    }


def test_table_of_errors_is_complete() -> None:
    rows = error_table()
    assert len(rows) == len(set(rows))
    assert set(rows) == documented_errors() | NOWHERE_ELSE


AWARD, BADGES = f"{GAMIFY}/badges/award", f"{GAMIFY}/admin/badges"
TEXT, JSON = "text/plain", "application/json"
LARGE, CUT, UNKNOWN = b"{" * 65_537, b"{", b'{"participant_id":"u","badge_code":"nothing"}'
FAULTS: Sequence[tuple[str, str, str, bytes]] = [
    ("unauthorized", BADGES, TEXT, LARGE),
    ("forbidden", BADGES, TEXT, LARGE),
    ("payload_too_large", AWARD, TEXT, LARGE),
    ("unsupported_media_type", AWARD, TEXT, CUT),
    ("validation_error", AWARD, JSON, CUT),
    ("RATE_LIMIT_PARTICIPANT_EXCEEDED", AWARD, JSON, UNKNOWN),
    ("badge_not_found", AWARD, JSON, UNKNOWN),
]


async def test_errors_are_checked_in_the_order_of_the_table(shared: Shared, tenant: Tenant) -> None:
    """Each call has its fault and all those after it: the first one is told."""
    gateway = await shared.place.gateway(awards_per_minute="1").ready()
    told: list[tuple[int, str]] = []
    for code, path, content_type, body in reversed(FAULTS):
        key = "none" if code == "unauthorized" else tenant.key
        lines = (f"X-API-Key: {key}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}")
        answer = await exchange(gateway.url, head("POST", path, *lines), body)
        assert answer.problem["code"] == code
        told.insert(0, (answer.status, code))
    gateway.stop()
    assert told == error_table()[: len(told)]
