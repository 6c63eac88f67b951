"""A whole MIPS machine: board, CPU core, time, and the interface that upper rooms see."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rdbg.emu import core as cpu
from rdbg.emu.ahead import look_ahead
from rdbg.emu.board import Board
from rdbg.emu.boards import build_board
from rdbg.emu.branch_target import branch_target
from rdbg.emu.bus import Bus, BusError
from rdbg.emu.core_host import CoreHost
from rdbg.emu.counts import CountsTaken
from rdbg.emu.cpu_model import cpu_model
from rdbg.emu.device import Device, NetworkDevice, SerialDevice, State
from rdbg.emu.device_state import DeviceParts, copied, pack_devices, unpack_devices
from rdbg.emu.devices.gpio import Gpio
from rdbg.emu.disk import Disk, DiskSource, make_disks
from rdbg.emu.disk_overlay import DiskOverlay
from rdbg.emu.dma import DirectMemoryAccess
from rdbg.emu.dma_name import Detail, DmaName, dma_name
from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.emu.endpoint_input import enter_endpoint
from rdbg.emu.exception_return import by_interrupt, ends_handler, entries, return_address
from rdbg.emu.expression import Expression
from rdbg.emu.host_memory import guest_memory, populate, require_address_space
from rdbg.emu.inputs import InputEvent, InputKind, InputSource, NoInputs
from rdbg.emu.instruction_effects import Effects, effects_of
from rdbg.emu.loaders.placement import ImageLoader
from rdbg.emu.machine_api import (
    TRACE_ROW,
    Conditions,
    DeviceLoad,
    Extent,
    InstructionRows,
    MachineState,
    MarkedWords,
    MemoryArea,
    Numbers,
    OutputSink,
    PacketWatcher,
    PageRows,
    Report,
    RunRequest,
    RunStop,
    ScanHit,
    Space,
    Touched,
    Watch,
    WatchedBlocks,
    WatchHit,
    Write,
    Writer,
)
from rdbg.emu.machine_pages import MachinePages
from rdbg.emu.machine_runs import MachineRuns
from rdbg.emu.memory_areas import memory_areas
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.memory_view import MemoryView
from rdbg.emu.memory_writes import NAMES, MemoryWrites
from rdbg.emu.noted_writes import NotedWrites
from rdbg.emu.pci_report import pci_report
from rdbg.emu.probes import AccessNotes, ProbeCount, ProbeNotes, Probes
from rdbg.emu.registers import layout, register_table
from rdbg.emu.semihosting import HostCalls
from rdbg.emu.semihosting_guest import SemihostingGuest, with_host_calls
from rdbg.emu.spec import MachineSpec
from rdbg.emu.state_digest import StateDigest
from rdbg.emu.system import MachineSystem
from rdbg.emu.tlb_report import tlb_report
from rdbg.emu.way_ahead import SystemRegisters, Way, nothing_known
from rdbg.errors import RdbgError

RESET_STATUS = 0x00400004  # BEV and ERL (MIPS32 PRA vol. III, table 9.24)
#: Address space that Unicorn takes for translated code and for itself.
TRANSLATED_CODE = (1 << 30) + (64 << 20)
_FILLED_AT_ONCE = 1 << 20
#: States of devices that are kept unpacked, some tens of KB each.
_MOST_UNPACKED = 16
#: Pages that are read at a time for their digests.
_DIGESTED = 256


class Machine:
    """A whole computer at one position; implements `MachineApi`.

    Args:
        spec: what it is. The same spec and the same inputs give the same run, on any host.
        inputs: where it asks for what comes from outside.
        disk_sources: what its drives hold at first, in the order of the description; None: nothing can be read.

    Raises:
        RdbgError: an image does not fit the board.
    """

    def __init__(
        self,
        spec: MachineSpec,
        inputs: InputSource | None = None,
        disk_sources: Sequence[DiskSource] | None = None,
    ) -> None:
        self.spec = spec
        self._model = cpu_model(spec.cpu)
        self.architecture = self._model.architecture
        self.big_endian = spec.big_endian
        self.inputs: InputSource = inputs or NoInputs()
        self._output: OutputSink | None = None
        self._packets: PacketWatcher | None = None
        self.system = MachineSystem(self)
        overlay = DiskOverlay()
        self.disks: dict[str, Disk] = make_disks(spec.drives, overlay, disk_sources, self.output)
        self.board: Board = build_board(spec, self.system, self.disks)
        self.host_calls: HostCalls | None = None
        if spec.semihosting is not None:
            self.host_calls = HostCalls(SemihostingGuest(self, self.system), spec.semihosting)
            self.board = with_host_calls(self.board, self.host_calls)
        self._require_names()
        self.bus = Bus(self.board.memory_map, spec.big_endian, self.system)
        self.dma = DirectMemoryAccess(self.bus, spec.big_endian, self._read_by_dma, self._write_by_dma)
        memory_bytes = self.bus.page_count * PAGE_SIZE
        if memory_bytes > cpu.MEMORY_MAX:
            raise RdbgError(
                f"machine {self.board.name} has {memory_bytes >> 20} MiB of memory in all its parts, "
                f"more than the {cpu.MEMORY_MAX >> 20} MiB that rdbg holds: make them smaller"
            )
        self._memory = guest_memory(memory_bytes)
        self._first_byte = {b.name: self.bus.first_page(b.name) * PAGE_SIZE for b in self.board.memory_map.backings}
        period_ns = max(1, 2_000_000_000 // self.board.cpu_clock_hz)
        timer_line = self.board.cpu_irq_timer
        self._host = CoreHost(self)
        require_address_space(TRANSLATED_CODE, "translated code")
        self.core = cpu.Core(self._memory, self._model, spec.big_endian, spec.shift, period_ns, timer_line, self._host)
        self._core_memory = self.core.memory
        self._core_memory.show_backings(self.bus.shown())
        self.writes = MemoryWrites(self.core, self._memory, spec.big_endian)
        on_disks = overlay if any(disk.sectors for disk in self.disks.values()) else None
        self._pages = MachinePages(self._core_memory, self.bus.page_count, on_disks, self.writes)
        self.page_count = self._pages.count
        self.first_disk_page = self.bus.page_count
        if spec.semihosting is not None:
            self.core.allow_semihosting(spec.semihosting.in_user_mode)
        self.system.powered = True
        self._registers = {register.info.number: register for register in register_table(self.core)}
        self._view = MemoryView(self.core, self.bus, self.architecture.segments, self._memory, self._peek)
        self._runs = MachineRuns(self.core, self._host, self.writes)
        self._digest = StateDigest()
        self._loading = False
        self._unpacked: dict[MachineState, tuple[DeviceParts, list[State]]] = {}
        self._looking = False  # a debugger reads a device's registers: nothing leaves, and nothing is changed
        self.packets = 0  #: that have entered since power-on, by all cards
        self._resetting = False
        self._reset_by_user = False  # the reset that is wanted
        self._resets: Callable[[int, bool], None] | None = None
        self.ended_by_reset = False  #: a guest with ``-no-reboot`` has asked for a reset, which ended it
        self._load_backings()
        self.reset()
        self.core.end_reset()

    def _require_names(self) -> None:
        """Names key what snapshots say of devices."""
        seen: set[str] = set()
        for device in self.board.devices:
            if device.name in seen:
                raise RdbgError(f"two devices of this board are named {device.name!r}: device names must differ")
            seen.add(device.name)

    # --- what the machine is --------------------------------------------------------------------

    @property
    def icount(self) -> int:
        """The position: instructions retired since power-on."""
        return self.core.icount

    @property
    def pc(self) -> int:
        """Virtual address of the next instruction."""
        return self.core.pc

    @property
    def now_ns(self) -> int:
        """The devices' virtual time in nanoseconds: behind the instruction that accesses one; else of the position."""
        return (self.core.clock_icount << self.spec.shift) + self.core.bias_ns

    @property
    def virtual_ns(self) -> int:
        """Virtual time in nanoseconds at the position."""
        return (self.core.icount << self.spec.shift) + self.core.bias_ns

    def set_output(self, sink: OutputSink) -> None:
        """Where goes what leaves by the endpoints."""
        self._output = sink

    def watch_resets(self, watcher: Callable[[int, bool], None]) -> None:
        """Have somebody told of every reset, each time that the machine passes it: its icount, and whether the guest
        asked for it."""
        self._resets = watcher

    def watch_packets(self, watcher: PacketWatcher) -> None:
        """Have somebody see every packet that a card receives or sends, each time that the machine passes it."""
        self._packets = watcher

    @property
    def works(self) -> tuple[str, ...]:
        """What each of its timers ends, by number; see `MachineApi`."""
        return self.system.works

    @property
    def endpoints(self) -> Collection[Endpoint]:
        """Where the machine meets the outside world."""
        return self.board.endpoints.keys()

    def input_room(self, endpoint: Endpoint) -> int:
        """How much an endpoint can take now without loss, in bytes or packets; 0 for one that is not there."""
        device = self.board.endpoints.get(endpoint)
        return device.receive_room() if isinstance(device, SerialDevice | NetworkDevice) else 0

    # --- running --------------------------------------------------------------------------------

    def run(self, request: RunRequest) -> RunStop:
        """Run forward; see RunRequest."""
        return self._runs.run(request, self.inputs.asks_interrupts)

    def step(self, watches: tuple[Watch, ...] = ()) -> RunStop:
        """Retire one instruction (a branch with its slot), or take one exception.

        Args:
            watches: for `take_change`.
        """
        return self._runs.step(watches)

    def take_trace(self) -> NDArray[np.void]:
        """The blocks noted by runs with ``trace`` since the last call; see `MachineApi`."""
        return self.core.notes.take_trace().view(TRACE_ROW)[:, 0]

    def take_instructions(self, last: bool = False) -> InstructionRows:
        """The instructions noted by runs with ``instructions`` since the last call; see `MachineApi`."""
        return InstructionRows(*self.core.notes.take_instructions(last))

    def take_counts(self, last: bool) -> CountsTaken | None:
        """What runs with ``count`` have counted since the last call; see `MachineApi`."""
        return self._runs.take_counts(last)

    def effects(self, code: bytes) -> Effects:
        """What an instruction does to registers and memory."""
        return effects_of(int.from_bytes(code, "big" if self.big_endian else "little"))

    @property
    def runs_slot(self) -> bool:
        """Whether the next step is a branch and its slot, and the slot is not passed over."""
        return self.core.runs_slot()

    def stops_here(self, breakpoints: frozenset[int], conditions: Conditions) -> bool:
        """Whether one of these breakpoints stops before the next instruction (or is in its delay slot)."""
        return self._runs.stops_here(breakpoints, conditions)

    def watched_access(self, watches: tuple[Watch, ...]) -> WatchHit | None:
        """The watched access that the next step makes; None: it makes none, or raises an exception instead."""
        return self._runs.watched_access(watches)

    @property
    def branch_target(self) -> int | None:
        """Where the next instruction leads if it is a branch that is taken."""
        return branch_target(self._next_word(), self.pc, self.read_register)

    @property
    def exception_return(self) -> int | None:
        """Where the next instruction returns to, if it is a return from an exception."""
        return return_address(self._next_word(), self.core.registers.read_cp0)

    def _next_word(self) -> int:
        return int.from_bytes(self.read_memory(self.pc, 4), "big" if self.big_endian else "little")

    @property
    def handler_return(self) -> int | None:
        """The same, if that ends the handler of an exception."""
        return self.exception_return if ends_handler(self.core.registers.read_cp0) else None

    @property
    def by_interrupt(self) -> bool:
        """Whether the latest exception was an interrupt."""
        return by_interrupt(self.core.registers.read_cp0)

    def exception_entries(self, address: int) -> Conditions:
        """Breakpoints, with conditions, for the entry of the exception whose handler now returns to ``address``."""
        return entries(
            address, self.read_register(29), self.architecture.number_of("epc"), self.core.registers.read_cp0
        )

    def look_ahead(self, pc: int, most: int, system: SystemRegisters = nothing_known, guess: bool = False) -> Way:
        """Follow the code from ``pc``; see `MachineApi`."""
        return look_ahead(self, pc, most, system, guess)

    def evaluate(self, expression: Expression) -> int | None:
        """The value of an expression here, 64 bits; None: it cannot be evaluated."""
        value: int | None = self.core.stops.value_of(expression)
        return value

    def take_change(self) -> WatchHit | None:
        """What something else than a store of the CPU has changed of what was watched in the latest run or step."""
        return self.writes.take_change()

    def note_writes(self, watch: Watch | None) -> None:
        """From now on keep the writes to what a watch is for; None: no more."""
        self.writes.noted = None if watch is None else NotedWrites(watch)

    def mark_words(self, virtual_pages: Sequence[int], memory_pages: Sequence[int]) -> None:
        """From now on mark the words of these pages that are stored to; see `MachineApi`."""
        self._core_memory.mark_words(virtual_pages, memory_pages)

    def take_marked_words(self) -> MarkedWords:
        """The words marked since the last call."""
        return MarkedWords(*self._core_memory.take_marked_words())

    def take_probe_notes(self, ended: bool) -> ProbeNotes:
        """What runs with probes have noted since the last call; see `MachineApi`."""
        return self._runs.take_probe_notes(ended)

    def take_probe_count(self) -> ProbeCount:
        """What runs with probes have counted since the last call."""
        return self._runs.take_probe_count()

    def take_accesses(self) -> AccessNotes:
        """The accesses that runs with probes have noted since the last call."""
        return self._runs.take_accesses()

    def take_writes(self) -> list[Write]:
        """The writes kept since the last call, in order."""
        return [] if self.writes.noted is None else self.writes.noted.take()

    @property
    def last_breakpoint_hit(self) -> ScanHit | None:
        """The last breakpoint hit of a ``last_hit`` run."""
        return self._runs.last_breakpoint_hit

    @property
    def watched_blocks(self) -> WatchedBlocks:
        """Where watched accesses were made in a ``last_hit`` run."""
        return self._runs.watched_blocks

    def enter(self, event: InputEvent) -> None:
        """Let an input in, here."""
        endpoint = event.endpoint
        if event.kind is InputKind.PACKET:
            self.packets += 1
        if endpoint is not None:
            device = self.board.endpoints.get(endpoint)
            if self._packets is not None and event.kind is InputKind.PACKET and device is not None:
                self._packets(self.core.icount, self.virtual_ns, event.port, event.data, True)
            enter_endpoint(event, device)
        elif event.kind is InputKind.RESET:
            self._reset_by_user = self._host.reset_wanted = True
            self.core.ask_for_events()
        elif event.kind is InputKind.SHUTDOWN:
            self.request_shutdown(event.value)
        elif event.kind is InputKind.HOLD:
            self.core.hold_interrupts(event.value)
        elif event.kind is InputKind.DELAY:
            self.system.delay(event.port, event.value << self.spec.shift)

    # --- what devices ask (through MachineSystem) -----------------------------------------------

    def ask_for_events(self) -> None:
        """A timer changed: look again before the next instruction."""
        self.core.ask_for_events()

    def set_cpu_irq(self, line: int, level: bool) -> None:
        """Drive a hardware interrupt line."""
        old = self.core.lines
        lines = old | 1 << line if level else old & ~(1 << line)
        if lines != old:
            self.core.set_lines(lines)

    @property
    def last_position(self) -> int:
        """The last position that can be stood at before what a device does now."""
        between = self.writes.between and self.core.icount > 0
        return self.core.icount - 1 if between else self.core.device_icount

    def output(self, endpoint: Endpoint, data: bytes) -> None:
        """Bytes, or a packet, leave by an endpoint."""
        if self._looking:
            return
        if self._packets is not None and endpoint.kind is EndpointKind.NETWORK:
            self._packets(self.core.device_icount, self.now_ns, endpoint.port, data, False)
        if self._output is not None:
            self._output(self.core.device_icount, endpoint, data)

    def place(self) -> str:
        """Where the guest is, in words: at an instruction, or, while it runs, in a block of them."""
        icount, pc, exact = self.core.place
        return f"icount {icount}, pc {pc:#010x}" if exact else f"in the block at icount {icount}, pc {pc:#010x}"

    def request_reset(self) -> None:
        """Reset before the next instruction, or end the run there."""
        if self._looking:
            return
        if not self.spec.reboot:
            self.ended_by_reset = True
            self.request_shutdown(0)
            return
        self._host.reset_wanted = True
        self.core.ask_for_events()

    def request_shutdown(self, exit_code: int) -> None:
        """Power off before the next instruction. Of several codes the first counts."""
        if self._looking:
            return
        if self._host.shutdown_code is None:
            self._host.shutdown_code = exit_code
        self.core.request_stop()

    def mapping_changed(self) -> None:
        """The address space shows something else."""
        if self._loading:
            return  # load_state compares the whole layout in the end: most often nothing has moved
        self.bus.mapping_changed()
        self.core.forget_mappings()

    def dma_read(self, address: int, size: int, source: Device | str, detail: Detail) -> bytes:
        """Bytes for a device that reads from a guest-physical address on; see `DirectMemoryAccess.read`."""
        data = self._core_memory.dma_read(address, size)
        return self.dma.read(address, size, dma_name(source, detail)) if data is None else data

    def dma_write(self, address: int, data: bytes, source: Device | str, detail: Detail) -> None:
        """Write a device's bytes from a guest-physical address on; see `DirectMemoryAccess.write`."""
        told = self._looking or self.writes.noted is not None  # what is written has to be known here
        if told or not self._core_memory.dma_write(address, data):
            self.dma.write(address, data, dma_name(source, detail))

    def read_backing(self, name: str, offset: int, size: int) -> bytes:
        """Bytes of a backing."""
        return self._read_bytes(self._first_byte[name] + offset, size)

    def write_backing(self, name: str, offset: int, data: bytes) -> None:
        """Change bytes of a backing."""
        writer = Writer.RESET if self._resetting else Writer.DEVICE
        self.writes.write(self._first_byte[name] + offset, data, writer, NAMES.get(writer, f"device {name}"))

    def _read_bytes(self, first: int, size: int) -> bytes:
        return self._memory[first : first + size]

    def _read_by_dma(self, first: int, size: int, by: DmaName) -> bytes:
        return self.writes.read(first, size, by)

    def _write_by_dma(self, first: int, data: bytes, by: DmaName) -> None:
        if self._looking:
            return
        self.writes.write(first, data, Writer.DEVICE, by)

    def store_for_host(self, address: int, data: bytes) -> bool:
        """Put the answer to a call of the host at a virtual address; False, and nothing is written: not all of it is
        memory that can be written to."""
        pieces: list[tuple[int, bytes, int]] = []
        at = 0
        while at < len(data):
            here = (address + at) & 0xFFFFFFFF
            size = min(len(data) - at, PAGE_SIZE - here % PAGE_SIZE)
            physical = self.translate(here)
            mapping = None if physical is None else self.bus.classify(physical)
            if mapping is None or mapping.backing_page is None or not mapping.writable:
                return False
            pieces.append((mapping.backing_page * PAGE_SIZE + here % PAGE_SIZE, data[at : at + size], here))
            at += size
        for first, piece, through in pieces:
            self.writes.write(first, piece, Writer.HOST, NAMES[Writer.HOST], through)
        return True

    def _load_backings(self) -> None:
        for backing in self.board.memory_map.backings:
            first, filled = self._first_byte[backing.name], len(backing.initial)
            self._load(first, backing.initial)
            while backing.fill and filled < backing.size:
                filler = bytes((backing.fill,)) * min(_FILLED_AT_ONCE, backing.size - filled)
                self._load(first + filled, filler)
                filled += len(filler)

    def _load(self, first: int, data: bytes) -> None:
        self.writes.write(first, data, Writer.RESET, NAMES[Writer.RESET])

    def reset(self) -> None:
        """Reset the whole machine."""
        self._host.reset_wanted = False
        by_guest, self._reset_by_user = not self._reset_by_user, False
        if self._resets is not None and self.core.icount:
            self._resets(self.core.icount, by_guest)
        if self.core.icount:
            # Images in RAM are put back, as QEMU does; what flash holds stays.
            for backing in self.board.memory_map.backings:
                if backing.writable and backing.initial:
                    self._load(self._first_byte[backing.name], backing.initial)
        for timer in self.system.timers.values():
            timer.disarm()
        state = self.board.reset_state
        self.core.reset(state.pc, RESET_STATUS if state.status is None else state.status)
        self._resetting = True
        try:
            for device in self.board.devices:
                device.reset()
        finally:
            self._resetting = False
        for number, value in state.registers.items():
            self.core.registers.write_gpr(number, value)

    # --- state ----------------------------------------------------------------------------------

    def save_state(self) -> MachineState:
        """All of the machine's state but its pages."""
        icount, registers = self.core.save()
        return MachineState(icount, registers, self._pack_devices(self._device_states()))

    def _device_states(self) -> dict[str, tuple[int, State]]:
        return {device.name: (device.version, device.save()) for device in self.board.devices}

    def _pack_devices(self, devices: Mapping[str, tuple[int, State]]) -> bytes:
        return pack_devices(
            DeviceParts(
                devices,
                {timer.name: timer.deadline_ns for timer in self.system.timers.values()},
                self._host.reset_wanted,
                self._host.shutdown_code,
                tuple(self._host.woken_by),
                self._host.saved_idle_events(),
                self.packets,
                self.ended_by_reset,
            )
        )

    def load_state(self, state: MachineState) -> None:
        """Take a state back.

        Raises:
            RdbgError: it was saved by another version or from another board.
        """
        present = self._device_states()
        unpacked = self._unpacked.get(state)
        if unpacked is None:
            if state.devices == self._pack_devices(present):
                # Between two steps back nearly always: to unpack and check took twice as long as to look.
                idle_events = self._host.saved_idle_events()
                self.core.load(state.icount, state.cpu)
                self._forget_noted(state.icount)
                self._host.restore(self._host.woken_by, idle_events, self._host.reset_wanted)
                self._stop_if_off()
                return
            unpacked = self._unpack(state)
        self.core.load(state.icount, state.cpu)
        self._forget_noted(state.icount)
        try:
            self._load_devices(*unpacked, present)
        except RdbgError as error:
            raise RdbgError(f"the snapshot at icount {state.icount} cannot be loaded: {error}") from error

    def _unpack(self, state: MachineState) -> tuple[DeviceParts, list[State]]:
        """The parts of a state, and the states of the board's devices. The latest ones are kept: a search goes back to
        the same few states, and to unpack and check one takes longer than to load it.
        """
        parts = unpack_devices(state)
        try:
            parts.require_timers(self.system.timers)
            states = parts.states_of(self.board.devices)
        except RdbgError as error:
            raise RdbgError(f"the snapshot at icount {state.icount} cannot be loaded: {error}") from error
        while len(self._unpacked) >= _MOST_UNPACKED:
            del self._unpacked[next(iter(self._unpacked))]
        self._unpacked[state] = parts, states
        return parts, states

    def _load_devices(
        self, parts: DeviceParts, states: Sequence[State], present: Mapping[str, tuple[int, State]]
    ) -> None:
        """Take back what `_pack_devices` gave, unpacked. The CPU's interrupt lines stay as they are.

        Args:
            parts: all of it.
            states: of the board's devices, in their order. They stay as they are: what a device has is a copy.
            present: what the devices would save now, by name.
        """
        lines = self.core.lines
        layout = self.bus.layout()
        self._host.restore(list(parts.waking), parts.idle_events, parts.reset_wanted)
        self._loading = True
        try:
            for device, saved in zip(self.board.devices, states, strict=True):
                # Most are as they were: to look costs a fifth of checking each field again. No `load` touches another
                # device, so that those which are as they should be stay so.
                if present[device.name][1] != saved:
                    device.load(copied(saved))
        finally:
            self._loading = False
        for timer in self.system.timers.values():
            timer.restore(parts.deadlines_ns[timer.name])
        self.core.set_lines(lines)
        self._host.shutdown_code = parts.shutdown_code
        self.packets = parts.packets
        self.ended_by_reset = parts.ended_by_reset
        self._stop_if_off()
        if self.bus.layout() != layout:
            self.mapping_changed()

    def _forget_noted(self, icount: int) -> None:
        if self.writes.noted is not None:
            self.writes.noted.forget_after(icount)

    def _stop_if_off(self) -> None:
        if self._host.shutdown_code is not None:
            self.core.request_stop()

    def apply(self, event: InputEvent, probes: Probes | None = None) -> None:
        """Apply a debugger's write or a user's RESET at the current position.

        Args:
            event: which.
            probes: note it for these, if they ask for what it changes.

        Raises:
            RdbgError: there is nothing to write to at that address.
        """
        if probes is not None:
            self._runs.look_at(probes)
        if event.kind is InputKind.POKE_REGISTER:
            info = self.architecture.register_of_journal(event.port)
            if info is None:
                raise RdbgError(f"journal id {event.port} is of no register of this machine")
            self.write_register(info.number, event.value)
        elif event.kind is InputKind.POKE_MEMORY:
            self._poke(event.value, event.data)
        else:
            self.enter(event)

    def _poke(self, address: int, data: bytes) -> None:
        while data:
            chunk = min(len(data), PAGE_SIZE - address % PAGE_SIZE)
            page = self.bus.classify(address).backing_page
            if page is None:
                raise RdbgError(f"physical address {address:#010x} is no memory: device registers cannot be written")
            self.writes.write(
                page * PAGE_SIZE + address % PAGE_SIZE, data[:chunk], Writer.DEBUGGER, NAMES[Writer.DEBUGGER]
            )
            address, data = address + chunk, data[chunk:]

    def take_touched(self) -> Touched:
        """Pages touched since the last call."""
        return self._pages.take_touched()

    def nonzero_pages(self) -> Sequence[int]:
        """Pages that hold anything but zeros."""
        return self._pages.nonzero()

    def read_page(self, page: int) -> bytes:
        """The bytes of a page."""
        return self._pages.read([page])

    def read_pages(self, pages: Sequence[int]) -> bytes:
        """The pages' bytes, one after another."""
        return self._pages.read(pages)

    def write_pages(self, pages: Sequence[int], data: bytes) -> None:
        """Put pages back."""
        self._pages.write(pages, data)

    def copy_pages(self, pages: Numbers, out: PageRows, rows: Numbers) -> None:
        """Copy each page to a row of ``out``."""
        self._pages.copy(pages, out, rows)

    def put_pages(self, pages: Numbers, source: PageRows, rows: Numbers) -> None:
        """Put each page back from a row of ``source``."""
        self._pages.put(pages, source, rows)

    def expect_pages(self, pages: Sequence[int]) -> None:
        """These will be put back soon: the host is asked for their memory. May be called in any thread."""
        populate(self._memory, [page for page in pages if page < self.first_disk_page])

    def digest(self) -> bytes:
        """16 bytes over all state. Only pages written since the last call are read again."""
        self._digest_pages()
        return self._digest.of(self.save_state())

    def page_digests(self) -> StateDigest:
        """The digests of all pages as they are now, for the caller to keep."""
        self._digest_pages()
        return self._digest.copy()

    def know_page_digests(self, digests: StateDigest) -> None:
        """All pages have just been made what these were taken of: they need not be read again for the next digest."""
        self._pages.take_stale()
        self._digest = digests

    def _digest_pages(self) -> None:
        stale = self._pages.take_stale()
        for at in range(0, len(stale), _DIGESTED):
            batch = stale[at : at + _DIGESTED]
            data = self.read_pages(batch)
            for index, page in enumerate(batch):
                self._digest.put(page, data[index * PAGE_SIZE : (index + 1) * PAGE_SIZE])

    # --- debugger's view ------------------------------------------------------------------------

    @property
    def layout(self) -> str:
        """The layout of the floating-point registers now (Status.FR)."""
        return layout(self.core.registers)

    def read_register(self, number: int) -> int:
        """A register by the debugger's number."""
        return self._registers[number].read()

    def write_register(self, number: int, value: int) -> None:
        """Set a register by the debugger's number.

        Raises:
            RdbgError: it is read-only, there is none of that number, or the value is too large for it.
        """
        register = self._registers.get(number)
        if register is None or value >> register.info.bits:
            raise RdbgError(f"there is no register {number} that {value:#x} could be written to")
        if register.write is None:
            raise RdbgError(f"register {register.info.name} cannot be written: the hardware sets it")
        register.write(value)

    def translate(self, address: int) -> int | None:
        """Guest-physical address of a virtual one, privilege ignored; None if unmapped."""
        return self.core.translate(address & 0xFFFFFFFF)

    def storage(self, address: int, length: int) -> list[Extent]:
        """What stands behind a range of virtual addresses now, up to the first that is unmapped."""
        return self._view.storage(address, length)

    def device_load(self, address: int, size: int) -> DeviceLoad | None:
        """What a load from a virtual address would take from outside, if a device answers there. Nothing changes."""
        physical = self.core.translate(address)
        found = None if physical is None else self.bus.answers(physical, size)
        if found is None:
            return None
        device, offset = found
        if isinstance(device, SerialDevice):
            for endpoint, each in self.board.endpoints.items():
                waiting = device.received(offset, size) if each is device else b""
                if waiting:
                    return DeviceLoad(device.name, endpoint, waiting)
        return DeviceLoad(device.name)

    def loaded_from(self, address: int) -> str:
        """What a byte at a virtual address was loaded from at power-on, in words; empty: from nothing, as far as is
        known."""
        for extent in self.storage(address, 1):
            if extent.space is not Space.MEMORY:
                continue
            for device in self.board.devices:
                if not isinstance(device, ImageLoader):
                    continue
                for piece in reversed(device.pieces):
                    first = self._first_byte[piece.backing] + piece.offset
                    if first <= extent.address < first + len(piece.data):
                        return piece.what
        return ""

    def holds(self, extents: Sequence[Extent], event: InputEvent) -> bool:
        """Whether a debugger's write to memory reaches any of these bytes."""
        return self._view.holds(extents, event)

    def resolved(self, watch: Watch) -> Watch:
        """The watch with its storage, if the same memory stands behind its addresses at all times."""
        return self._view.resolved(watch)

    def read_memory(self, address: int, length: int) -> bytes:
        """Bytes at a virtual address, as many as are mapped; of devices, what a load would give."""
        return self._view.read_memory(address, length)

    def _peek(self, address: int, length: int) -> bytes:
        """What loads from devices would give now, up to where nothing answers. The devices do not notice: what reading
        does to them is undone."""
        before, lines = self._pack_devices(self._device_states()), self.core.lines
        out = bytearray()
        self._looking = True
        try:
            while len(out) < length:
                at, left = address + len(out), length - len(out)
                size = next(size for size in (4, 2, 1) if at % size == 0 and size <= left)
                out += self.bus.read(at, size).to_bytes(size, "big" if self.big_endian else "little")
        except BusError:
            pass
        finally:
            self._looking = False
            self.core.set_lines(lines)
            parts = unpack_devices(MachineState(self.icount, b"", before))
            self._load_devices(parts, parts.states_of(self.board.devices), self._device_states())
        return bytes(out)

    def memory_areas(self) -> Sequence[MemoryArea]:
        """RAM, ROM and flash as kernel-mode code sees them."""
        return memory_areas(self.board.memory_map, self.architecture.segments)

    def reports(self) -> Mapping[str, Report]:
        """The TLB and the PCI bus in words."""
        entries = Report(
            "what the TLB translates now",
            lambda: tlb_report(self.core.registers.tlb(), self.core.registers.read_cp0(10, 0) & 0xFF),
        )
        names = {card.slot: card.name for card in self.spec.plugged if card.slot is not None}
        bus = Report("what is on the PCI bus", lambda: pci_report(self.board.pci, names))
        pins = Report("the pins of the board and their levels", lambda: "".join(gpio.report() for gpio in self._gpios))
        return {"tlb": entries} | ({"pci": bus} if self.board.pci else {}) | ({"gpio": pins} if self._gpios else {})

    @property
    def _gpios(self) -> list[Gpio]:
        return [device for device in self.board.endpoints.values() if isinstance(device, Gpio)]

    @property
    def pins(self) -> Mapping[str, tuple[Endpoint, int]]:
        """The pins that can be driven from outside: by name, their endpoint and number there."""
        return {pin: (gpio.endpoint, bit) for gpio in self._gpios for bit, pin in enumerate(gpio.pins) if pin}
