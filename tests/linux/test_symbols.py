"""Kernel symbols out of guest memory."""

from __future__ import annotations

import hashlib
import random
from io import BytesIO
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from rdbg.emu.machine import Machine
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.recording.recording import OpenRecording
from rdbg.symbols.kallsyms import KallsymsReader, KernelTable
from rdbg.symbols.symbol import Symbol
from rdbg.symbols.symbol_file import elf_of_symbols
from rdbg.timeline import Timeline
from tests.cli.command import rdbg
from tests.linux.conftest import LISTING, Recording
from tests.linux.kallsyms_tables import Order, kallsyms


def _by_name(path: Path) -> dict[str, tuple[int, str]]:
    with path.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")  # type: ignore[no-untyped-call]
        return {s.name: (s["st_value"], s["st_info"]["type"]) for s in table.iter_symbols()}


@pytest.mark.real("linux-image-4kc-malta:mipsel")
@pytest.mark.timeout(900)
def test_the_guest_lists_the_same_symbols(recording: Recording) -> None:
    opened = OpenRecording(str(recording.path))
    history = History.replay(opened.reader)
    machine = Machine(opened.spec(), history)
    timeline = Timeline(machine, history, store=opened.store, initial_snapshot=opened.header.initial_snapshot)
    timeline.goto(timeline.end)
    symbols = KallsymsReader(machine.read_memory(0x8000_0000, 128 << 20), big_endian=False).read().symbols
    listing = "".join(f"{symbol.address:08x} {symbol.kind} {symbol.name}\n" for symbol in symbols)
    assert listing.splitlines()[0] in recording.answers["head -3 /proc/kallsyms"]
    assert hashlib.md5(listing.encode()).hexdigest() in recording.answers[LISTING]
    opened.close()


@pytest.mark.real("linux-image-4kc-malta:mipsel")
@pytest.mark.timeout(900)
def test_code_and_exported_data_are_in_the_file(symbols: Path) -> None:
    found = _by_name(symbols)
    assert found["start_kernel"][1] == "STT_FUNC" and found["jiffies"][1] == "STT_OBJECT"
    assert len(found) > 35_000


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("big_endian", [False, True])
def test_the_tables_of_all_kernels_are_read(order: Order, relative: bool, big_endian: bool) -> None:
    names = [f"function_{n}" if n % 50 else f"very_long_{'q' * n}" for n in range(700)]
    symbols = [Symbol(0x8010_0000 + 64 * n, "tT"[n % 2], name) for n, name in enumerate(names)]
    around = random.Random(1).randbytes(1 << 16)
    memory = around + kallsyms(symbols, order, big_endian, relative) + around
    assert KallsymsReader(memory, big_endian).read() == KernelTable(symbols)


@pytest.mark.parametrize("big_endian", [False, True])
def test_the_kernel_that_runs_is_the_one_that_has_moved(big_endian: bool) -> None:
    old = [Symbol(0x8010_0000 + 64 * n, "T", f"function_{n}") for n in range(700)]
    new = [Symbol(symbol.address + 0x13F_0000, "T", symbol.name) for symbol in old]
    order = next(iter(Order))
    around = random.Random(1).randbytes(1 << 16)
    first, second = (kallsyms(table, order, big_endian, True) for table in (old, new))
    for one, other in ((first, second), (second, first)):
        memory = around + one + around + other + around
        assert KallsymsReader(memory, big_endian).read() == KernelTable(new, 0x13F_0000)


@pytest.mark.parametrize("order", Order)
def test_a_table_without_its_addresses_is_none(order: Order) -> None:
    symbols = [Symbol(0x8010_0000 + 64 * n, "T", f"function_{n}") for n in range(700)]
    memory = bytearray(kallsyms(symbols, order, False, True))
    at = memory.find((symbols[0].address).to_bytes(4, "little"))  # the base of the offsets
    memory[at : at + 4] = bytes(4)
    with pytest.raises(RdbgError, match="no table of kernel symbols"):
        KallsymsReader(bytes(memory), False).read()


@pytest.mark.parametrize("big_endian", [False, True])
def test_elf_file(big_endian: bool, tmp_path: Path) -> None:
    symbols = [Symbol(0x80002000, "T", "second"), Symbol(0x80001000, "t", "first"), Symbol(0x80009000, "D", "data")]
    data = elf_of_symbols(symbols, big_endian)
    elf = ELFFile(BytesIO(data))  # type: ignore[no-untyped-call]
    assert elf.little_endian is not big_endian and elf.get_machine_arch() == "MIPS"
    (tmp_path / "symbols").write_bytes(data)
    assert _by_name(tmp_path / "symbols") == {
        "": (0, "STT_NOTYPE"),
        "first": (0x80001000, "STT_FUNC"),
        "second": (0x80002000, "STT_FUNC"),
        "data": (0x80009000, "STT_OBJECT"),
    }
    sizes = {s.name: s["st_size"] for s in elf.get_section_by_name(".symtab").iter_symbols()}
    assert sizes["first"] == 0x1000


@pytest.mark.parametrize(
    "memory", [b"", bytes(1 << 20), b"".join(b"%d\0" % digit for digit in range(10)) * 1000, bytes(range(256)) * 4096]
)
@pytest.mark.parametrize("big_endian", [False, True])
def test_memory_without_symbols(memory: bytes, big_endian: bool) -> None:
    with pytest.raises(RdbgError, match="no table of kernel symbols"):
        KallsymsReader(memory, big_endian).read()


@pytest.mark.real("linux-image-4kc-malta:mipsel")
@pytest.mark.timeout(900)
def test_a_stretch_of_the_boot_is_counted_by_the_kernels_functions(
    recording: Recording, symbols: Path, tmp_path: Path
) -> None:
    output = tmp_path / "boot.folded"
    words = ["profile", recording.path, "--symbols", symbols, "--flat", "-o", output]
    # Where the kernel unpacks itself there is other code than its symbols say.
    done = rdbg(*words, "--from", "50%", "--to", "52%", timeout=300)
    assert done.returncode == 0, done.stderr
    rows = [line.rpartition(" ") for line in output.read_text().splitlines()]
    told = done.stdout.decode().split(" instructions")[0]
    assert f"{sum(int(count) for _, _, count in rows):,}" == told
    names = {stack.removeprefix("guest;") for stack, _, _ in rows}
    known = _by_name(symbols)
    code = {name for name in names if known.get(name, (0, ""))[1] == "STT_FUNC"}
    assert len(code) > 20 and {name for name in names - code if not name.startswith("page 0x")} == set()
