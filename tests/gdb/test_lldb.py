"""LLDB: Debian's 19, and a later one from PyPI, which can go back by itself."""

from __future__ import annotations

import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gdb.driver import Guest

HERE = Path(__file__).parent / "guest"
PYPI_LLDB = Path(sysconfig.get_path("scripts")) / "lldb"

pytestmark = pytest.mark.timeout(120)
needs_pypi_lldb = pytest.mark.skipif(not PYPI_LLDB.is_file(), reason="needs lldb-for-pwndbg (pip install '.[test]')")


@pytest.fixture(params=[pytest.param("lldb-19", marks=pytest.mark.real("lldb-19")), "pypi"])
def lldb_program(request: pytest.FixtureRequest) -> str:
    if request.param == "pypi" and not PYPI_LLDB.is_file():
        pytest.skip("needs lldb-for-pwndbg (pip install '.[test]')")
    return str(PYPI_LLDB) if request.param == "pypi" else str(request.param)


@pytest.fixture(params=["el", "eb"])
def order(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def guest(order: str) -> Iterator[Guest]:
    endian = ["--big-endian"] if order == "eb" else []
    with Guest("kernel", str(HERE / f"counter-{order}.elf"), "--run", "6000", "--finish", *endian) as guest:
        yield guest


def say(program: str, guest: Guest, order: str, *commands: str) -> str:
    """What LLDB prints when it is connected and these are typed."""
    words = [program, "--no-lldbinit", "--batch", str(HERE / f"counter-{order}.elf")]
    for command in (f"gdb-remote 127.0.0.1:{guest.port}", *commands):
        words += ["-o", command]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert "error:" not in done.stderr, done.stderr
    return done.stdout


def test_registers_memory_and_source(lldb_program: str, guest: Guest, order: str) -> None:
    said = say(
        lldb_program, guest, order, "register read r4 r29 pc", "memory read -s 4 -f x -c 1 0x80100000",
        "disassemble -s 0x80100000 -c 1",
    )  # fmt: skip
    assert "begin at counter.c:22" in said
    assert "r4 = 0x0000005d" in said and "r29 = 0x801fffe8" in said and "pc = 0x80100108" in said
    assert "0x80100000: 0x3c1d8020" in said and "lui    $sp, 0x8020" in said


def test_steps_and_breakpoints(lldb_program: str, guest: Guest, order: str) -> None:
    """From the start, where a packet has put it: LLDB looks again when the guest runs."""
    said = say(
        lldb_program, guest, order, "process plugin packet monitor goto 1", "breakpoint set -n note", "continue",
        "thread step-out", "thread step-over", "thread step-inst", "continue",
    )  # fmt: skip
    assert "LLDB still holds the old registers" in said
    first, rest = said.split("note(value=3)")
    assert "stop reason = breakpoint 1.1" in first
    assert "stop reason = step out" in rest and "stop reason = step over" in rest
    assert "stop reason = instruction step into" in rest and "note(value=13)" in rest


def test_at_the_end_of_history_it_stops_and_says_so(lldb_program: str, guest: Guest, order: str) -> None:
    """LLDB 19 went on stepping there for ever."""
    for command in ("continue", "thread step-inst", "thread step-over"):
        assert "stop reason = end of the recorded history" in say(lldb_program, guest, order, command)


def test_steps_back_by_packet(lldb_program: str, guest: Guest, order: str) -> None:
    said = say(lldb_program, guest, order, *["process plugin packet send bs"] * 2, "thread step-inst")
    here, before = ("08011080", "14011080") if order == "el" else ("80100108", "80100114")
    assert f"25:{before};" in said and f"25:{here};" not in said
    assert "stop reason = instruction step into" in said and "0x80100114" in said.split("thread step-inst")[1]


@needs_pypi_lldb
def test_it_continues_backward_to_breakpoints_and_the_start(guest: Guest, order: str) -> None:
    """process continue --reverse is there since LLDB 21."""
    back = "process continue --reverse"
    said = say(str(PYPI_LLDB), guest, order, "breakpoint set -n note", back, back, "breakpoint delete 1", back)
    assert said.index("note(value=93)") < said.index("note(value=83)") < said.index("start of the recorded history")
