"""What stops a command is said in one line, whatever it quotes."""

import pytest
import typer
from aiokafka.errors import UnknownTopicOrPartitionError

from badgectl.failures import CommandError, failures_told


def test_error_that_quotes_a_terminals_commands_does_not_run_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), failures_told():
        raise CommandError("two\n  lines, [red]\x1b[2J\x07\u202e and \x9b31m")
    assert capsys.readouterr().err == (
        "error: two lines, [red]\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"
        " and \N{REPLACEMENT CHARACTER}31m\n"
    )


def test_missing_topic_makes_one_ask_first_whether_the_cluster_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), failures_told():
        raise UnknownTopicOrPartitionError
    told = capsys.readouterr().err
    assert told.index("the right cluster, and the right BADGES_KAFKA_PREFIX?") < told.index("`badgectl topics`")
