"""What the host's answers change can be asked for in GDB, and a program that called for its end has ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import rdbg
from tests.exits.test_semihosting import CODE, CONSOLE, TYPED
from tests.gdb.driver import Gdb
from tests.processes import served

GUEST = Path(__file__).parent / "guest"


@pytest.fixture(params=["el", "eb"])
def gdb(request: pytest.FixtureRequest, gdb_program: str, tmp_path: Path) -> Iterator[Gdb]:
    elf = GUEST / f"calls-{request.param}.elf"
    made = tmp_path / "rec"
    line = ["-kernel", elf, "-serial", "null", *CONSOLE, "enable=on,chardev=c"]
    assert rdbg("record", "-o", made, "--", *line, typed=TYPED).returncode == CODE
    with served(["replay", str(made), "-S", "-semihosting-config", "enable=on"]) as port, Gdb(gdb_program, elf) as gdb:
        gdb.connect(port)
        yield gdb


def test_what_the_guest_printed_is_shown_before_its_end(gdb_program: str) -> None:
    line = [GUEST / "calls-el.elf", "-semihosting", "-serial", "null", "--batch", "--ex", "continue"]
    shown = rdbg("debug", *line, "--gdb-program", gdb_program).stderr
    assert 0 < shown.find(b"a line of a log") < shown.find(b"closed: ffffffff") < shown.find(b"(exit code 40)"), shown


def test_what_was_typed_is_found_backward_from_the_exit(gdb: Gdb) -> None:
    assert f"exit code {CODE}" in gdb.run("continue")
    end = gdb.run("monitor when").text.split(",")[0]
    assert gdb.run("monitor lastwrite typed").text.count(": the host wrote") == 1
    gdb.run("reverse-stepi")
    assert "sdbbp" in gdb.run("x/i $pc").text and gdb.value("$t9") == 1 and gdb.value("$a0") == CODE
    gdb.run("stepi")
    assert gdb.run("monitor when").text.split(",")[0] == end
    ended = gdb.run("continue")
    assert ended.stops[0]["reason"] == "exited" and int(str(ended.stops[0]["exit-code"]), 8) == CODE
