"""rdbg's commands inside GDB say how far they have come, and a Ctrl-C leaves what was found until then."""

from __future__ import annotations

import os
from pathlib import Path

import rdbg
from tests.gdb.driver import Gdb, Guest
from tests.stub.guests import ELF as ENDLESS
from tests.transcripts import Terminal

ELF = Path(__file__).parent / "guest" / "counter-el.elf"
SCRIPT = Path(rdbg.__file__).parent / "gdb" / "rdbg_gdb.py"
#: The server, which says at once and all the time how far it is.
IMPATIENT = (
    "-c",
    "import rdbg.host.progress, rdbg.monitor.line_progress; rdbg.host.progress.PATIENCE = 0; "
    "rdbg.monitor.line_progress._EVERY = 0; from tests.gdb.serve_guest import main; main()",
)


def test_they_say_how_far_they_have_come(gdb_program: str) -> None:
    said = []
    for serve in ({}, {"serve": IMPATIENT}):
        with Guest("kernel", str(ELF), "--run", "6000", "--finish", **serve) as guest, Gdb(gdb_program, ELF) as gdb:
            gdb.run(f"source {SCRIPT}")
            gdb.connect(guest.port)
            for command in ("rdbg origin last", "rdbg lastwrite last", "rdbg origin $k1"):
                said.append(gdb.run(command))
    quiet, told = said[:3], said[3:]
    assert [answer.text for answer in told] == [answer.text for answer in quiet]
    assert all(answer.progress for answer in told)
    assert quiet[0].text.startswith("icount 1737, pc 0x80100024 in note at counter.c:5")


def test_ctrl_c_ends_one_with_what_was_found(gdb_program: str, tmp_path: Path) -> None:
    """The boot code sets $k1, and nothing else does: all of the run would be looked through, which takes seconds."""
    with Guest("kernel", str(ENDLESS), "--run", "60000000", "--finish", serve=IMPATIENT) as guest:
        terminal = Terminal(
            f"{gdb_program} --nx --quiet -ex 'source {SCRIPT}' -ex 'target remote 127.0.0.1:{guest.port}' {ENDLESS}",
            tmp_path,
            {**os.environ, "TERM": "dumb", "HOME": str(tmp_path)},
        )
        try:
            terminal.read("(gdb) ")
            terminal.type("monitor goto end")
            terminal.read("(gdb) ")
            terminal.type("rdbg origin $k1")
            terminal.read("%)\r\n")
            terminal.press_once(b"\x03")
            assert "interrupted: what was before that was not looked at" in "\n".join(terminal.read("(gdb) "))
            terminal.type("monitor when")
            assert f"icount {guest.end}," in "\n".join(terminal.read("(gdb) "))
        finally:
            terminal.close()
