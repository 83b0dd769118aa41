import io

from rich.console import Console

from badgectl.import_report import print_problems, print_report, summary
from badgectl.import_rows import FileFormat, ImportRow, InvalidRow
from badgectl.import_tally import Tally
from domain.awards import RejectionReason


def counted() -> Tally:
    tally = Tally()
    for number, code in enumerate(["a", "a", "b", "c", "c"], start=1):
        tally.count_row(ImportRow(number, "u", code, code.upper(), None, None, None))
    for number in range(6, 14):
        tally.count_invalid(InvalidRow(number, "participant_id [is] missing\x1b"))
    tally.published = 4
    tally.count_skipped("c")
    tally.count_awarded("a")
    tally.count_already_earned("a")
    tally.count_rejected("b", RejectionReason.BADGE_NOT_FOUND)
    return tally


def text_of(tally: Tally) -> str:
    output = io.StringIO()
    console = Console(file=output, width=160)
    print_problems(console, tally, unit="line")
    print_report(console, tally, seconds=2, is_rehearsal=False, file_format=FileFormat.CSV)
    return output.getvalue()


def test_summary_adds_up() -> None:
    found = summary(counted(), seconds=2, is_rehearsal=False)
    assert found["rows"] == 13
    assert found["rows"] == found["invalid"] + found["skipped"] + found["published"] + found["not_published"]
    decided = found["awarded"] + found["already_earned"] + sum(found["rejected"].values())
    assert found["published"] == decided + found["not_answered"]
    assert found["complete"] is False
    counts = {"awarded": 1, "already_earned": 1, "rejected": 0, "skipped": 0}
    assert found["badges"][0] == {"code": "a", "name": "A", **counts}


def test_report_names_the_first_invalid_lines_and_counts_the_rest() -> None:
    text = text_of(counted())
    assert "line 6: participant_id [is] missing" in text
    assert "and 3 more invalid rows" in text
    assert "\x1b" not in text


def test_report_says_what_was_not_answered() -> None:
    lines = [line.split() for line in text_of(counted()).splitlines()]
    assert ["not", "answered", "1"] in lines
    assert ["skipped", "1"] in lines
    assert ["badge_not_found", "1"] in lines


def test_import_is_complete_when_all_published_is_decided() -> None:
    tally = counted()
    tally.published = 3
    assert tally.is_complete
    tally.stopped = "interrupted"
    assert not tally.is_complete
