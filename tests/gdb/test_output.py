"""Output is an index: GDB goes to the store that printed a text or a byte, and every movement can be undone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.command import TANK, rdbg
from tests.gdb.driver import Gdb, Guest
from tests.gdb.test_commands import icount, moved


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "rec"
    assert rdbg("record", "-o", path, "-kernel", TANK, "-serial", "stdio").returncode == 0
    return path


def test_goto_output_stands_at_the_store_and_back_undoes_every_movement(gdb_program: str) -> None:
    with Guest("kernel", str(TANK), "--run", "5500000", "--finish") as guest, Gdb(gdb_program, TANK) as gdb:
        gdb.connect(guest.port)
        gdb.run("monitor goto start")
        assert "ICOUNT" in gdb.run("monitor output").text
        gdb.run('monitor goto output "level 331"')
        at = icount(gdb)
        gdb.forget()
        assert "sb" in gdb.run("x/i $pc").text or "sw" in gdb.run("x/i $pc").text
        moved(gdb, "stepi")
        after = gdb.run("monitor output serial0").text
        assert re.search(rf"{at} .* level 331", after)
        first = gdb.run('monitor goto output "level " 1') and icount(gdb)
        assert gdb.run('monitor goto output "level " -1') and icount(gdb) > first
        gdb.run('monitor goto output "level " 2')
        second = icount(gdb)
        gdb.run('monitor goto output "level " previous')
        assert icount(gdb) == first
        assert "0 of them before" in gdb.run('monitor goto output "level " previous').text.replace("none of", "0 of")
        gdb.run('monitor goto output "level " next 1')
        assert icount(gdb) == second
        assert "printed 'nowhere'" in gdb.run('monitor goto output "nowhere"').text.replace("did not print", "printed")
        gdb.run("monitor goto sent byte 1")
        start = icount(gdb)
        assert "has sent no byte 99999" in gdb.run("monitor goto sent byte 99999").text
        gdb.forget()
        moved(gdb, "continue")
        assert icount(gdb) > at
        gdb.run("monitor back")
        assert icount(gdb) == start
        gdb.run("monitor forward")
        assert icount(gdb) > at
        gdb.forget()
        moved(gdb, "reverse-continue")
        assert icount(gdb) == 0
        gdb.run("monitor back")
        assert icount(gdb) > at


def test_the_shell_tells_the_output(recording: Path) -> None:
    done = rdbg("query", recording, "output", "serial", "--csv")
    assert done.returncode == 0 and b"level 331" in done.stdout
    assert rdbg("query", recording, "output", "pipe").returncode == 2
    at = int(next(line for line in done.stdout.decode().splitlines() if "level 331" in line).split(",")[0])
    later = rdbg("query", recording, "output", "serial", "--csv", "--from", 'output "level 331"')
    assert later.stdout.decode().splitlines()[1].startswith(f"{at},")
