"""The Malta board: images, boot arguments, reset, state, and what is said of what does not fit."""

from __future__ import annotations

import pytest

from rdbg.emu.boards import build_board
from rdbg.emu.endpoint import serial_port
from rdbg.emu.loaders.raw import swap_words
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError
from tests.emu.bench_system import BenchMachine, BenchSystem
from tests.emu.images import code, elf

MIB = 1 << 20


def spec(
    *images: Image, big_endian: bool = False, ram: int = 64 * MIB, append: str = "", board: str = "malta"
) -> MachineSpec:
    return MachineSpec(board, "24Kf", big_endian, ram, 7, images, append)


def bios(data: bytes) -> Image:
    return Image("bios", "fw.bin", data)


@pytest.mark.parametrize("data", [code(False), swap_words(code(False))])
def test_little_endian_firmware_in_either_word_order(data: bytes) -> None:
    machine = BenchMachine(spec(bios(data)))
    assert machine.board.reset_state.pc == 0xBFC0_0000
    for base in (0x1E00_0000, 0x1FC0_0000):
        assert machine.read(base, 4) == 0x3C08_B800
    assert machine.read(0x1FC0_0010, 4) == 0x420
    assert machine.read(0x1E00_0010, 4) == int.from_bytes(code(False)[16:20], "little")


def test_big_endian_firmware() -> None:
    machine = BenchMachine(spec(bios(code(True)), big_endian=True))
    assert machine.read(0x1FC0_0000, 4) == 0x3C08_B800
    assert machine.read(0x1FC0_0010, 4) == 0x420


@pytest.mark.parametrize("base", [0xBFC0_0000, 0xBE00_0000, 0x9FC0_0000])
def test_elf_firmware(base: int) -> None:
    machine = BenchMachine(spec(bios(elf(base, code(False)))))
    assert machine.read(0x1FC0_0000, 4) == 0x3C08_B800
    assert machine.board.reset_state.pc == 0xBFC0_0000


def c_string(machine: BenchMachine, pointer_at: int) -> str:
    address = machine.read(pointer_at, 4) & 0x1FFF_FFFF
    data = machine.system.read_backing("ram", address, 4096)
    return data[: data.index(0)].decode()


@pytest.mark.parametrize("big_endian", [False, True])
def test_kernel_with_arguments_and_initrd(big_endian: bool) -> None:
    data = elf(0x8010_0000, code(big_endian), big_endian=big_endian, extra_memory=64)
    images = (Image("kernel", "vmlinux", data), Image("initrd", "rd.gz", b"RAMDISK!"))
    machine = BenchMachine(spec(*images, big_endian=big_endian, append="console=ttyS0"))
    reset = machine.board.reset_state
    assert (reset.pc, reset.status) == (0xBFC0_0000, 0x0040_0000)
    assert machine.read(0x10_0000, 4) == 0x3C08_B800
    assert c_string(machine, 0x2004) == "rd_start=0xffffffff83fe0000 rd_size=8 console=ttyS0"
    pairs = {c_string(machine, 0x2008 + 8 * n): c_string(machine, 0x200C + 8 * n) for n in range(4)}
    assert pairs["memsize"] == pairs["ememsize"] == str(64 * MIB)
    assert pairs["modetty0"] == "38400n8r"
    assert machine.read(0x2008 + 8 * 4, 4) == 0
    assert machine.system.read_backing("ram", 0x3FE_0000, 8) == b"RAMDISK!"


def test_reset_loads_the_kernel_again() -> None:
    machine = BenchMachine(spec(Image("kernel", "vmlinux", elf(0x8010_0000, code(False), extra_memory=4))))
    machine.write(0x10_0000, 4, 0xDEAD_BEEF)
    machine.write(0x10_0040, 4, 0xDEAD_BEEF)  # beyond the file's bytes: the zeros of .bss
    machine.reset()
    assert machine.read(0x10_0000, 4) == 0x3C08_B800
    assert machine.read(0x10_0040, 4) == 0


def test_memory_above_the_hole() -> None:
    machine = BenchMachine(spec(bios(code(False)), ram=768 * MIB))
    machine.write(0x2000_0000, 4, 0x1234_5678)
    assert machine.read(0x8000_0000 + 512 * MIB, 4) == 0x1234_5678
    machine.write(0x0FFF_FFFC, 4, 0x9ABC_DEF0)
    assert machine.read(0x8FFF_FFFC, 4) == 0x9ABC_DEF0


