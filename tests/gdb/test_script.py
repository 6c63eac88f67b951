"""rdbg's commands inside GDB."""

from __future__ import annotations

from pathlib import Path

import rdbg
from tests.gdb.driver import Gdb, Guest

ELF = Path(__file__).parent / "guest" / "counter-el.elf"
SCRIPTS = Path(rdbg.__file__).parent / "gdb"


def test_commands_of_the_script(gdb_program: str) -> None:
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest, Gdb(gdb_program, ELF) as gdb:
        gdb.connect(guest.port)
        gdb.run(f"source {SCRIPTS / 'rdbg.gdb'}")
        gdb.run(f"source {SCRIPTS / 'rdbg_gdb.py'}")
        assert f"icount {guest.end}" in gdb.run("rdbg when")
        gdb.run("monitor savevm here")
        answer = gdb.run("rdbg goto start")
        assert "at icount 0," in answer and "0xbfc00000" in answer and "GDB still holds" not in answer.text
        assert gdb.value("$pc") == 0xBFC00000
        assert "rdbg goto here" in gdb.run("complete rdbg goto h")
        gdb.run("rdbg goto here")
        answer = gdb.run("rdbg lastwrite last")
        assert "wrote" in answer and "note" in answer
        assert "has no address" in gdb.run("rdbg lastwrite 5")
        assert "usage: rdbg lastwrite" in gdb.run("rdbg lastwrite")
        assert "'nowhere'" in gdb.run("rdbg goto nowhere")
        assert "usage: rdbg prompt" in gdb.run("rdbg prompt maybe")
        assert not gdb.run("rdbg prompt on").errors
        assert not gdb.run("rdbg prompt off").errors
