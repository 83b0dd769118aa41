"""`badgectl demo`: the same tenant each time, known to the other commands of the folder."""

import json
import re
from pathlib import Path

import pytest

from operator_commands import Ended, run_badgectl
from processes import Installation

KEY = re.compile(r"bq_(?:live|test)_[0-9a-f]{32}")


def demo(database_url: str, folder: Path, *arguments: str) -> Ended:
    return run_badgectl("demo", *arguments, environment={"BADGES_DATABASE_URL": database_url}, folder=folder)


def test_demo_shows_the_same_keys_again(database_url: str, tmp_path: Path) -> None:
    first, again = demo(database_url, tmp_path), demo(database_url, tmp_path)
    assert len(set(KEY.findall(first.out))) == 4
    assert first.out == again.out


def test_demo_makes_new_keys_where_the_database_does_not_know_the_old_ones(database_url: str, tmp_path: Path) -> None:
    first = demo(database_url, tmp_path)
    file = tmp_path / ".badges" / "stack.json"
    kept = json.loads(file.read_text())
    kept["tenant"]["live_key"] = f"bq_live_{0:032x}"
    file.write_text(json.dumps(kept))
    again = demo(database_url, tmp_path)
    assert set(KEY.findall(first.out)).isdisjoint(KEY.findall(again.out))


def test_demo_makes_new_keys_where_an_old_one_was_revoked(database_url: str, tmp_path: Path) -> None:
    first = demo(database_url, tmp_path)
    environment = {"BADGES_DATABASE_URL": database_url}
    listed = run_badgectl("keys", "list", "demo", "--json", environment=environment, folder=tmp_path)
    (key, *_) = json.loads(listed.out)
    assert run_badgectl("keys", "revoke", key["id"], environment=environment, folder=tmp_path).code == 0
    again = demo(database_url, tmp_path)
    assert set(KEY.findall(first.out)).isdisjoint(KEY.findall(again.out))


def test_demo_shows_the_same_keys_again_to_an_operator_who_may_not_read_hashes(
    operator_url: str, tmp_path: Path
) -> None:
    first, again = demo(operator_url, tmp_path), demo(operator_url, tmp_path)
    assert len(set(KEY.findall(first.out))) == 4, first.err
    assert (again.code, again.out, again.err) == (0, first.out, "")


def test_keys_are_for_their_owner_alone(database_url: str, tmp_path: Path) -> None:
    demo(database_url, tmp_path)
    assert (tmp_path / ".badges").stat().st_mode & 0o077 == 0
    assert (tmp_path / ".badges" / "stack.json").stat().st_mode & 0o077 == 0


async def test_the_other_commands_use_what_demo_left(worker: Installation, tmp_path: Path) -> None:
    gateway = await worker.gateway().ready()
    shown = demo(worker.database_url, tmp_path, "--url", gateway.url, "--shown-url", "http://badges.example.com")
    assert "http://badges.example.com/api/v1/gamify/badges/award" in shown.out
    awarded = run_badgectl("award", "user_9", "first_steps", folder=tmp_path)
    assert "user_9" in awarded.out, awarded.err


@pytest.mark.parametrize("found", ['{"tenant": {}, "pids": {}}', "[]", "{"])
def test_demo_leaves_alone_what_it_has_not_made(found: str, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / ".badges" / "stack.json"
    file.parent.mkdir()
    file.write_text(found)
    told = demo(database_url, tmp_path)
    assert (told.code, file.read_text()) == (1, found)
    assert told.err.startswith("error: ")


def test_demo_does_not_touch_a_stack_that_is_up(database_url: str, tmp_path: Path) -> None:
    demo(database_url, tmp_path)
    file = tmp_path / ".badges" / "stack.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "pids": {}}))
    told = demo(database_url, tmp_path)
    assert (told.code, "the stack of `badgectl up`" in told.err) == (1, True)