def test_the_most_memory_runs() -> None:
    machine = Machine(spec(bios(code(False)), ram=2048 * MIB))
    machine.run(RunRequest(until=100))
    assert machine.icount == 100


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (spec(bios(b"")), "is empty"),
        (spec(bios(b"hello, world\n" * 50)), "does not look like MIPS code"),
        (spec(bios(code(False) * 100000)), "4194304: give a smaller one"),
        (spec(bios(code(False)), big_endian=True), "little-endian code"),
        (spec(bios(elf(big_endian=True))), "is big-endian"),
        (spec(bios(code(False)), ram=4096 * MIB), "at most 2048 MiB"),
        (spec(bios(code(False)), ram=1000), "4 KiB pages"),
        (spec(bios(code(False)), Image("pflash", "f", code(False))), "give one of them"),
        (spec(Image("initrd", "rd", b"x")), "-initrd needs -kernel"),
        (spec(Image("kernel", "k", b"MZ")), "not an ELF file"),
        (spec(Image("kernel", "k", elf(0x8F00_0000))), "has no memory"),
        (spec(Image("kernel", "k", elf(0x8010_0000, extra_memory=80 * MIB))), "does not fit"),
        (spec(Image("kernel", "k", elf(0x0010_0000))), "outside kseg0"),
        (spec(Image("kernel", "k", elf(0x8000_2000))), "overlaps the boot arguments"),
        (spec(Image("kernel", "k", elf()), append="x" * 5000), "at most 4095"),
        (spec(Image("kernel", "k", elf()), Image("initrd", "rd", bytes(63 * MIB))), "does not fit above the kernel"),
        (spec(bios(code(False)), board="pc"), "unknown machine 'pc'"),
    ],
)
def test_what_does_not_fit(bad: MachineSpec, words: str) -> None:
    with pytest.raises(RdbgError, match=words) as info:
        build_board(bad, BenchSystem())
    assert "\n" not in str(info.value)


def test_a_board_without_an_image_waits_for_a_program() -> None:
    assert build_board(spec(), BenchSystem()).reset_state.pc == 0xBFC0_0000


def test_power_off_and_resets() -> None:
    machine = BenchMachine(spec(bios(code(False))))
    for register, value in ((0x40, 0x2001), (0x80, 1)):
        machine.write(0x1400_0CF8, 4, 0x8000_0000 | 83 << 8 | register)
        machine.write(0x1400_0CFC, 4, value)
    machine.write(0x1000_2004, 2, 0x2000)
    assert machine.system.shutdowns == [0]
    machine.write(0x1F00_0500, 4, 0x41)
    assert machine.system.resets == 0
    machine.write(0x1F00_0500, 4, 0x42)
    machine.write(0x1000_0CF9, 1, 4)
    machine.write(0x1000_0064, 1, 0xFE)
    assert machine.system.resets == 3


def test_serial_ports_and_their_interrupts() -> None:
    machine = BenchMachine(spec(bios(code(False))))
    machine.write(0x1F00_0900, 4, ord("C"))
    machine.write(0x1000_02F8, 1, ord("B"))
    machine.write(0x1000_03F8, 1, ord("A"))
    assert machine.system.sent == [(serial_port(2), b"C"), (serial_port(1), b"B"), (serial_port(0), b"A")]
    machine.write(0x1F00_0908, 4, 1)  # receive interrupt
    machine.board.endpoints[serial_port(2)].receive(b"x")
    assert machine.system.cpu_lines == [False, False, True, False, False, False]
    assert machine.read(0x1F00_0900, 4) == ord("x")
    assert not any(machine.system.cpu_lines)
    machine.write(0x1000_0021, 1, 0xEF)  # only interrupt 4
    machine.write(0x1000_03F9, 1, 1)
    machine.board.endpoints[serial_port(0)].receive(b"y")
    assert machine.system.cpu_lines[0]
    assert machine.read(0x1400_0C34, 4) & 7 == 4


def test_a_debugger_may_look_where_nothing_is() -> None:
    # GDB's search for the start of a function reads before the reset vector.
    bus = BenchMachine(spec(bios(code(False)))).bus
    assert bus.ignored_page(0x1FBF_FFFC)
    assert not any(map(bus.ignored_page, (0, 0x1F00_0000, 0x1400_0000, 0x1FC0_0000, 0x4000_0000)))


def test_state_goes_round() -> None:
    machine = BenchMachine(spec(bios(code(False))))
    machine.write(0x1400_0068, 4, 0xDF)
    machine.write(0x1E00_0000, 4, 0x9090_9090)
    machine.write(0x1000_03FC, 1, 0x10)
    machine.write(0x1000_03F8, 1, 0x55)
    machine.write(0x1000_0043, 1, 0x34)
    machine.system.advance(123_456_789)
    states = [device.save() for device in machine.board.devices]
    other = BenchMachine(spec(bios(code(False))))
    for device, state in zip(other.board.devices, states, strict=True):
        device.load(state)
    assert [device.save() for device in other.board.devices] == states
    assert other.read(0x1BE0_0068, 4) == 0xDF
    assert not other.bus.classify(0x1E00_0000).readable
    assert len({device.name for device in machine.board.devices}) == len(machine.board.devices)


def test_state_of_another_version_is_refused() -> None:
    machine = BenchMachine(spec(bios(code(False))))
    for device in machine.board.devices:
        if device.save():
            with pytest.raises(RdbgError, match=device.name if device.name != "fpga" else "EEPROM|fpga"):
                device.load({})
