"""Main and the timer's interrupt add to one word, in straight-line code: as many updates are lost as on QEMU, and under
GDB the way back from a lost one leads to the interrupt between main's load and its store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import rdbg
from tests.gdb.driver import Gdb
from tests.processes import served
from tests.races.both import on_qemu, on_rdbg
from tests.races.layout import Source, build

PERIODS = (31, 60, 101, 137, 250, 411, 1000)
#: $16 counts main's own updates, the word at ``added`` those of the handler.
_STRAIGHT = """
        la      $9, counter
        move    $16, $0
        .rept   4000
        lw      $8, 0($9)
        addiu   $8, $8, 1
        sw      $8, 0($9)
        addiu   $16, $16, 1
        .endr
        di
        ehb
        sw      $16, 0($28)
        j       finish
        nop
"""
_IN_HANDLER = """
        lw      $8, COUNTER($26)
        addiu   $8, $8, 1
        sw      $8, COUNTER($26)
"""
GUEST = Path(__file__).parents[2] / "examples" / "races" / "lost_update.elf"
MACHINE = ["-M", "malta", "-m", "128", "-icount", "shift=3", "-kernel", str(GUEST)]
LW, ADDIU, SW = 0x23, 0x09, 0x2B
_MOST_STOPS = 20


@pytest.mark.real("qemu-system-mips", "gcc-mipsel-linux-gnu", "gcc-mips-linux-gnu")
@pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
def test_as_many_are_lost_as_on_qemu(big_endian: bool, tmp_path: Path) -> None:
    losses = []
    for period in PERIODS:
        source = Source(_STRAIGHT, (period,), entries=1000, in_handler=_IN_HANDLER)
        guest = build(source, big_endian, tmp_path)
        theirs, ours = on_qemu(guest), on_rdbg(guest)
        assert ours.entries == theirs.entries
        lost = [left.word("scratch") + len(left.entries) - left.word("counter") for left in (theirs, ours)]
        assert lost[0] == lost[1]
        losses.append(lost[0])
    assert sum(bool(lost) for lost in losses) > len(PERIODS) // 2, losses


def _between_load_and_store(gdb: Gdb) -> bool:
    """Whether the exception that is handled came between a load and a store of an update."""
    before, there = (gdb.value(f"*(unsigned *)($epc - {back})") >> 26 for back in (4, 0))
    return (before, there) in ((LW, ADDIU), (ADDIU, SW))


def _icount(gdb: Gdb) -> str:
    return gdb.run("monitor when").text.split(",")[0]


def _find_lost_update(program: str, words: list[str]) -> list[str]:
    """Go back from the end to an update that the handler made and main lost; gives what was seen."""
    seen = []
    with served([*words, "-S", "-serial", "null"]) as port, Gdb(program, GUEST) as gdb:
        gdb.connect(port)
        gdb.run("tbreak power_off")
        assert gdb.run("continue").stops
        seen.append(_icount(gdb))
        gdb.run("watch counter if $status & 2")  # the handler's writes
        for _ in range(_MOST_STOPS):
            assert gdb.run("reverse-continue").stops[0]["reason"] == "watchpoint-trigger"
            if _between_load_and_store(gdb):
                break
        else:
            raise AssertionError("no interrupt between a load and a store")
        seen += [_icount(gdb), gdb.run("x/i $epc").text]
        # The handler's store has not happened here: it makes of the counter what main will make of it again.
        before = gdb.value("counter")
        load = gdb.value("$epc") - (4 if gdb.value("*(unsigned *)$epc") >> 26 == ADDIU else 8)
        loaded = f"$r{gdb.value(f'*(unsigned *){load:#x}') >> 16 & 31}"
        gdb.run("disable")
        gdb.run(f"tbreak *{load + 8:#x}")
        gdb.run("continue")
        assert gdb.value("counter") == before + 1
        assert gdb.value(loaded) == before + 1
        gdb.run("stepi")
        assert gdb.value("counter") == before + 1
        seen.append(_icount(gdb))
        # Back over the interrupt, and forward once more.
        gdb.run(f"tbreak *{load:#x}")
        gdb.run("reverse-continue")
        assert gdb.value("counter") == before
        seen.append(_icount(gdb))
        gdb.run(f"tbreak *{load + 8:#x}")
        gdb.run("continue")
        assert (gdb.value("counter"), gdb.value(loaded)) == (before + 1, before + 1)
        gdb.run("stepi")
        assert _icount(gdb) == seen[-2]
    return seen


def test_the_way_back_leads_to_the_interrupt_between_load_and_store(gdb_program: str, tmp_path: Path) -> None:
    recording = tmp_path / "lost.rr"
    done = rdbg("record", "-o", recording, "--", *MACHINE, "-serial", "stdio", "-no-reboot")
    assert done.returncode == 0 and done.stdout.startswith(b"LOST ")
    live = _find_lost_update(gdb_program, ["run", *MACHINE])
    assert live == _find_lost_update(gdb_program, ["replay", str(recording)])
