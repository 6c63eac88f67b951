"""GDB's commands, one by one, as far as no other test says them. docs/gdb.md has the list."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gdb.answers import END_WORDS, HERE, START_WORDS, says
from tests.gdb.driver import Gdb, Guest

ELF = HERE / "counter-el.elf"
TANK = Path(__file__).parents[2] / "examples" / "guest" / "tank.elf"
FLASH = HERE / "flash-el.elf"


@pytest.fixture
def live(gdb_program: str) -> Iterator[Gdb]:
    with Guest("kernel", str(ELF), "--run", "6000") as guest, Gdb(gdb_program, ELF) as gdb:
        gdb.connect(guest.port)
        yield gdb


@pytest.fixture
def recorded(gdb_program: str) -> Iterator[Gdb]:
    """A finished run; GDB stands at its start."""
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest, Gdb(gdb_program, ELF) as gdb:
        gdb.connect(guest.port)
        gdb.run("monitor goto start")
        gdb.forget()
        yield gdb


@pytest.fixture
def extended(gdb_program: str) -> Iterator[Gdb]:
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest, Gdb(gdb_program, ELF) as gdb:
        gdb.run(f"target extended-remote 127.0.0.1:{guest.port}")
        yield gdb


def moved(gdb: Gdb, command: str) -> str:
    """What GDB says when a command that makes the guest run has ended."""
    gdb.send(command)
    return gdb.wait(stop=True).text


def icount(gdb: Gdb) -> int:
    return int(gdb.run("monitor when").text.split()[1].rstrip(","))


def test_tbreak_hbreak_thbreak_until_advance_finish(recorded: Gdb) -> None:
    assert "Temporary breakpoint 1" in recorded.run("tbreak begin") and "begin" in recorded.run("continue")
    assert "Hardware assisted breakpoint 2" in recorded.run("hbreak work")
    assert "Breakpoint 2, work" in recorded.run("continue")
    recorded.run("delete")
    assert "Temporary breakpoint 3, note" in (recorded.run("thbreak note"), recorded.run("continue"))[1]
    assert "work" in recorded.run("finish") and recorded.value("last") == 3
    assert "value=13" in moved(recorded, "advance note")
    assert "work" in moved(recorded, "until")
    assert says(recorded.run("continue"), END_WORDS)


def test_counts_and_exec_direction(recorded: Gdb) -> None:
    recorded.run("break note")
    assert "value=23" in (recorded.run("continue"), recorded.run("continue 2"))[1]
    recorded.run("ignore 1 3")
    assert "value=63" in recorded.run("continue")
    recorded.run("set exec-direction reverse")
    assert "value=53" in recorded.run("continue")
    place = icount(recorded)
    recorded.run("stepi 2")
    assert place - 4 <= icount(recorded) <= place - 2
    recorded.run("delete")
    assert says(recorded.run("continue"), START_WORDS)
    recorded.run("set exec-direction forward")
    assert says(recorded.run("continue"), END_WORDS)


def test_commands_at_a_breakpoint(gdb_program: str) -> None:
    commands = 'silent\\nprintf "here %d\\\\n", value\\ncontinue'
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest:
        words = [f"target remote 127.0.0.1:{guest.port}", "monitor goto start", "break note"]
        words += ["maintenance flush register-cache"]
        words += [f"python gdb.breakpoints()[0].commands = '{commands}'", "continue"]
        done = subprocess.run(
            [gdb_program, "--nx", "-batch", str(ELF), *(f"--eval-command={word}" for word in words)],
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    assert "".join(f"here {value}\n" for value in range(3, 100, 10)) in done.stdout
    assert any(word in done.stdout for word in END_WORDS)


def test_enable_and_disable(recorded: Gdb) -> None:
    recorded.run("break note")
    recorded.run("disable 1")
    assert says(recorded.run("continue"), END_WORDS)
    recorded.run("enable once 1")
    assert "value=93" in recorded.run("reverse-continue") and says(recorded.run("reverse-continue"), START_WORDS)


def test_what_is_altered_at_the_live_end(live: Gdb) -> None:
    for command in ("set var last = 7", "set $t0 = 5", "print count = 9", "set {int}0x80200000 = 11"):
        assert not live.run(command).errors, command
    live.run("stepi")
    live.run("stepi")
    assert live.value("last") == 7 and live.value("$t0") == 5 and live.value("*(int*)0x80200000") == 11
    live.run("tbreak note")
    assert "note" in moved(live, "jump work")
    assert live.run("return").errors == "" and "work" in live.run("backtrace 1").text
    assert "= 23" in live.run("print work(24)") and live.value("last") == 23
    assert live.run("call note(5)").errors == "" and live.value("last") == 5


def test_memory_commands(live: Gdb, tmp_path: Path) -> None:
    live.run("set var last = 77")
    live.run("set var *(int*)0x80200100 = 0x12345678")
    assert "0x80200100" in live.run("find /w 0x80200000, +0x1000, 0x12345678").text
    assert "Pattern not found" in live.run("find /w 0x80200200, +0x1000, 0x12345678")
    assert not live.run(f"dump binary memory {tmp_path}/memory 0x80200000 0x80200200").errors
    assert (tmp_path / "memory").read_bytes()[0x100:0x104] == bytes.fromhex("78563412")
    assert not live.run(f"restore {tmp_path}/memory binary 0x80300000").errors
    assert live.value("*(int*)0x80300100") == 0x12345678
    assert "0x12345678" in live.run("x/xw 0x80300100").text
    assert "jal" in live.run("disassemble begin").text
    assert "Cannot access memory" in live.run("x 0x1000").errors
    assert "flash blocksize 0x10000" in live.run("info mem").text
    for section in (".text", ".rodata"):
        assert "MIS-MATCHED" not in live.run(f"compare-sections {section}").text
    assert "Writing to flash memory forbidden" in live.run("set var *(int*)0xbe000000 = 5").errors


def test_load_into_ram(live: Gdb) -> None:
    """Another program than the one that was started."""
    live.run(f"file {TANK}")
    assert "MIS-MATCHED" in live.run("compare-sections .text").text
    answer = live.run("load")
    assert "Start address 0x80100000" in answer and not answer.errors
    assert "matched." in live.run("compare-sections .text").text
    assert live.value("$pc") == 0x80100000
    live.run("tbreak main")
    assert "main" in live.run("continue")
    live.run("reverse-stepi")
    assert live.run("reverse-stepi").stops


def test_load_into_flash(live: Gdb) -> None:
    """Two blocks and more; the guest runs what was written, and the past is what it was."""
    place = icount(live)
    live.run("stepi")
    live.run(f"file {FLASH}")
    answer = live.run("load")
    assert "Start address 0xbe100000" in answer and not answer.errors
    assert "matched." in live.run("compare-sections .text").text
    live.run("tbreak done")
    live.run("continue")
    assert live.value("$v0") == 0x12345678
    assert live.value("*(int*)0xbe110ff0") == 0x5A5A5A5A and live.value("*(int*)0xbe120000") == 0
    live.run(f"monitor goto {place}")
    live.forget()
    assert live.value("*(int*)0xbe100000") == 0


def test_load_into_flash_in_the_past_makes_a_branch(recorded: Gdb) -> None:
    recorded.run(f"file {FLASH}")
    answer = recorded.run("load")
    assert "Start address 0xbe100000" in answer and not answer.errors
    recorded.run("tbreak done")
    assert "scratch branch" in recorded.run("continue")
    assert recorded.value("$v0") == 0x12345678
    recorded.run("monitor switch main")
    recorded.forget()
    assert recorded.value("*(int*)0xbe100000") == 0


def test_load_where_nothing_is(live: Gdb, tmp_path: Path) -> None:
    data = bytearray(FLASH.read_bytes())
    old, new = (0xBE100000).to_bytes(4, "little"), (0x00100000).to_bytes(4, "little")
    (tmp_path / "elsewhere.elf").write_bytes(bytes(data).replace(old, new))
    live.run(f"file {tmp_path}/elsewhere.elf")
    assert "Load failed" in live.run("load").errors
    assert "icount" in live.run("monitor when").text


def test_status_commands(recorded: Gdb) -> None:
    assert "Thread 1" in recorded.run("info threads").text
    assert "#0" in recorded.run("thread apply all backtrace 1").text
    assert "Remote target" in recorded.run("info inferiors").text
    assert "Remote target using gdb-specific protocol" in recorded.run("info target").text
    assert "0x80100000 is .text" in recorded.run("info files").text or ".text" in recorded.run("info files").text
    assert "pc" in recorded.run("info registers").text and "f31" in recorded.run("info all-registers").text
    assert "count" in recorded.run("info registers system").text
    assert "No shared libraries" in recorded.run("info sharedlibrary").text


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("record", "doesn't support record"),
        ("record btrace", "does not support branch tracing"),
        ("info record", "No recording is currently active"),
        ("checkpoint", "can't find fork function"),
        ("info auxv", "No auxiliary vector found"),
        ("info proc", "Can't determine the current process's PID"),
        ("info os", "Can not fetch data now"),
        ("tstart", "No tracepoints defined"),
        ("remote get /etc/passwd passwd", "No such file"),
        ("remote put /etc/passwd passwd", "No such file"),
        ("remote delete /etc/passwd", "Function not implemented"),
        ("attach 1", "Attaching to process 1 failed"),
    ],
)
def test_what_a_machine_does_not_have_is_said_and_survived(extended: Gdb, command: str, words: str) -> None:
    answer = extended.run(command)
    assert words in answer or command == "attach 1" and answer.errors
    if command != "attach 1":
        assert "icount" in extended.run("monitor when").text


def test_generate_core_file(recorded: Gdb, tmp_path: Path) -> None:
    recorded.run("tbreak note")
    recorded.run("continue")
    # The boot code, as QEMU's, leaves its own address in ra, and GDB takes all up to that frame, at 0, for the stack.
    recorded.run("set backtrace limit 2")
    assert "Saved corefile" in recorded.run(f"generate-core-file {tmp_path}/core").text
    assert (tmp_path / "core").stat().st_size > 1000


def test_display_and_printing(recorded: Gdb) -> None:
    recorded.run("tbreak note")
    recorded.run("continue")
    assert "value = 3" in recorded.run("info args").text and "No locals" in recorded.run("info locals").text
    assert "= 3" in recorded.run("print value").text and "work" in recorded.run("up").text
    assert "rounds = 100" in recorded.run("info args").text
    assert "1: count = 8" in recorded.run("display count").text
    assert "1: count" in recorded.run("stepi").text
    assert "note in section .text" in recorded.run("info symbol note").text
    assert "0x80100020" in recorded.run("info address note").text


def test_run_goes_to_places_as_typed(extended: Gdb) -> None:
    extended.run("starti @124")
    assert icount(extended) == 124
    extended.run("monitor savevm boot")
    extended.run("tbreak note")
    assert "value=3" in extended.run("run @start")
    pc = extended.value("$pc")
    extended.run("starti @boot")
    assert icount(extended) == 124 and extended.value("$pc") != pc
    assert extended.value("$pc") == int(extended.run("monitor when").text.split("pc ")[1][:10], 16)
    extended.run("starti @50%")
    assert ", 50.00% of" in extended.run("monitor when")
    assert says(extended.run("run @end"), END_WORDS)
    extended.run("set args")
    extended.run("starti")
    assert extended.value("$pc") == 0xBFC00000 and icount(extended) == 0


@pytest.mark.parametrize("arguments", ["@nowhere", "foo", "@1 @2"])
def test_run_to_nowhere_is_refused_and_the_guest_stays(extended: Gdb, arguments: str) -> None:
    here = icount(extended)
    assert extended.run(f"run {arguments}").errors
    assert icount(extended) == here


def test_kill_disconnect_detach_and_coming_back(gdb_program: str) -> None:
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest, Gdb(gdb_program, ELF) as gdb:
        for farewell in ("disconnect", "kill", "detach"):
            assert not gdb.connect(guest.port).errors
            gdb.run("monitor goto 100")
            assert not gdb.run(farewell).errors
        assert not gdb.run(f"target extended-remote 127.0.0.1:{guest.port}").errors
        gdb.run("kill")
        gdb.run("starti")
        assert icount(gdb) == 0
