"""What devices see of the machine: virtual time, timers, interrupt lines, storage, the way out."""

from __future__ import annotations

import logging
from collections.abc import Callable

from rdbg.emu import core as cpu
from rdbg.emu.bus import Bus
from rdbg.emu.device import Device
from rdbg.emu.dma import DirectMemoryAccess
from rdbg.emu.dma_name import Detail, DmaName, dma_name
from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.emu.machine_api import OutputSink, PacketWatcher, Writer
from rdbg.emu.memory_writes import NAMES, MemoryWrites
from rdbg.emu.power import MachinePower
from rdbg.emu.virtual_timers import VirtualTimer, VirtualTimers

log = logging.getLogger("rdbg.guest")


class MachineSystem:
    """The `System` that a machine gives to its devices. They are built before there is a CPU: until `power_on` time
    is 0 and interrupt lines go nowhere.

    Args:
        shift: an instruction takes 2 to the power of it nanoseconds of virtual time.
    """

    core: cpu.Core
    bus: Bus
    dma: DirectMemoryAccess
    writes: MemoryWrites
    power: MachinePower
    _memory: cpu.CoreMemory

    def __init__(self, shift: int) -> None:
        self._shift = shift
        self.timers = VirtualTimers(self._ask_for_events)
        self._powered = False
        self._sink: OutputSink | None = None
        self._packets: PacketWatcher | None = None
        self.packet_number = 0  #: running number of the packet that entered last
        self.dma_read_plain: Callable[[int, int], bytes | None] = _nothing_plain  #: see `System`
        self.looking = False  #: a debugger reads a device's registers: nothing leaves, and nothing is changed
        self._measuring = False  # somebody asks a device how much it could take: it only looks at memory
        self.loading = False  #: devices take states back: what they show is compared as a whole in the end

    def power_on(self, core: cpu.Core, bus: Bus, writes: MemoryWrites, power: MachinePower, big_endian: bool) -> None:
        """There is a machine around the devices.

        Args:
            core: its CPU.
            bus: where they stand.
            writes: how they write to memory.
            power: resets them.
            big_endian: byte order of the guest.
        """
        self.core, self.bus, self.writes, self.power = core, bus, writes, power
        self._memory = core.memory
        self.dma_read_plain = core.memory.dma_read
        self.dma = DirectMemoryAccess(bus, big_endian, writes.read, writes.stored, self._write_by_dma)
        self._powered = True

    # --- time ------------------------------------------------------------------------------------
    @property
    def now_ns(self) -> int:
        """Virtual time in nanoseconds: of the access that a device answers, or of the event that happens."""
        return (self.core.clock_icount << self._shift) + self.core.bias_ns if self._powered else 0

    @property
    def virtual_ns(self) -> int:
        """Virtual time in nanoseconds at the position, where no device answers an access."""
        return (self.core.icount << self._shift) + self.core.bias_ns

    @property
    def pc(self) -> int:
        """Virtual address of the instruction whose access a device answers, or that is next."""
        return self.core.place[1] if self._powered else 0

    @property
    def last_position(self) -> int:
        """The last position that the machine can stand at before what a device does now."""
        if not self._powered:
            return 0
        between = self.writes.between and self.core.icount > 0
        return self.core.icount - 1 if between else self.core.device_icount

    def timer(self, name: str, function: Callable[[], None]) -> VirtualTimer:
        """Make a virtual timer."""
        return self.timers.make(name, function)

    def work_timer(self, name: str, function: Callable[[], None], work: str) -> VirtualTimer:
        """Make one for the end of a piece of the device's own work."""
        return self.timers.make(name, function, work)

    def delay(self, number: int, duration_ns: int) -> None:
        """Let the work of a timer take longer; nothing, if it has none to do."""
        self.timers.delay(number, duration_ns, self.now_ns)

    def _ask_for_events(self) -> None:
        """Something changed that may come next: look again before the next instruction."""
        if self._powered:
            self.core.ask_for_events()

    # --- lines, and the way in and out -----------------------------------------------------------
    def set_cpu_irq(self, line: int, level: bool) -> None:
        """Drive hardware interrupt ``line`` (0 to 5) of the CPU."""
        if self._powered:
            old = self.core.lines
            lines = old | 1 << line if level else old & ~(1 << line)
            if lines != old:
                self.core.set_lines(lines)

    def set_output(self, sink: OutputSink) -> None:
        """Where goes what leaves by the endpoints."""
        self._sink = sink

    def watch_packets(self, watcher: PacketWatcher) -> None:
        """Have somebody see every packet that a card receives or sends, each time that the machine passes it."""
        self._packets = watcher

    def output(self, endpoint: Endpoint, data: bytes) -> None:
        """Send bytes, or a packet, out of an endpoint."""
        if self.looking:
            return
        if self._packets is not None and endpoint.kind is EndpointKind.NETWORK:
            self._packets(self.core.device_icount, self.now_ns, endpoint.port, data, False)
        if self._sink is not None:
            self._sink(self.core.device_icount, endpoint, data)

    def packet_enters(self, card: int, data: bytes) -> None:
        """A packet enters by a card that is there."""
        if self._packets is not None:
            self._packets(self.core.icount, self.virtual_ns, card, data, True)

    def measured(self, receive_room: Callable[[], int]) -> int:
        """What a device says of its room. A live run asks for it, and a replay does not: what the device reads for its
        answer has no effect on other devices, and is no access that a watch would see."""
        self._measuring = True
        try:
            return receive_room()
        finally:
            self._measuring = False

    def room_grown(self) -> None:
        """An endpoint can take more input: ask for it soon."""
        self._ask_for_events()

    # --- the whole machine -----------------------------------------------------------------------
    def request_reset(self) -> None:
        """Reset the whole machine before the next instruction, or end the run there."""
        if not self.looking:
            self.power.request_reset()

    def request_shutdown(self, exit_code: int) -> None:
        """Power the machine off before the next instruction. Of several codes the first counts."""
        if not self.looking:
            self.power.request_shutdown(exit_code)

    def mapping_changed(self) -> None:
        """What the address space shows has changed."""
        if self._powered and not self.loading:  # most often nothing has moved when states are taken back
            self.bus.mapping_changed()
            self.core.forget_mappings()

    # --- storage ---------------------------------------------------------------------------------
    def read_backing(self, name: str, offset: int, size: int) -> bytes:
        """Bytes of a backing."""
        return self.writes.stored(self.bus.first_byte(name) + offset, size)

    def write_backing(self, name: str, offset: int, data: bytes) -> None:
        """Change bytes of a backing."""
        writer = Writer.RESET if self.power.resetting else Writer.DEVICE
        self.writes.write(self.bus.first_byte(name) + offset, data, writer, NAMES.get(writer, f"device {name}"))

    def dma_read(self, address: int, size: int, source: Device | str = "a device's", *, detail: Detail = "") -> bytes:
        """Bytes from a guest-physical address on, as the bus resolves it; see `DirectMemoryAccess.read`."""
        data = self._memory.dma_read(address, size)
        if data is not None:
            return data
        if self._measuring:
            return self.dma.look(address, size)
        return self.dma.read(address, size, dma_name(source, detail))

    def dma_direct(self, address: int, size: int, write: bool) -> int:
        """How many of ``size`` bytes from a guest-physical address on lie in memory without a gap."""
        return self.dma.direct(address, size, write)

    def dma_write(self, address: int, data: bytes, source: Device | str, *, detail: Detail = "") -> None:
        """Write bytes to a guest-physical address on; see `DirectMemoryAccess.write`."""
        if not self.dma_write_plain(address, data):
            self.dma.write(address, data, dma_name(source, detail))

    def dma_write_plain(self, address: int, data: bytes) -> bool:
        """Write bytes to a guest-physical address on, if they are plain memory and nobody has to be told."""
        told = self.looking or self.writes.noted is not None  # what is written has to be known here
        return not told and self._memory.dma_write(address, data)

    def dma_table(self, address: int, most: int, last: int) -> bytes | None:
        """Entries of a table, if they are plain memory and nobody has to be told."""
        return self._memory.dma_table(address, most, last)

    def dma_write_pieces(self, pieces: list[tuple[int, int]], data: bytes) -> bool:
        """Write to several places, if they are plain memory and nobody has to be told."""
        told = self.looking or self.writes.noted is not None
        return not told and self._memory.dma_write_pieces(pieces, data)

    def _write_by_dma(self, first: int, data: bytes, by: DmaName) -> None:
        if not self.looking:
            self.writes.write(first, data, Writer.DEVICE, by)

    # --- what is said ----------------------------------------------------------------------------
    def log(self, message: str) -> None:
        """One line about something the guest did that is not modelled or not allowed."""
        log.info("%s: %s", self.place() if self._powered else "power-on", message)

    def place(self) -> str:
        """Where the guest is, in words: at an instruction, or, while it runs, in a block of them."""
        icount, pc, exact = self.core.place
        return f"icount {icount}, pc {pc:#010x}" if exact else f"in the block at icount {icount}, pc {pc:#010x}"


def _nothing_plain(address: int, size: int) -> bytes | None:
    """What is plain memory before there is a machine."""
    return None
