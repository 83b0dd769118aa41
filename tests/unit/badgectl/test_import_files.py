import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from badgectl.failures import CommandError
from badgectl.import_files import format_of, open_import
from badgectl.import_rows import FileFormat, ImportRow, InvalidRow, Row
from domain.badges import Rarity

NOW = datetime(2026, 1, 1, tzinfo=UTC)
XML_HEAD = "<?xml version='1.0' encoding='utf-8'?>\n<badges>\n"
XML_ROW = '<row Id="1" UserId="2" Name="Nice Answer" Date="2012-01-31T20:57:26.347" Class="3" TagBased="False" />\n'


def read(path: Path, content: str | bytes, *, limit: int | None = None) -> tuple[Sequence[Row], str | None]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with open_import(path, format_of(path, None), now=NOW, limit=limit) as file:
        rows = [row for chunk in file.chunks() for row in chunk]
        return rows, file.broken


def problems(rows: Sequence[Row]) -> list[tuple[int, str]]:
    return [(row.number, row.problem) for row in rows if isinstance(row, InvalidRow)]


def test_xml_row_is_read_with_its_date_in_utc(tmp_path: Path) -> None:
    rows, broken = read(tmp_path / "b.xml", f"\ufeff{XML_HEAD}{XML_ROW}</badges>")
    assert broken is None
    date = datetime(2012, 1, 31, 20, 57, 26, 347000, tzinfo=UTC)
    assert rows == [ImportRow(1, "2", "nice_answer", "Nice Answer", Rarity.COMMON, date, None)]


@pytest.mark.parametrize(("kind", "rarity"), [("1", Rarity.LEGENDARY), ("2", Rarity.RARE), ("3", Rarity.COMMON)])
def test_xml_class_is_the_rarity(tmp_path: Path, kind: str, rarity: Rarity) -> None:
    rows, _ = read(tmp_path / "b.xml", XML_HEAD + XML_ROW.replace('Class="3"', f'Class="{kind}"') + "</badges>")
    assert isinstance(rows[0], ImportRow)
    assert rows[0].rarity is rarity


def test_invalid_xml_rows_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    bad = [
        '<row Name="A" Date="2012-01-31T20:57:26" Class="3"/>',
        '<row UserId="1" Name="A" Date="31 Jan 2012" Class="3"/>',
        '<row UserId="1" Name="A" Date="2012-02-30T00:00:00" Class="3"/>',
        '<row UserId="1" Name="A" Date="2012-01-31T20:57:26" Class="9"/>',
        '<row UserId="1" Name="A" Date="2030-01-31T20:57:26" Class="1"/>',
        "<other/>",
    ]
    rows, broken = read(tmp_path / "b.xml", XML_HEAD + "".join(bad) + XML_ROW + "</badges>")
    assert broken is None
    assert isinstance(rows[-1], ImportRow)
    assert rows[-1].number == 7
    found = problems(rows)
    assert [number for number, _ in found] == [1, 2, 3, 4, 5, 6]
    for (_, problem), word in zip(found, ("UserId", "Date", "Date", "Class", "future", "other"), strict=True):
        assert word in problem


def test_rows_before_the_broken_place_of_an_xml_file_are_read(tmp_path: Path) -> None:
    rows, broken = read(tmp_path / "b.xml", XML_HEAD + XML_ROW * 1200 + "<row UserId=")
    assert len(rows) == 1200
    assert broken is not None
    assert "after row 1,200" in broken


def test_another_xml_file_is_refused(tmp_path: Path) -> None:
    rows, broken = read(tmp_path / "b.xml", "<users><row Id='1'/></users>")
    assert rows == []
    assert "root element is <users>" in str(broken)


