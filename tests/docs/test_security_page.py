"""`docs/security.md` names what there is: settings, roles, topics, tests."""

import re
from pathlib import Path

from kafka_rights import granted_rights
from messaging.settings import KafkaSettings
from storage.rights import RIGHTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NOT_OF_SECURITY = {"BOOTSTRAP", "PREFIX", "REPLICATION_FACTOR"}


def section(title: str) -> str:
    """The text below one heading."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_test_that_is_named_is_there() -> None:
    named = re.findall(r"`([a-z0-9_]+/[a-z0-9_/]*test_\w+\.py)`", PAGE)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []


def test_table_of_settings_is_complete() -> None:
    table = section("Kafka: TLS, passwords, certificates")
    named = set(re.findall(r"`([A-Z_]+)`", table)) - {"PLAIN"}
    assert {name.upper() for name in KafkaSettings.model_fields} - NOT_OF_SECURITY <= named


def test_tables_name_everybody(tmp_path: Path) -> None:
    roles = set(re.findall(r"^\| `(\w+)` \|", section("Roles of the database"), re.MULTILINE))
    assert roles == {*RIGHTS, "badges_owner"}
    principals = set(re.findall(r"^\| `([\w-]+)` \|", section("Rights on Kafka"), re.MULTILINE))
    assert principals == {right.user for right in granted_rights(tmp_path)}
