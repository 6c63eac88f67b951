"""A machine that a TOML file describes (docs/boards.md): for people with their own system on chip.

Addresses that nothing claims are bus errors, with a line in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from rdbg.elf.elf_file import is_elf
from rdbg.emu.board import Board, ResetState
from rdbg.emu.boards.bare_toml import BareSpec, MemorySpec, check_overlaps, parse_bare, uart_size
from rdbg.emu.boards.bus_toml import missing_class
from rdbg.emu.boards.python_toml import PythonSpec, python_role
from rdbg.emu.boards.toml_table import DeviceLine, Irq
from rdbg.emu.device import Device, State, System
from rdbg.emu.devices.bare_timer import SIZE as TIMER_SIZE
from rdbg.emu.devices.bare_timer import BareTimer
from rdbg.emu.devices.byte_bus import SIZE as BUS_SIZE
from rdbg.emu.devices.byte_bus import I2cController, SpiController
from rdbg.emu.devices.dma_controller import SIZE as DMA_SIZE
from rdbg.emu.devices.dma_controller import DmaController
from rdbg.emu.devices.exit_register import SIZE as EXIT_SIZE
from rdbg.emu.devices.exit_register import ExitRegister
from rdbg.emu.devices.explored_registers import ExploredRegisters
from rdbg.emu.devices.fields import Number, load_fields, save_fields
from rdbg.emu.devices.gpio import SIZE as GPIO_SIZE
from rdbg.emu.devices.gpio import Gpio
from rdbg.emu.devices.pflash import ParallelFlash
from rdbg.emu.devices.stub_registers import StubRegisters
from rdbg.emu.devices.uart16550 import Uart16550
from rdbg.emu.disk import Disk
from rdbg.emu.endpoint import Endpoint, serial_port
from rdbg.emu.loaders.elf import ElfImage, parse_elf
from rdbg.emu.loaders.loader_device import load_by_devices
from rdbg.emu.loaders.placement import ImageLoader, ImagePiece, place
from rdbg.emu.memory_map import Backing, Endian, IoRegion, MemoryMap, MemoryRegion
from rdbg.emu.peripherals.bus_chips import I2cChip, SpiChip
from rdbg.emu.peripherals.guarded_source import LoadedSource
from rdbg.emu.peripherals.python_device import PythonDevice
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError, UsageError

DEFAULT_RESET_PC = 0xBFC0_0000
UART_OVERSAMPLING = 16


def build_bare(spec: MachineSpec, system: System, disks: Mapping[str, Disk]) -> Board:
    """Build the machine that the ``board`` image describes.

    Args:
        spec: images ``board`` (TOML), and ``kernel`` (ELF) or ``bios`` / ``pflash`` (raw or ELF).
        system: the machine around the devices.
        disks: must be empty.

    Raises:
        RdbgError: a mistake in the board file, or an image is unfit.
    """
    if disks:
        raise UsageError(f"machine bare has nothing to plug drive {next(iter(disks))!r} into: use -M malta, or drop it")
    text = spec.image("board")
    if text is None:
        raise UsageError("machine bare needs a board file: give -M bare,file=FILE.toml (format in docs/boards.md)")
    bare = parse_bare(text)
    if bare.big_endian != spec.big_endian:
        names = ("little-endian", "big-endian")
        raise RdbgError(
            f"board file {text.path!r} says {names[bare.big_endian]}, the machine is {names[spec.big_endian]}: "
            "change one of them"
        )
    irq = _SharedLines(system)

    def is_big(endian: Endian) -> bool:
        """The byte order of a part's registers."""
        return bare.big_endian if endian is Endian.NATIVE else endian is Endian.BIG

    flashes = {
        memory.name: ParallelFlash(memory.name, system, memory.name, memory.size, memory.block, bare.big_endian)
        for memory in bare.memory
        if memory.kind == "flash"
    }
    memory = tuple(MemoryRegion(item.base, item.size, item.name, device=flashes.get(item.name)) for item in bare.memory)
    io: list[IoRegion] = []
    endpoints: dict[Endpoint, Device | Disk] = {}
    devices: list[Device] = list(flashes.values())
    for uart in bare.uarts:
        clock = max(uart.clock_hz // UART_OVERSAMPLING, 1)
        device = Uart16550(uart.name, system, uart.port, irq.input(uart.irq), clock, uart.register_shift)
        io.append(IoRegion(uart.base, uart_size(uart), device, endian=uart.endian))
        endpoints[serial_port(uart.port)] = device
        devices.append(device)
    for item in bare.timers:
        timer = BareTimer(item.name, system, irq.input(item.irq), item.frequency_hz, is_big(item.endian))
        io.append(IoRegion(item.base, TIMER_SIZE, timer, endian=item.endian))
        devices.append(timer)
    if bare.exit is not None:
        register = ExitRegister(bare.exit.name, system)
        io.append(IoRegion(bare.exit.base, EXIT_SIZE, register, endian=bare.exit.endian))
        devices.append(register)
    for block in bare.registers:
        stub = StubRegisters(block, system, irq.input(block.irq), is_big(block.endian))
        io.append(IoRegion(block.base, block.size, stub, endian=block.endian))
        devices.append(stub)
    for pins in bare.gpios:
        lines = irq.input(pins.irq)
        gpio = Gpio(pins.name, system, pins.port, lines, pins.pins, pins.high, is_big(pins.endian))
        io.append(IoRegion(pins.base, GPIO_SIZE, gpio, endian=pins.endian))
        endpoints[gpio.endpoint] = gpio
        devices.append(gpio)
    peripherals: list[PythonSpec] = []
    for each in bare.python:
        made = _python_device(each, spec, system, irq, is_big(each.endian))
        peripherals.append(replace(each, size=each.size or made.size))
        io.append(IoRegion(each.base, each.size or made.size, made, endian=each.endian))
        irq.controllers[made.name] = made
        if made.endpoint is not None:
            endpoints[made.endpoint] = made
        devices.append(made)
    for bus in bare.buses:
        wanted = SpiChip if bus.kind == "spi" else I2cChip
        on_it: dict[int, PythonDevice] = {}
        for at, chip in bus.chips:
            on_it[at] = made = _python_device(chip, spec, system, irq, bare.big_endian)
            if not isinstance(made.peripheral, wanted):
                raise missing_class(bus.kind, chip.name, wanted.__name__)
            devices.append(made)
        kind = SpiController if bus.kind == "spi" else I2cController
        controller = kind(bus.name, system, irq.input(bus.irq), bus.frequency_hz, on_it, is_big(bus.endian))
        io.append(IoRegion(bus.base, BUS_SIZE, controller, endian=bus.endian))
        devices.append(controller)
    for each_dma in bare.dmas:
        lines = irq.input(each_dma.irq)
        copier = DmaController(each_dma.name, system, lines, each_dma.bytes_per_us, is_big(each_dma.endian))
        io.append(IoRegion(each_dma.base, DMA_SIZE, copier, endian=each_dma.endian))
        devices.append(copier)
    for number, (base, size) in enumerate(bare.explored):  # what nothing before them claims
        explored = ExploredRegisters(f"explored{number}", system, base, bare.big_endian)
        io.append(IoRegion(base, size, explored))
        devices.append(explored)
    check_overlaps(replace(bare, python=tuple(peripherals)), text.path)
    contents, pieces, entry = _boot(spec, bare, memory)
    loaded = load_by_devices(spec, memory, pieces)
    entry = entry if loaded.pc is None else loaded.pc
    backings = tuple(
        Backing(item.name, item.size, item.kind == "ram", bytes(contents.get(item.name, b"")), item.fill)
        for item in bare.memory
    )
    reset_pc = bare.reset_pc if bare.reset_pc is not None else DEFAULT_RESET_PC
    return Board(
        name=bare.name,
        memory_map=MemoryMap(backings, memory, tuple(io), bare.ignored),
        devices=(ImageLoader("loader", system, loaded.pieces), irq, *devices),
        endpoints=endpoints,
        reset_state=ResetState(reset_pc if entry is None else entry),
        cpu_clock_hz=bare.cpu_clock_hz,
        cpu_irq_timer=bare.cpu_irq_timer,
    )


def _python_device(
    item: PythonSpec, spec: MachineSpec, system: System, irq: _SharedLines, big_endian: bool
) -> PythonDevice:
    image = spec.image(python_role(item.file))
    if image is None:
        raise RdbgError(f"the source {item.file!r} of device {item.name!r} is missing: it stands beside the board file")
    return PythonDevice(
        item.name,
        system,
        LoadedSource(image.path, image.data),
        item.class_name,
        item.base,
        tuple(irq.input(line) for line in item.irqs),
        None if item.port is None else serial_port(item.port),
        item.parameters,
        item.seed,
        big_endian,
    )


class _SharedLines(Device):
    """Interrupt lines that several devices may share: a line is high while any of them drives it."""

    def __init__(self, system: System) -> None:
        super().__init__("irq")
        self._system = system
        self._drivers: list[Irq] = []  # where each input leads
        self.controllers: dict[str, PythonDevice] = {}  #: devices that others may interrupt
        self.levels = 0  # bit per input

    def input(self, line: Irq | None) -> Callable[[bool], None]:
        """A new input on a line; None: not connected."""
        if line is None:
            return lambda level: None
        index = len(self._drivers)
        self._drivers.append(line)
        return lambda level: self._set(index, level)

    def _set(self, index: int, level: bool) -> None:
        bit = 1 << index
        line = self._drivers[index]
        was_high = self._is_high(line)
        self.levels = self.levels | bit if level else self.levels & ~bit
        high = self._is_high(line)
        if not isinstance(line, DeviceLine):
            self._system.set_cpu_irq(line, high)
        elif high != was_high:
            self.controllers[line.device].interrupt_input(line.line, high)

    def _is_high(self, line: Irq) -> bool:
        return any(self.levels >> other & 1 for other, driven in enumerate(self._drivers) if driven == line)

    def read(self, offset: int, size: int) -> int:
        """Not on the bus."""
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        """Not on the bus."""

    def reset(self) -> None:
        """The devices lower their lines themselves."""

    def save(self) -> State:
        """Who drives."""
        return save_fields(self, ("levels",))

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, {"levels": Number(0, (1 << len(self._drivers)) - 1)}, state)


