"""What a user of GDB sees, in both byte orders: breakpoints, watchpoints, both ends of history, monitor."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import rdbg
from tests.gdb.answers import END_WORDS, HERE, START_WORDS, says
from tests.gdb.driver import Gdb, Guest

RUN = 6000


@pytest.fixture
def elf(order: str) -> Path:
    return HERE / f"counter-{order}.elf"


@pytest.fixture
def guest(elf: Path, order: str) -> Iterator[Guest]:
    endian = ["--big-endian"] if order == "eb" else []
    with Guest("kernel", str(elf), "--run", str(RUN), "--finish", *endian) as guest:
        yield guest


@pytest.fixture
def gdb(gdb_program: str, elf: Path, guest: Guest) -> Iterator[Gdb]:
    with Gdb(gdb_program, elf) as gdb:
        gdb.connect(guest.port)
        yield gdb


def test_without_a_file_gdb_knows_byte_order_and_architecture(gdb_program: str, guest: Guest, order: str) -> None:
    with Gdb(gdb_program) as gdb:
        gdb.connect(guest.port)
        assert {"el": "little", "eb": "big"}[order] in gdb.run("show endian").text
        assert "mips:isa32r2" in gdb.run("show architecture").text
        assert "lui\tsp,0x8020" in gdb.run("x/i 0x80100000").text


@pytest.mark.parametrize("symbols", [[], ["--symbols"]], ids=["raw", "ELF"])
def test_a_gdb_that_reads_no_file_of_the_stub_knows_the_instructions(
    gdb_program: str, elf: Path, order: str, symbols: list[str]
) -> None:
    """With ``set sysroot`` GDB looks for the stub's file on its own disk. A CPU called "mips" was the oldest to it.

    Nothing but a file tells it the byte order.
    """
    endian = ["--big-endian"] if order == "eb" else []
    words = {0x7CA430C0: "ext\ta0,a1,0x3,0x7", 0x7C03E83B: "rdhwr\tv1,$29", 0x41606020: "ei", 0x7C0520A0: "wsbh\ta0,a1"}
    with Guest("kernel", str(elf), "--run", str(RUN), *symbols, *endian) as guest, Gdb(gdb_program) as gdb:
        gdb.run("set sysroot")
        gdb.run(f"set endian {'big' if endian else 'little'}")
        gdb.connect(guest.port)
        assert "mips:isa32r2" in gdb.run("show architecture").text
        for word, shown in words.items():
            gdb.run(f"set *(unsigned *) 0x80180000 = {word}")
            assert shown in gdb.run("x/i 0x80180000").text
        gdb.run("set var $pc = 0x80100000")
        gdb.run("stepi")
        assert gdb.value("$pc") == 0x8010_0004 and gdb.value("$sp") == 0x8020_0000


@pytest.mark.parametrize("flags", [0x00001000, 0x10001000, 0x50001000, 0x70001000], ids=["I", "II", "32", "32r2"])
def test_gdb_takes_files_for_all_that_the_cpu_runs(gdb_program: str, tmp_path: Path, flags: int) -> None:
    """Of a description that names another architecture than the file GDB said that they are ambiguous."""
    data = bytearray((HERE / "counter-el.elf").read_bytes())
    data[36:40] = flags.to_bytes(4, "little")  # e_flags: EF_MIPS_ARCH, EF_MIPS_ABI_O32
    elf = tmp_path / "guest.elf"
    elf.write_bytes(data)
    with Guest("kernel", str(elf), "--run", str(RUN), "--finish", "--symbols") as guest, Gdb(gdb_program, elf) as gdb:
        assert "architecture" not in gdb.connect(guest.port)
        assert "lui\tsp,0x8020" in gdb.run("x/i 0x80100000").text
        gdb.run("break note")
        assert "note (value=93)" in gdb.run("reverse-continue")


def test_a_gdb_that_reads_no_description_gets_the_standard_registers(gdb_program: str, guest: Guest, elf: Path) -> None:
    """As one without expat must do."""
    names = ("$pc", "$sp", "$ra", "$a0", "$hi", "$fir", "$f2")
    with Gdb(gdb_program, elf) as gdb:
        gdb.connect(guest.port)
        wanted = [gdb.value(name) for name in names]
        gdb.run("disconnect")
        gdb.run("set remote target-features-packet off")
        assert not gdb.connect(guest.port).errors
        assert [gdb.value(name) for name in names] == wanted
        assert "void" in gdb.run("print $index")
        assert "00400000" in gdb.run("info registers").text  # Status
        assert not gdb.run("set $a0 = 0x77").errors and not gdb.run("set $f2 = 1.5").errors
        gdb.forget()
        assert gdb.value("$a0") == 0x77 and "= 1.5" in gdb.run("print $f2")


def test_gdb_without_a_file_gets_the_symbols_from_the_guest(gdb_program: str, elf: Path, order: str) -> None:
    endian = ["--big-endian"] if order == "eb" else []
    with Guest("kernel", str(elf), "--run", str(RUN), "--symbols", *endian) as guest, Gdb(gdb_program) as gdb:
        gdb.connect(guest.port)
        assert "work" in gdb.run("info address work").text
        gdb.run("break note")
        assert "Breakpoint 1, note (value=93)" in gdb.run("reverse-continue")


def test_ctrl_c_ends_a_live_run(gdb_program: str, elf: Path, order: str) -> None:
    endian = ["--big-endian"] if order == "eb" else []
    with Guest("kernel", str(elf), "--run", str(RUN), *endian) as guest, Gdb(gdb_program, elf) as gdb:
        gdb.connect(guest.port)
        start = gdb.run("monitor when").text
        gdb.send("continue")
        time.sleep(0.3)
        gdb.interrupt()
        assert "SIGINT" in gdb.wait(stop=True)
        assert gdb.run("monitor when").text != start
        # The live end can be changed, and what follows follows from that.
        assert not gdb.run("set var last = 77").errors
        assert not gdb.run("set $v0 = 5").errors
        assert gdb.value("last") == 77 and gdb.value("$v0") == 5
        gdb.run("stepi")
        assert gdb.value("last") == 77


def test_ctrl_c_ends_a_reverse_search_where_it_began(gdb_program: str, elf: Path, order: str) -> None:
    endian = ["--big-endian"] if order == "eb" else []
    with Guest("kernel", str(elf), "--run", "300000000", *endian) as guest, Gdb(gdb_program, elf) as gdb:
        gdb.connect(guest.port)
        gdb.run("break *$pc if count == 123456789")  # hot, and never true
        start = gdb.run("monitor when").text
        gdb.send("reverse-continue")
        time.sleep(0.5)
        gdb.interrupt()
        assert "SIGINT" in gdb.wait(stop=True)
        assert gdb.run("monitor when").text == start


def test_reverse_continue_stops_at_the_latest_of_many_hits(gdb: Gdb) -> None:
    gdb.run("break note")
    seen = []
    while gdb.run("reverse-continue").stops[0].get("reason") == "breakpoint-hit":
        seen.append(gdb.value("$a0"))
    assert seen == list(range(93, 0, -10))


def test_both_ends_of_history_are_said_and_survived(gdb: Gdb, guest: Guest) -> None:
    for _ in range(2):
        assert says(gdb.run("reverse-continue"), START_WORDS)
        assert says(gdb.run("reverse-stepi"), START_WORDS)
        assert gdb.value("$pc") == 0xBFC00000
        assert says(gdb.run("continue"), END_WORDS)
        assert says(gdb.run("stepi"), END_WORDS)
        assert f"icount {guest.end}," in gdb.run("monitor when").text


def test_a_watchpoint_shows_old_and_new_value_in_both_directions(gdb: Gdb) -> None:
    gdb.run("watch last")
    answer = gdb.run("reverse-continue")
    assert "Old value = 93" in answer and "New value = 83" in answer
    # It has gone back over the store, and stands before it.
    assert "sw" in gdb.run("x/i $pc").text
    writer = gdb.value("$pc")
    answer = gdb.run("reverse-continue")
    assert "Old value = 83" in answer and "New value = 73" in answer
    answer = gdb.run("continue")
    assert "Old value = 73" in answer and "New value = 83" in answer
    assert gdb.value("$pc") in (writer + 4, gdb.value("$ra"))
    gdb.run("delete")
    assert says(gdb.run("continue"), END_WORDS)


def test_read_and_access_watchpoints(gdb: Gdb) -> None:
    gdb.run("rwatch last")
    answer = gdb.run("reverse-continue")
    assert "Hardware read watchpoint" in answer and "Value = 93" in answer
    gdb.run("delete")
    gdb.run("awatch last")
    answer = gdb.run("reverse-continue")
    assert "Hardware access (read/write) watchpoint" in answer


def test_a_conditional_breakpoint_in_both_directions(gdb: Gdb) -> None:
    gdb.run("break note if value == 43")
    gdb.run("reverse-continue")
    assert gdb.value("$a0") == 43
    assert says(gdb.run("reverse-continue"), START_WORDS)
    gdb.run("continue")
    assert gdb.value("$a0") == 43
    assert says(gdb.run("continue"), END_WORDS)


def test_conditions_of_all_kinds_at_once_in_both_directions(gdb: Gdb) -> None:
    """Breakpoints with and without a condition, and watchpoints: each stop in its turn, and the same ones back."""
    gdb.run("break note if value == 43")
    gdb.run("break work")
    gdb.run("watch last")
    gdb.run("rwatch last")

    def stops(command: str, count: int) -> list[tuple[str, int]]:
        seen = []
        for _ in range(count):
            answer = gdb.run(command)
            reason = str(answer.stops[0].get("reason"))
            seen.append((reason.split("-watchpoint")[0].removesuffix("-hit"), gdb.value("last")))
        return seen

    read = ("read", 93)
    back = stops("reverse-continue", 13)
    assert back[0] == read
    written = [("watchpoint-trigger", value) for value in (83, 73, 63, 53, 43, 33)]
    assert back[1:7] == written
    assert back[7] == ("breakpoint", 33)
    assert back[8:12] == [("watchpoint-trigger", value) for value in (23, 13, 3, 0)]
    assert back[12] == ("breakpoint", 0)
    assert says(gdb.run("reverse-continue"), START_WORDS)
    forward = stops("continue", 13)
    assert forward[0] == ("breakpoint", 0)
    assert forward[1:5] == [("watchpoint-trigger", value) for value in (3, 13, 23, 33)]
    assert forward[5] == ("breakpoint", 33)
    assert forward[6:12] == [("watchpoint-trigger", value) for value in (43, 53, 63, 73, 83, 93)]
    assert forward[12] == read
    assert says(gdb.run("continue"), END_WORDS)


def test_a_deleted_breakpoint_does_not_stop(gdb: Gdb) -> None:
    gdb.run("break note")
    gdb.run("reverse-continue")
    gdb.run("delete")
    assert says(gdb.run("reverse-continue"), START_WORDS)


def test_reverse_continue_n_skips_hits(gdb: Gdb) -> None:
    gdb.run("break note")
    gdb.run("reverse-continue")
    gdb.run("reverse-continue 3")  # the count is for the breakpoint that GDB stands at
    assert gdb.value("$a0") == 63


def test_a_breakpoint_here_does_not_hold_reverse_stepi(gdb: Gdb) -> None:
    gdb.run("break note")
    gdb.run("reverse-continue")
    here = gdb.value("$pc")
    gdb.run("reverse-stepi")
    before = gdb.value("$pc")
    assert before != here
    gdb.run("stepi")
    assert gdb.value("$pc") == here


def test_reverse_finish_next_and_step_by_source_line(gdb: Gdb) -> None:
    gdb.run("break note")
    gdb.run("reverse-continue")
    gdb.run("stepi")
    gdb.run("delete")
    gdb.run("reverse-finish")
    assert "jal" in gdb.run("x/i $pc").text
    gdb.run("reverse-next")
    assert "work" in gdb.run("frame").text
    gdb.run("reverse-step")
    gdb.run("next")
    assert "work" in gdb.run("frame").text


def test_a_breakpoint_on_a_delay_slot_stops(gdb: Gdb) -> None:
    gdb.run("break note")
    gdb.run("reverse-continue")
    call = gdb.value("$ra") - 8
    gdb.run("delete")
    gdb.run(f"break *{call + 4:#x}")  # GDB moves it to the branch
    gdb.run("reverse-continue")
    assert gdb.value("$pc") == call


def test_memory_that_is_not_mapped(gdb: Gdb) -> None:
    assert "Cannot access memory at address 0x0" in gdb.run("x/x 0")


def test_snapshots_bring_registers_back(gdb: Gdb) -> None:
    gdb.run("break note")
    gdb.run("reverse-continue")
    gdb.run("delete")
    saved = gdb.registers()
    assert "saved" in gdb.run("monitor savevm here")
    listing = gdb.run("monitor info snapshots").text
    assert "here" in listing and "ICOUNT" in listing
    gdb.run("monitor goto start")
    gdb.forget()
    assert gdb.registers() != saved
    answer = gdb.run("monitor loadvm here")
    assert "flush register-cache" in answer
    gdb.forget()
    assert gdb.registers() == saved
    gdb.run("monitor delvm here")
    assert "There is no snapshot available" in gdb.run("monitor info snapshots")
    assert "there is no snapshot 'here'" in gdb.run("monitor loadvm here")


def test_the_script_makes_gdb_look_again(gdb: Gdb) -> None:
    script = Path(rdbg.__file__).parent / "gdb" / "rdbg.gdb"
    gdb.run(f"source {script}")
    gdb.run("monitor savevm here")
    saved = gdb.registers()
    gdb.run("monitor goto 50%")
    assert gdb.registers() != saved
    gdb.run("monitor loadvm here")
    assert gdb.registers() == saved


def test_with_the_script_nobody_is_told_to_flush(gdb: Gdb, guest: Guest) -> None:
    assert "GDB still holds" in gdb.run("monitor goto 50%")
    gdb.run("disconnect")
    gdb.run(f"source {Path(rdbg.__file__).parent / 'gdb' / 'rdbg.gdb'}")
    gdb.connect(guest.port)
    answer = gdb.run("monitor goto start")
    assert "at icount 0" in answer and "GDB still holds" not in answer
    assert gdb.value("$pc") == 0xBFC00000


def test_monitor_commands(gdb: Gdb) -> None:
    assert "savevm NAME" in gdb.run("monitor help")
    assert "goto start|end" in gdb.run("monitor help goto")
    assert "unknown command: 'frobnicate'" in gdb.run("monitor frobnicate")
    assert "did you mean goto" in gdb.run("monitor got")
    assert "usage: savevm NAME" in gdb.run("monitor savevm")
    assert "instruction count = " in gdb.run("monitor info replay")
    assert "checkpoints in" in gdb.run("monitor info checkpoints")
    assert "status" in gdb.run("monitor info registers")
    assert "TLB entries" in gdb.run("monitor info tlb")
    assert re.search(r"^info tlb +what the TLB translates", gdb.run("monitor help info").text, re.M)
    assert "unknown topic" in gdb.run("monitor info weather")
    for place in ("nowhere", "101%", "-x", "1z", "0xg"):
        assert "at icount" not in gdb.run(f"monitor goto {place}").text
    assert "at icount 100," in gdb.run("monitor goto 100").text
    assert "at icount 90," in gdb.run("monitor goto -10").text


def test_who_wrote_this_last(gdb: Gdb) -> None:
    address = gdb.value("&last")
    answer = gdb.run(f"monitor lastwrite {address:#x}").text
    assert "wrote" in answer
    position = answer.split("monitor goto ")[1].split("'")[0]
    gdb.run(f"monitor goto {position}")
    gdb.forget()
    assert "sw" in gdb.run("x/i $pc").text


def test_run_goes_to_the_start_or_to_a_place_with_all_of_gdbs_state(gdb_program: str, elf: Path, guest: Guest) -> None:
    with Gdb(gdb_program, elf) as gdb:
        gdb.run(f"target extended-remote 127.0.0.1:{guest.port}")
        gdb.run("break note")
        gdb.run("reverse-continue")
        gdb.run("monitor savevm here")
        saved = gdb.registers()
        gdb.run("delete")
        gdb.run("starti")
        gdb.run("set args @here")
        gdb.run("starti")
        assert gdb.registers() == saved
        gdb.run("break note")
        gdb.run("set args")
        assert "note (value=3)" in gdb.run("run")


def test_cp0_registers_are_a_group_of_their_own(gdb: Gdb) -> None:
    shown = gdb.run("info registers system").text
    for name in ("status", "cause", "epc", "entryhi", "count", "compare"):
        assert name in shown


def test_searching_and_comparing_memory_in_the_stub(gdb: Gdb, elf: Path) -> None:
    # compare-sections asks for a CRC of what the guest has in memory.
    answer = gdb.run("compare-sections .text")
    assert "matched" in answer and "MIS-MATCHED" not in answer
    text = elf.read_bytes()
    assert text  # the pattern is the first instruction
    assert "1 pattern found" in gdb.run("find /w1 0x80100000, 0x80100100, 0x3c1d8020")


def test_find_finds_every_match(gdb: Gdb) -> None:
    """GDB reckons with the address of each to begin the next search there."""
    words = gdb.run("x/64xw 0x80100000").text.split()
    returns = words.count("0x03e00008")
    assert returns > 1
    assert f"{returns} patterns found" in gdb.run("find /w 0x80100000, 0x801000ff, 0x03e00008")


def test_a_front_end_reads_memory_across_the_edges_of_every_region(gdb: Gdb) -> None:
    """GDB reckons with regions' sizes as signed numbers, and aborted where one was negative: at a NULL pointer."""
    rows = [row.split() for row in gdb.run("info mem").text.splitlines() if row[:1].isdigit()]
    edges = {int(edge, 16) for row in rows for edge in row[2:4]}
    assert len(edges) > 4
    for edge in edges | {0, 1 << 31, 1 << 63, (1 << 64) - (1 << 31)}:
        for address in (edge, edge - 8):
            for length in (16, 0x2000):
                gdb.send(f"-data-read-memory-bytes {address % (1 << 64):#x} {length}")
                gdb.wait(stop=False, timeout=20)
    assert "Cannot access memory at address 0x0" in gdb.run("x/x 0")