def test_csv_is_read_with_its_optional_columns(tmp_path: Path) -> None:
    content = (
        "\ufeffbadge_code,participant_id,earned_at,metadata,badge_name,rarity\r\n"
        'b1,"a,b",2020-01-01T02:00:00+02:00,"{""k"": 1}",B One,epic\r\n'
        "\r\n"
        "b2,u\r\n"
    )
    rows, broken = read(tmp_path / "b.csv", content)
    assert broken is None
    assert rows == [
        ImportRow(2, "a,b", "b1", "B One", Rarity.EPIC, datetime(2020, 1, 1, tzinfo=UTC), {"k": 1}),
        ImportRow(4, "u", "b2", "b2", None, None, None),
    ]


def test_invalid_csv_rows_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    lines = [
        b"participant_id,badge_code,earned_at,metadata,rarity",
        b",b",
        b"u,b,2020-01-01T00:00:00",
        b"u,b,,[1]",
        b"u,b,,,mythical",
        b"u,b,,,,,extra",
        b"\xff,b",
        b'u,"b"c',
        b"u" * 300 + b",b",
        b"u\0,b",
        b"u,good",
    ]
    rows, broken = read(tmp_path / "b.csv", b"\n".join(lines))
    assert broken is None
    assert [number for number, _ in problems(rows)] == list(range(2, 11))
    assert isinstance(rows[-1], ImportRow)
    assert rows[-1].badge_code == "good"


@pytest.mark.parametrize("header", ["participant_id\n", "participant_id,badge_code,earnedat\n", "", '"\n'])
def test_csv_without_a_proper_header_is_refused(tmp_path: Path, header: str) -> None:
    rows, broken = read(tmp_path / "b.csv", header)
    assert rows == []
    assert "header" in str(broken)


def test_ndjson_is_read_line_by_line(tmp_path: Path) -> None:
    lines = [
        b'{"participant_id": "u", "badge_code": "b", "metadata": {"k": null}, "earned_at": null}',
        b"",
        b"not json",
        b"[]",
        b'{"participant_id": 5, "badge_code": "b"}',
        b'{"participant_id": "u"}',
        b'{"participant_id": "u", "badge_code": "b", "earnedat": 1}',
        b"\xff",
        b'{"participant_id": "u", "badge_code": "\\ud800"}',
        b'{"participant_id": "v", "badge_code": "b"}',
    ]
    rows, broken = read(tmp_path / "b.jsonl", b"\n".join(lines))
    assert broken is None
    assert [number for number, _ in problems(rows)] == [3, 4, 5, 6, 7, 8, 9]
    assert [row.participant_id for row in rows if isinstance(row, ImportRow)] == ["u", "v"]


def test_an_endless_line_is_refused(tmp_path: Path) -> None:
    rows, broken = read(tmp_path / "b.ndjson", b"x" * (2 * 1024 * 1024))
    assert rows == []
    assert "line 1" in str(broken)


def test_limit_ends_the_reading(tmp_path: Path) -> None:
    rows, broken = read(tmp_path / "b.xml", XML_HEAD + XML_ROW * 50 + "<row UserId=", limit=10)
    assert len(rows) == 10
    assert broken is None


def test_format_is_told_by_the_name_or_given() -> None:
    assert format_of(Path("a.XML"), None) is FileFormat.XML
    assert format_of(Path("a.xml"), FileFormat.CSV) is FileFormat.CSV
    with pytest.raises(CommandError, match="--format"):
        format_of(Path("a.txt"), None)


@pytest.mark.parametrize(
    ("name", "head", "row"),
    [
        ("b.xml", XML_HEAD, XML_ROW),
        ("b.csv", "participant_id,badge_code\n", "u,b\n"),
        ("b.ndjson", "", '{"participant_id": "u", "badge_code": "b"}\n'),
    ],
)
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str, head: str, row: str) -> None:
    path = tmp_path / name
    path.write_text(head + row * 30_000)
    with open_import(path, format_of(path, None), now=NOW, limit=30_000) as file:
        chunks = file.chunks()
        for _ in range(10):
            next(chunks)
        tracemalloc.start()
        count = sum(len(chunk) for chunk in chunks)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert count == 25_000
    assert peak < 2 * 1024 * 1024