def _boot(
    spec: MachineSpec, bare: BareSpec, memory: tuple[MemoryRegion, ...]
) -> tuple[dict[str, bytearray], tuple[ImagePiece, ...], int | None]:
    """Contents of ROM and flash, what is loaded into RAM, and the entry point (None: the reset address)."""
    if spec.image("initrd") is not None:
        raise UsageError("-initrd works on machine malta only: on bare, link it into the kernel")
    contents: dict[str, bytearray] = {}
    pieces: list[ImagePiece] = []
    entry: int | None = None
    for item in bare.memory:
        image = spec.image(item.image) if item.image else None
        if image is not None and not is_elf(image.data):
            contents[item.name] = bytearray(_raw(image, item))
    for role in ("bios", "pflash", "kernel"):
        image = spec.image(role)
        if image is None:
            continue
        if not image.data:
            raise RdbgError(f"{role} image {image.path!r} is empty: give a firmware file")
        if role == "kernel" or is_elf(image.data):
            elf = parse_elf(image, bare.big_endian)
            entry = elf.entry
            _place_elf(elf, image, bare, memory, contents, pieces)
        elif not any(item.image == role for item in bare.memory):
            raise RdbgError(
                f"{role} image {image.path!r} has no place: give a [[rom]], [[flash]] or [[ram]] of the board file "
                f'the key image = "{role}"'
            )
    return contents, tuple(pieces), entry


def _raw(image: Image, item: MemorySpec) -> bytes:
    if len(image.data) > item.size:
        raise RdbgError(
            f"{image.role} image {image.path!r} has {len(image.data)} bytes, {item.kind} {item.name!r} has "
            f"{item.size}: give a smaller one"
        )
    return image.data


def _place_elf(
    elf: ElfImage,
    image: Image,
    bare: BareSpec,
    memory: tuple[MemoryRegion, ...],
    contents: dict[str, bytearray],
    pieces: list[ImagePiece],
) -> None:
    """Segments in RAM are loaded at each reset; those in ROM or flash are there from the start."""
    kinds = {item.name: item for item in bare.memory}
    for segment in elf.segments:
        what = f"{image.role} image {image.path!r}"
        piece = place(memory, segment.paddr, segment.data, what, segment.size)
        item = kinds[piece.backing]
        if item.kind == "ram":
            pieces.append(piece)
            continue
        content, end = contents.setdefault(piece.backing, bytearray()), piece.offset + len(segment.data)
        content.extend(bytes((item.fill,)) * (end - len(content)))
        content[piece.offset : end] = segment.data
