"""MIPS Malta with a CoreLV card, as QEMU's ``-M malta`` is wired: same memory map, same interrupt lines.

i8259 pair: CPU hardware interrupt 0; CBUS UART: 2; Count/Compare: 5. Serial ports 0 and 1 are the ISA UARTs, 2 is the
CBUS UART. No display.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from rdbg.emu.board import Board, ResetState
from rdbg.emu.boards.card import CardHost
from rdbg.emu.boards.firmware import firmware_contents
from rdbg.emu.boards.plugged import plug_in
from rdbg.emu.device import System
from rdbg.emu.devices.gt64120 import Gt64120, gt64120_function
from rdbg.emu.devices.isa import IsaBus
from rdbg.emu.devices.malta_fpga import AFTER_UART, SIZE, UART_OFFSET, UART_SIZE, MaltaFpga
from rdbg.emu.devices.pci_bus import LINES, PciBus
from rdbg.emu.devices.pflash import ParallelFlash
from rdbg.emu.devices.piix4 import Piix4
from rdbg.emu.devices.spd import EEPROM_SIZE, serial_contents, spd_contents
from rdbg.emu.devices.uart16550 import Uart16550
from rdbg.emu.disk import Disk
from rdbg.emu.endpoint import serial_port
from rdbg.emu.loaders.elf import KSEG0, KSEG2, parse_elf
from rdbg.emu.loaders.loader_device import load_by_devices
from rdbg.emu.loaders.placement import ImageLoader, ImagePiece, place
from rdbg.emu.loaders.yamon import ARGUMENTS_PADDR, arguments_block, boot_rom
from rdbg.emu.memory_map import PAGE_SIZE, Backing, IoRegion, MemoryMap, MemoryRegion
from rdbg.emu.semihosting import CALLS_INSTEAD_OF_ARGUMENTS
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError, UsageError

MIB = 1 << 20
FLASH_BASE, FLASH_SIZE, FLASH_BLOCK = 0x1E00_0000, 4 * MIB, 64 * 1024
FPGA_BASE = 0x1F00_0000
ROM_BASE = 0x1FC0_0000
RESET_PC = 0xBFC0_0000
LOW_RAM_MAX, HIGH_ALIAS, AFTER_HOLE = 256 * MIB, 0x8000_0000, 512 * MIB
RAM_MAX = 2048 * MIB
DECODED = 0x2000_0000  #: the north bridge answers everything below with zeros
REVISION_OFFSET, REVISION = 0x10, 0x420  #: read in the boot ROM: Malta with CoreLV

FIRST_SLOT = 18  #: of the PCI bus: slots 1 to 4 of the board, and, where there are more cards, what no board has
BOARD_SLOTS = 4
ON_BOARD_LINES = {10: 3, 11: 1, 12: 2}  #: south bridge (USB), Ethernet, sound

IRQ_I8259, IRQ_CBUS_UART = 0, 2
IRQ_UART0, IRQ_UART1 = 4, 3
CBUS_UART_CLOCK = 230_400

STATUS_BEV = 0x0040_0000
COMMAND_LINE_MAX = 4095
INITRD_GAP = 128 * 1024  #: room for the kernel's page bitmap above the initial RAM disk
INITRD_ALIGN = 64 * 1024


def build_malta(spec: MachineSpec, system: System, disks: Mapping[str, Disk]) -> Board:
    """Build the board.

    Args:
        spec: byte order, RAM, images (``kernel`` with ``initrd`` and ``append``, or ``bios``, or ``pflash``).
        system: the machine around the devices.
        disks: what is in each of ``spec.drives``, by the drive's name.

    Raises:
        RdbgError: an image is missing or unfit, or the RAM size is.
    """
    _check_ram(spec.ram_bytes)
    big = spec.big_endian
    pci = PciBus(system, interrupt_line, FIRST_SLOT)
    isa = IsaBus("isa", pci)
    serial = serial_contents()
    empty = bytes(EEPROM_SIZE)
    eeproms = (spd_contents(spec.ram_bytes), empty, empty, empty, empty, empty, serial, empty)
    south = Piix4(
        system, isa, pci, lambda level: system.set_cpu_irq(IRQ_I8259, level), spec.rtc_base, eeproms,
        {drive.index: disks[drive.name] for drive in spec.drives if drive.bus == "ide"},
    )  # fmt: skip
    line = south.interrupts.line
    uarts = (
        Uart16550("uart0", system, 0, line(IRQ_UART0)),
        Uart16550("uart1", system, 1, line(IRQ_UART1)),
        Uart16550(
            "uart2", system, 2, lambda level: system.set_cpu_irq(IRQ_CBUS_UART, level), CBUS_UART_CLOCK, 3
        ),
    )  # fmt: skip
    isa.attach(0x3F8, 8, uarts[0])
    isa.attach(0x2F8, 8, uarts[1])
    host_function = gt64120_function()
    pci.attach(0, 0, host_function)
    north = Gt64120("gt64120", system, pci, isa, south.interrupts.acknowledge, big)
    cards = plug_in(spec.plugged, pci, CardHost(system, disks, big))
    flash = ParallelFlash("flash", system, "flash", FLASH_SIZE, FLASH_BLOCK, big)
    fpga = MaltaFpga("fpga", system, big, spd_contents(spec.ram_bytes))

    memory = _memory_windows(spec.ram_bytes, flash)
    contents, started, reset = _boot(spec, memory)
    loaded = load_by_devices(spec, memory, started)
    if loaded.pc is not None:
        reset = ResetState(loaded.pc)
    rom = bytearray(contents.ljust(REVISION_OFFSET + 4, b"\0"))
    rom[REVISION_OFFSET : REVISION_OFFSET + 4] = REVISION.to_bytes(4, "big" if big else "little")
    memory_map = MemoryMap(
        backings=(
            Backing("ram", spec.ram_bytes, writable=True),
            Backing("flash", FLASH_SIZE, writable=False, initial=contents),
            Backing("rom", FLASH_SIZE, writable=False, initial=bytes(rom)),
        ),
        memory=memory,
        io=(
            IoRegion(FPGA_BASE, UART_OFFSET, fpga),
            IoRegion(FPGA_BASE + UART_OFFSET, UART_SIZE, uarts[2]),
            IoRegion(FPGA_BASE + AFTER_UART, SIZE - AFTER_UART, fpga, offset=AFTER_UART),
        ),
        ignored=((0, DECODED),),
        moving=north.windows,
    )
    loader = ImageLoader("loader", system, loaded.pieces)
    return Board(
        name="malta",
        memory_map=memory_map,
        devices=(
            loader,
            isa,
            *south.devices,
            *uarts,
            host_function,
            *(device for card in cards for device in (*card.devices, card.function)),
            north,
            flash,
            fpga,
        ),  # fmt: skip
        endpoints={
            **{serial_port(port): uart for port, uart in enumerate(uarts)},
            **{disk.endpoint: disk for disk in disks.values()},
            **{endpoint: device for card in cards for endpoint, device in card.endpoints.items()},
        },
        reset_state=reset,
        pci=pci.functions,
    )


def interrupt_line(slot: int, pin: int) -> int:
    """The PCI interrupt line (0 to 3) that an interrupt pin (from 0) of a slot is wired to."""
    if slot in ON_BOARD_LINES:
        return ON_BOARD_LINES[slot]
    if FIRST_SLOT <= slot < FIRST_SLOT + BOARD_SLOTS:
        return (slot - FIRST_SLOT + pin) % LINES
    return pin


def _check_ram(size: int) -> None:
    if size > RAM_MAX:
        raise UsageError(f"malta takes at most {RAM_MAX // MIB} MiB of RAM, not {size / MIB:g} MiB: give -m less")
    if size < MIB or size % PAGE_SIZE:
        raise UsageError(f"malta takes whole 4 KiB pages of RAM, 1 MiB or more, not {size} bytes: change -m")


def _memory_windows(ram: int, flash: ParallelFlash) -> tuple[MemoryRegion, ...]:
    """RAM below the I/O hole, after it, and whole at 2 GiB; flash; its copy at the reset vector."""
    windows = [MemoryRegion(0, min(ram, LOW_RAM_MAX), "ram")]
    if ram > AFTER_HOLE:
        windows.append(MemoryRegion(AFTER_HOLE, ram - AFTER_HOLE, "ram", offset=AFTER_HOLE))
    windows.append(MemoryRegion(HIGH_ALIAS, ram, "ram"))
    windows.append(MemoryRegion(FLASH_BASE, FLASH_SIZE, "flash", device=flash))
    windows.append(MemoryRegion(ROM_BASE, FLASH_SIZE, "rom"))
    return tuple(windows)


def _boot(spec: MachineSpec, memory: tuple[MemoryRegion, ...]) -> tuple[bytes, tuple[ImagePiece, ...], ResetState]:
    """Flash contents, what is loaded into RAM, and where the CPU starts."""
    kernel, bios, pflash = spec.image("kernel"), spec.image("bios"), spec.image("pflash")
    if kernel is None:
        if spec.image("initrd") is not None:
            raise UsageError("-initrd needs -kernel: firmware does not look for it")
        if bios is not None and pflash is not None:
            raise UsageError("-bios and -pflash both fill the boot flash: give one of them")
        firmware = bios or pflash
        if firmware is None:
            return b"", (), ResetState(RESET_PC)  # a debugger brings the program
        contents, pieces, entry = firmware_contents(firmware, spec.big_endian, memory, FLASH_SIZE, FLASH_BASE, ROM_BASE)
        return contents, pieces, ResetState(RESET_PC if entry is None else entry)
    elf = parse_elf(kernel, spec.big_endian)
    if not KSEG0 <= elf.entry < KSEG2:
        raise RdbgError(
            f"kernel image {kernel.path!r} starts at {elf.entry:#x}, outside kseg0 and kseg1: "
            "link it at 0x80000000 or up"
        )
    what = f"kernel image {kernel.path!r}"
    pieces = tuple(place(memory, segment.paddr, segment.data, what, segment.size) for segment in elf.segments)
    low_ram = min(spec.ram_bytes, LOW_RAM_MAX)
    prefix = ""
    initrd = spec.image("initrd")
    if initrd is not None:
        piece, prefix = _initrd(initrd, elf.highest, low_ram)
        pieces += (piece,)
    block = _arguments(spec, kernel, prefix, low_ram)
    if elf.lowest < ARGUMENTS_PADDR + len(block) and elf.highest > ARGUMENTS_PADDR:
        raise RdbgError(f"{what} overlaps the boot arguments at physical {ARGUMENTS_PADDR:#x}: link it higher")
    pieces += (place(memory, ARGUMENTS_PADDR, block, "the boot arguments"),)
    # A guest that can ask the host for its arguments is told so, as by QEMU: a0 stays what it was at reset.
    count = 2 if spec.semihosting is None else CALLS_INSTEAD_OF_ARGUMENTS
    contents = boot_rom(elf.entry, low_ram, spec.big_endian, count)
    if pflash is not None:
        filled, _, _ = firmware_contents(pflash, spec.big_endian, memory, FLASH_SIZE, FLASH_BASE, ROM_BASE)
        contents += filled[len(contents) :]
    return contents, pieces, ResetState(RESET_PC, status=STATUS_BEV)


def _initrd(initrd: Image, kernel_end: int, low_ram: int) -> tuple[ImagePiece, str]:
    """The initial RAM disk near the top of low RAM, and what the command line says of it."""
    size = len(initrd.data)
    if not size:
        raise RdbgError(f"initrd image {initrd.path!r} is empty")
    offset = -(-(low_ram - size - INITRD_GAP) // INITRD_ALIGN) * INITRD_ALIGN
    if offset <= kernel_end:
        raise RdbgError(
            f"initrd image {initrd.path!r} ({size} bytes) does not fit above the kernel in {low_ram // MIB} MiB: "
            "give -m more"
        )
    address = KSEG0 + offset | 0xFFFF_FFFF_0000_0000  # sign-extended, as 64-bit kernels want it
    what = f"initrd image {initrd.path!r}"
    return ImagePiece("ram", offset, initrd.data, what), f"rd_start={address:#x} rd_size={size} "


def _arguments(spec: MachineSpec, kernel: Image, prefix: str, low_ram: int) -> bytes:
    command_line = prefix + spec.append
    if len(command_line) > COMMAND_LINE_MAX:
        raise UsageError(f"-append makes a command line of {len(command_line)} bytes, at most {COMMAND_LINE_MAX} fit")
    # A seed must come from the description alone: a replay elsewhere has to boot the same.
    seed = hashlib.sha256(kernel.data + command_line.encode("utf-8", "surrogateescape")).hexdigest()
    environment = (
        ("memsize", str(low_ram)),
        ("ememsize", str(spec.ram_bytes)),
        ("modetty0", "38400n8r"),
        ("rngseed", seed),
    )
    return arguments_block((kernel.path, command_line), environment, spec.big_endian)
