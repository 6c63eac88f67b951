"""Tables of a boot of Debian's kernel, beside what its shell is known to have done, and beside single steps."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rdbg
from rdbg.analysis.system_calls import SystemCall
from rdbg.library.recorded_run import RecordedRun
from tests.gdb.driver import Gdb
from tests.linux.conftest import LOOP, WRITES, Recording
from tests.processes import RDBG, served

pytestmark = [pytest.mark.real("linux-image-4kc-malta:mipsel"), pytest.mark.timeout(900)]

#: Numbers in the o32 ABI (arch/mips/kernel/syscalls/syscall_o32.tbl), and Linux' word for a file that is not there.
WRITE, EXIT_GROUP, NO_SUCH_FILE = 4004, 4246, 2
EPC, BAD_ADDRESS, STATUS, CAUSE = "epc", "badvaddr", "status", "cause"


@pytest.fixture(scope="module")
def run(recording: Recording, symbols: Path) -> Iterator[RecordedRun]:
    """The recording, opened from Python."""
    with rdbg.open(str(recording.path), symbols=str(symbols)) as run:
        yield run


@pytest.fixture(scope="module")
def asked(run: RecordedRun) -> list[SystemCall]:
    """All system calls."""
    return list(run.syscalls())


def _in_vector(pc: int) -> bool:
    """Whether a handler of refills, exceptions or interrupts begins here: the kernel puts them where it likes, at the
    beginning of a page."""
    return pc >= 0x8000_0000 and (pc & 0xFFF in (0, 0x180) or 0x200 <= pc & 0xFFF < 0x400)


def _go_to_handler(run: RecordedRun) -> None:
    """Step on, to the handler of what the next step meets (a branch's slot may meet it)."""
    first = place = run.position
    while not _in_vector(run.timeline.machine.pc):
        place += 1
        assert place < first + 4
        run.goto(place)


def _query(recording: Recording, symbols: Path, *words: str) -> list[dict[str, Any]]:
    command = [*RDBG, "query", str(recording.path), *words, "--symbols", str(symbols), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_write_of_a_loop_is_a_system_call_and_a_call_in_the_kernel(
    recording: Recording, symbols: Path, run: RecordedRun
) -> None:
    assert f"counted to {WRITES}" in recording.answers[LOOP]
    to_nothing = _query(recording, symbols, "calls", "write_null", "--where", "a2 == 1")
    assert len(to_nothing) == WRITES
    stretch = ["--from", str(to_nothing[0]["icount"] - 20_000), "--to", str(to_nothing[-1]["icount"] + 1)]
    asked = _query(recording, symbols, "syscalls", "--where", f"v0 == {WRITE} && a0 == 1 && a2 == 1", *stretch)
    passed = _query(recording, symbols, "calls", "vfs_write", *stretch)
    for call in to_nothing:
        around = [
            [row for row in rows if row["icount"] < call["icount"] and call["returned"] < row["returned"]]
            for rows in (asked, passed)
        ]
        [[asking], [inside]] = around
        assert call["value"] == asking["value"] == inside["value"] == 1
        assert (asking["error"], asking["number"]) == (0, WRITE)
        assert asking["icount"] < inside["icount"] and inside["returned"] < asking["returned"]
        assert (asking["a1"], asking["a2"]) == (inside["a1"], inside["a2"]) == (call["a1"], call["a2"])
    for row in random.Random(1).sample(asked, 5):
        assert run.goto(row["icount"]) == row["icount"]
        assert run.memory(row["a1"], 1) == b"\n" and run.memory(row["pc"], 4) == (0x0C).to_bytes(4, "little")
        assert run.goto(row["returned"]) == row["returned"]
        assert (run.timeline.machine.pc, run.register("v0"), run.register("a3")) == (row["pc"] + 4, 1, 0)


def test_what_programs_write_is_what_the_console_shows(
    recording: Recording, run: RecordedRun, asked: list[SystemCall]
) -> None:
    shown = b""
    for row in [row for row in asked if (row.number, row.a0) == (WRITE, 1) and 10 <= row.a2 < 1024]:
        run.goto(row.icount)
        shown += run.memory(row.a1, row.a2)
    assert f"counted to {WRITES}\n".encode() in shown
    first = recording.answers["head -3 /proc/kallsyms"].replace("\r", "").strip().splitlines()
    assert first[-2].encode() in shown


def test_a_failed_call_says_so(run: RecordedRun, asked: list[SystemCall]) -> None:
    failed = 0
    for row in asked:
        if row.error and row.value == NO_SUCH_FILE and row.number in (4005, 4106, 4288):
            run.goto(row.icount)
            name = run.memory(row.a1 if row.number == 4288 else row.a0, 64).split(b"\0")[0]
            assert name.startswith(b"/") and name not in (b"/bin/busybox", b"/init", b"/proc/kallsyms"), name
            failed += 1
    assert failed


def test_a_program_that_ends_does_not_come_back(asked: list[SystemCall]) -> None:
    ended = [row for row in asked if row.number == EXIT_GROUP]
    assert ended
    assert {(row.returned, row.value, row.error) for row in ended} == {(None, None, None)}


def test_exceptions_are_what_the_next_step_shows(run: RecordedRun) -> None:
    rows = list(run.exceptions(start="90%"))
    dice = random.Random(1)
    names = sorted({row.exception for row in rows})
    assert {"TLBL", "TLBS", "Sys"} <= set(names)
    for name in names:
        of_name = [row for row in rows if row.exception == name]
        for row in sorted(dice.sample(of_name, min(12, len(of_name))), key=lambda row: row.icount):
            run.goto(row.icount)
            assert run.position == row.icount
            was_inside = bool(run.register(STATUS) & 2)
            _go_to_handler(run)
            assert row.nested == was_inside
            code = run.register(CAUSE) >> 2 & 31
            if not row.nested:
                late = 4 if run.register(CAUSE) >> 31 else 0
                assert run.register(EPC) + late == row.pc
            assert {2: "TLBL", 3: "TLBS", 1: "Mod", 8: "Sys", 9: "Bp", 4: "AdEL", 5: "AdES", 10: "RI", 11: "CpU",
                    12: "Ov", 13: "Tr", 15: "FPE"}[code] == name  # fmt: skip
            if row.address is not None:
                assert run.register(BAD_ADDRESS) == row.address


def test_interrupts_name_their_lines(run: RecordedRun) -> None:
    rows = list(run.interrupts(start="90%"))
    assert len(rows) > 100
    for row in sorted(random.Random(1).sample(rows, 30), key=lambda row: row.icount):
        run.goto(row.icount)
        _go_to_handler(run)
        assert run.register(CAUSE) >> 2 & 31 == 0
        assert row.lines and run.register(CAUSE) >> 8 & 0xFF & run.register(STATUS) >> 8 == row.lines
        assert run.register(EPC) == row.pc or run.register(CAUSE) >> 31 and run.register(EPC) + 4 == row.pc


def test_gdb_stops_where_its_tables_say(gdb_program: str, recording: Recording, symbols: Path) -> None:
    with served(["replay", str(recording.path), "-S", "-serial", "null"]) as port, Gdb(gdb_program, symbols) as gdb:
        gdb.run("set heuristic-fence-post 64")
        gdb.connect(port)
        gdb.run("monitor goto 60%", timeout=300)
        stood = gdb.registers()
        function = gdb.value("(unsigned) &vfs_write")
        told = gdb.run(f"monitor calls {function:#x} --from 60% --limit 3 --json", timeout=300).text
        rows = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
        calls = str(gdb.run("monitor syscalls --from 60% --limit 1", timeout=300))
        assert len(rows) == 3 and "NUMBER" in calls and gdb.registers() == stood
        for row in rows:
            gdb.run("break *vfs_write")
            gdb.run("continue", timeout=300)
            assert gdb.value("$pc") == row["function"]
            assert [gdb.value(f"$a{n}") for n in range(4)] == [row[f"a{n}"] for n in range(4)]
            assert (gdb.value("$ra"), gdb.value("$sp")) == (row["return_address"], row["stack"])
            gdb.run("delete")
            # GDB itself takes pointers of this architecture for signed.
            gdb.run(f"tbreak *{row['return_address']:#x} if (unsigned) $sp == {row['stack']:#x}")
            gdb.run("continue", timeout=300)
            assert (gdb.value("$v0"), gdb.value("$v1")) == (row["value"], row["value2"])
            gdb.run(f"monitor goto {row['returned']}", timeout=300)
            gdb.forget()
            assert (gdb.value("$pc"), gdb.value("$sp")) == (row["return_address"], row["stack"])


def test_gdb_stops_at_the_accesses_of_its_table(gdb_program: str, recording: Recording, symbols: Path) -> None:
    with served(["replay", str(recording.path), "-S", "-serial", "null"]) as port, Gdb(gdb_program, symbols) as gdb:
        gdb.run("set heuristic-fence-post 64")
        gdb.connect(port)
        gdb.run("monitor goto 60%", timeout=300)
        stood = gdb.registers()
        address = gdb.value("(unsigned) &jiffies_64")
        for kind, option in (("awatch", ""), ("rwatch", "--read")):
            told = gdb.run(f"monitor accesses {address:#x}+8 --from 60% {option} --limit 12 --json", timeout=300).text
            rows = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
            assert len(rows) == 12 and gdb.registers() == stood
            gdb.run(f"{kind} *(unsigned long long *) {address:#x}")
            for row in rows:
                gdb.run("continue", timeout=300)
                gdb.run(f"monitor goto {row['icount']}", timeout=300)
                gdb.forget()
                assert row["by"] == "cpu" and gdb.value("$pc") in (row["pc"], row["pc"] - 4)
                value = gdb.value(f"*(unsigned *) {row['address']:#x}")
                assert value == (row["value"] if row["access"] == "read" else row["before"])
                gdb.run("stepi", timeout=300)
            gdb.run("delete")
            gdb.run("monitor goto 60%", timeout=300)
            gdb.forget()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["calls"], "usage: calls FUNCTION"),
        (["calls", "no_such_function"], "no_such_function"),
        (["calls", "vfs_write", "--where", "a0 =="], "--where"),
        (["syscalls", "write"], "'write' is too much"),
        (["exceptions", "TLBQ"], "there is no exception 'TLBQ'"),
        (["executions", "0x80000000", "--from", "nowhere"], "nowhere"),
        (["executions", "0x80000000", "--limit", "many"], "many"),
        (["executions", "0x80000000", "--json", "--csv"], "--csv"),
        (["exekutions", "0x80000000"], "executions"),
    ],
)
def test_bad_input_is_one_line(recording: Recording, symbols: Path, words: list[str], complaint: str) -> None:
    command = [*RDBG, "query", str(recording.path), *words, "--symbols", str(symbols)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), done
    assert complaint in done.stderr


def test_control_c_ends_with_what_was_found(recording: Recording, symbols: Path) -> None:
    command = [*RDBG, "query", str(recording.path), "calls", "vfs_write", "--json", "--symbols", str(symbols)]
    whole = subprocess.run([*command, "--limit", "20"], capture_output=True, text=True, timeout=300, check=True)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    first = process.stdout.readline()
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    rest, said = process.communicate(timeout=300)
    found = (first + rest).splitlines()
    assert process.returncode == 130 and said.splitlines()[-1].endswith(
        "interrupted: this is what was found until then"
    )
    assert found[:20] == whole.stdout.splitlines()[: len(found)] and all(json.loads(line) for line in found)