def test_a_client_may_leave_and_come_back(gdb: Gdb, gdb_program: str, guest: Guest, elf: Path) -> None:
    gdb.run("monitor goto 1000")
    gdb.run("disconnect")
    with Gdb(gdb_program, elf) as other:
        other.connect(guest.port)
        assert "icount 1000" in other.run("monitor when").text or "icount 999" in other.run("monitor when").text


def test_a_long_monitor_command_does_not_wear_out_gdbs_patience(gdb_program: str, tmp_path: Path) -> None:
    # Far more instructions than can be run within GDB's two seconds.
    with Guest("kernel", str(HERE / "counter-el.elf"), "--slow", "3.5") as guest, Gdb(gdb_program) as gdb:
        gdb.connect(guest.port)
        answer = gdb.run("monitor goto end")
        assert "at icount" in answer and "packet error" not in answer.text
        assert "at icount 0," in gdb.run("monitor goto start").text
        assert gdb.value("$pc") == 0xBFC00000


def test_questions_about_the_past(gdb: Gdb, guest: Guest) -> None:
    address = gdb.value("&last")
    first = gdb.run(f"monitor lastwrite {address:#x}").text
    again = gdb.run(f"monitor lastwrite {address:#x}").text
    written = [line for line in gdb.run(f"monitor writes {address:#x} 4 3").text.splitlines() if line.strip()]
    assert len(written) == 3 and written[0] in first and written[1] in again and written[2] not in again
    assert "->" in written[2]
    assert gdb.run("monitor when").text.startswith(f"icount {guest.end},")
    gdb.run("monitor goto start")
    assert "no write before here" in gdb.run(f"monitor writes {address:#x}")
    assert "no write to" in gdb.run(f"monitor lastwrite {address:#x}")
    assert "ask for 1 to" in gdb.run(f"monitor writes {address:#x} 4 0")
    assert "usage: writes" in gdb.run("monitor writes")
    gdb.run("monitor goto end")
    assert "icount" in gdb.run(f"monitor lastexec {gdb.value('&note'):#x}")


def test_bookmarks_and_places(gdb: Gdb, guest: Guest) -> None:
    assert "no bookmark" in gdb.run("monitor info bookmarks")
    gdb.run("monitor goto 1000")
    assert "set at icount 1000" in gdb.run("monitor bookmark early")
    gdb.run("monitor goto end")
    assert "early" in gdb.run("monitor info bookmarks") and "1000" in gdb.run("monitor info bookmarks")
    assert "at icount 1000," in gdb.run("monitor goto early")
    assert f"at icount {guest.end}," in gdb.run("monitor back")
    assert "at icount 1000," in gdb.run("monitor forward")
    assert "deleted" in gdb.run("monitor delbookmark early")
    assert "no bookmark 'early'" in gdb.run("monitor delbookmark early")
    assert "ICOUNT" in gdb.run("monitor info checkpoints")
    endpoints = gdb.run("monitor info endpoints")
    assert re.search(r"serial 0 +\d+ +\d+", endpoints.text) and "0 packets have come in" in endpoints
    gdb.run("monitor goto end")
