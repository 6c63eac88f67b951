"""Floating-point registers in both layouts: pairs (Status.FR=0) and 32 registers of 64 bits (FR=1)."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.gdb.driver import Gdb, Guest
from tests.processes import served

HERE = Path(__file__).parent / "guest"


@pytest.fixture(params=["el", "eb"])
def elf(request: pytest.FixtureRequest) -> Path:
    return HERE / f"floats-{request.param}.elf"


def guest(elf: Path, *arguments: str) -> Guest:
    order = ["--big-endian"] if "-eb" in elf.name else []
    return Guest("kernel", str(elf), "--run", "2000", *order, *arguments)


def shown(gdb: Gdb, register: str) -> str:
    """A register as ``info registers`` shows it: hexadecimal, single, double where there is one."""
    return " ".join(gdb.run(f"info registers {register}").text.split())


def test_both_layouts_are_shown_whole(gdb_program: str, elf: Path) -> None:
    with guest(elf, "--finish") as served:
        with Gdb(gdb_program, elf) as gdb:
            gdb.connect(served.port)  # at the end: FR=1
            assert shown(gdb, "f0").endswith("dbl: 1.5")
            assert shown(gdb, "f1").endswith("dbl: -2.25")
            assert shown(gdb, "f31").startswith("f31: 0x54b249ad2594c37d") and shown(gdb, "f31").endswith("1e+100")
            assert shown(gdb, "f3").endswith("dbl: 1.0000000000000000159e+100") or "1e+100" in shown(gdb, "f3")
            assert "flt: -3" in shown(gdb, "f13")
            assert "-2.25" in gdb.run("print $f1").text
            # Back to where they were pairs: even ones stand for both, odd ones for themselves.
            gdb.run("break narrow")
            assert gdb.run("reverse-continue").stops
            assert shown(gdb, "f0").endswith("dbl: 1.5") and shown(gdb, "f2").endswith("dbl: -2.25")
            assert shown(gdb, "f30").endswith("dbl: 1.0000000000000000159e+100") or "1e+100" in shown(gdb, "f30")
            assert "flt: 0.5" in shown(gdb, "f12") and "flt: -3" in shown(gdb, "f13")
            gdb.run("disconnect")
        with Gdb(gdb_program, elf) as gdb:
            gdb.connect(served.port)  # here: FR=0
            assert "f12: 0x3f000000 flt: 0.5" in shown(gdb, "f12")
            assert "= 0.5" in gdb.run("print $f12").text and "= -3" in gdb.run("print $f13").text
            assert shown(gdb, "f2").endswith("dbl: -2.25")
            gdb.run("break wide")
            assert "of $f0 to $f31. 'disconnect' and connect again" in gdb.run("continue")
            assert "f1: 0x00000000" in shown(gdb, "f1")


def test_a_guest_compiled_for_wide_registers_is_described_so_from_the_start(gdb_program: str) -> None:
    elf = HERE / "floats-fp64.elf"
    with guest(elf, "--finish", "--symbols") as served, Gdb(gdb_program, elf) as gdb:
        gdb.connect(served.port)
        gdb.run("monitor goto start")
        gdb.run("disconnect")
        gdb.connect(served.port)
        gdb.run("break wide")
        answer = gdb.run("continue")
        assert "'disconnect'" not in answer
        assert shown(gdb, "f1").endswith("dbl: -2.25")


def test_they_can_be_written(gdb_program: str, elf: Path) -> None:
    with guest(elf) as served, Gdb(gdb_program, elf) as gdb:
        gdb.connect(served.port)  # the live end: FR=1
        assert not gdb.run("set $f1 = 6.5").errors and not gdb.run("set $f30 = -1e-5").errors
        gdb.forget()
        assert shown(gdb, "f1").endswith("dbl: 6.5") and "e-05" in gdb.run("print $f30").text
        gdb.run("stepi")
        assert shown(gdb, "f1").endswith("dbl: 6.5")
        gdb.run("break narrow")
        gdb.run("reverse-continue")
        gdb.run("set $f2 = 7.75")  # a pair
        gdb.forget()
        assert shown(gdb, "f2").endswith("dbl: 7.75") and "f3: " in shown(gdb, "f3")
        gdb.run("set $f3 = 0")  # its upper half
        gdb.forget()
        assert shown(gdb, "f2").endswith("dbl: 0")
        gdb.run("disconnect")
    with guest(elf) as served, Gdb(gdb_program, elf) as gdb:
        gdb.connect(served.port)
        gdb.run("break narrow")
        gdb.run("reverse-continue")
        gdb.run("disconnect")
        gdb.connect(served.port)
        gdb.run("set $f12 = 8.25")
        gdb.forget()
        assert "= 8.25" in gdb.run("print $f12").text and "= -3" in gdb.run("print $f13").text


def test_gdb_calls_a_linux_function_without_trouble(gdb_program: str, elf: Path) -> None:
    """With Linux's conventions GDB clears ``restart`` whenever it moves PC."""
    with guest(elf) as served, Gdb(gdb_program, elf) as gdb:
        gdb.run("set osabi GNU/Linux")
        gdb.connect(served.port)
        assert gdb.value("$restart") == 0
        assert not gdb.run("set $pc = wide").errors
        assert gdb.value("$pc") == gdb.value("&wide")


def qemu(elf: Path) -> AbstractContextManager[int]:
    program = "qemu-system-mips" if "-eb" in elf.name else "qemu-system-mipsel"
    return served(["-M", "malta", "-kernel", str(elf), "-nodefaults", "-display", "none", "-S"], [program])


@pytest.mark.real("qemu-system-mips")
def test_the_low_halves_are_what_qemu_shows(gdb_program: str, elf: Path) -> None:
    """QEMU's stub for 32-bit MIPS has no more than the low halves, in either layout."""

    def low_halves(port: int) -> list[str]:
        with Gdb(gdb_program, elf) as gdb:
            gdb.connect(port)
            values = []
            for place in ("narrow", "wide"):
                gdb.run(f"tbreak {place}")
                gdb.run("continue")
                text = gdb.run("info all-registers").text
                values += [value[-8:] for value in re.findall(r"\bf\d+: +0x([0-9a-f]+)", text)]
            return values

    with qemu(elf) as port:
        expected = low_halves(port)
    with guest(elf, "--finish") as served:
        with Gdb(gdb_program, elf) as gdb:
            gdb.connect(served.port)
            gdb.run("monitor goto start")
            gdb.run("disconnect")
        assert low_halves(served.port) == expected
    assert len(expected) == 64 and any(int(value, 16) for value in expected[32:])
