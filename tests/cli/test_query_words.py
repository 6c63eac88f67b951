"""How a question to a recording is written in a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import TANK, assert_one_line, rdbg, rdbg_here


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("words") / "tank.rec"
    assert rdbg("record", "-o", file, "--", "-kernel", TANK, "-serial", "null").returncode == 0
    return file


def test_options_may_stand_before_the_question_and_behind_it(recording: Path) -> None:
    behind = rdbg("query", recording, "calls", "put_char", "--json", "--limit", "3", "--from", "input 1")
    before = rdbg("query", "--limit=3", recording, "--from", "input", "1", "--json", "calls", "put_char")
    assert (before.returncode, before.stdout) == (behind.returncode, behind.stdout)
    plain = rdbg("query", recording, "--json", "calls", "put_char", "--limit", "2")
    assert plain.returncode == 0 and len(plain.stdout.splitlines()) == 2


def test_lastset_in_a_shell_says_what_it_says_at_the_prompt(recording: Path) -> None:
    words = rdbg("query", recording, "lastset", "v0", "--at", "50%")
    row = json.loads(rdbg("query", recording, "--at", "50%", "lastset", "v0", "--json").stdout)
    assert words.returncode == 0
    said = words.stdout.decode()
    assert f"icount {row['icount']}," in said and f"'monitor goto {row['stand']}'" in said
    assert f"{row['name']} set v0 = {row['value']:#x}" in said and row["pc_name"].split("+")[0] in said
    value = str(row["value"])
    same = rdbg("query", recording, "lastset", "v0", "==", value, "--at", "50%", "--json")
    assert json.loads(same.stdout)["icount"] == row["icount"]


def test_a_question_alone_is_no_command_and_the_line_says_what_is() -> None:
    for name in ("origin", "lastset", "calls"):
        assert_one_line(rdbg_here(name, "x"), 2, name, f"rdbg query RECORDING {name} ...")
    assert_one_line(rdbg_here("query", "--json", "one"), 2, "give a recording and a question")
