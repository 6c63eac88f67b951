"""A whole MIPS machine: board, CPU core, time, and the interface that upper rooms see."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rdbg.emu import core as cpu
from rdbg.emu.ahead import look_ahead
from rdbg.emu.board import Board
from rdbg.emu.boards import build_board
from rdbg.emu.branch_target import branch_target
from rdbg.emu.bus import Bus
from rdbg.emu.core_host import CoreHost
from rdbg.emu.counts import CountsTaken
from rdbg.emu.cpu_model import cpu_model
from rdbg.emu.device_view import DeviceView
from rdbg.emu.disk import Disk, DiskSource, make_disks
from rdbg.emu.disk_overlay import DiskOverlay
from rdbg.emu.endpoint import Endpoint
from rdbg.emu.entrance import Entrance
from rdbg.emu.exception_return import by_interrupt, ends_handler, entries, handled, return_address
from rdbg.emu.expression import Expression
from rdbg.emu.host_memory import guest_memory, populate, require_address_space
from rdbg.emu.inputs import InputEvent, InputKind, InputSource, NoInputs
from rdbg.emu.instruction_effects import Effects, effects_of
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
    PageRows,
    Report,
    RunRequest,
    RunStop,
    ScanHit,
    Touched,
    Watch,
    WatchedBlocks,
    WatchHit,
    Write,
)
from rdbg.emu.machine_pages import MachinePages
from rdbg.emu.machine_runs import MachineRuns
from rdbg.emu.machine_states import MachineStates
from rdbg.emu.memory_areas import memory_areas
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.memory_view import MemoryView
from rdbg.emu.memory_writes import MemoryWrites
from rdbg.emu.noted_writes import NotedWrites
from rdbg.emu.power import MachinePower
from rdbg.emu.probes import AccessNotes, ProbeCount, ProbeNotes, Probes
from rdbg.emu.registers import CpuRegisters
from rdbg.emu.semihosting import HostCalls
from rdbg.emu.semihosting_guest import SemihostingGuest, with_host_calls
from rdbg.emu.spec import MachineSpec
from rdbg.emu.state_digest import StateDigest
from rdbg.emu.system import MachineSystem
from rdbg.emu.way_ahead import SystemRegisters, Way, nothing_known
from rdbg.errors import RdbgError

#: Address space that Unicorn takes for translated code and for itself.
TRANSLATED_CODE = (1 << 30) + (64 << 20)


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
        self.system = MachineSystem(spec.shift)
        overlay = DiskOverlay()
        self.disks: dict[str, Disk] = make_disks(spec.drives, overlay, disk_sources, self.system.output)
        self.board: Board = build_board(spec, self.system, self.disks)
        self.host_calls: HostCalls | None = None
        if spec.semihosting is not None:
            self.host_calls = HostCalls(SemihostingGuest(self, self.system), spec.semihosting)
            self.board = with_host_calls(self.board, self.host_calls)
        self.board.require_names()
        self.bus = Bus(self.board.memory_map, spec.big_endian, self.system)
        self.bus.require_pages(cpu.MEMORY_MAX // PAGE_SIZE, self.board.name)
        self._memory = guest_memory(self.bus.page_count * PAGE_SIZE)
        period_ns = max(1, 2_000_000_000 // self.board.cpu_clock_hz)
        timer_line = self.board.cpu_irq_timer
        self._host = CoreHost(self)
        require_address_space(TRANSLATED_CODE, "translated code")
        self.core = cpu.Core(self._memory, self._model, spec.big_endian, spec.shift, period_ns, timer_line, self._host)
        self._core_memory = self.core.memory
        self._core_memory.show_backings(self.bus.shown())
        self.writes = MemoryWrites(self.core, self._memory, self.bus, spec.big_endian)
        on_disks = overlay if any(disk.sectors for disk in self.disks.values()) else None
        self._pages = MachinePages(self._core_memory, self.bus.page_count, on_disks, self.writes)
        self.page_count = self._pages.count
        self.first_disk_page = self.bus.page_count
        if spec.semihosting is not None:
            self.core.allow_semihosting(spec.semihosting.in_user_mode)
        timers = self.system.timers
        self.power = MachinePower(self.core, self.board, self.bus, self.writes, timers, spec.reboot)
        self.system.power_on(self.core, self.bus, self.writes, self.power, spec.big_endian)
        self.entrance = Entrance(self.core, self.board.endpoints, self.system, self.power, spec.shift)
        self._registers = CpuRegisters(self.core)
        self._states = MachineStates(self.core, self._host, self.board, self.system)
        self._devices = DeviceView(spec, self.core, self.board, self.bus, self._states)
        self._view = MemoryView(self.core, self.bus, self.architecture.segments, self._memory, self._devices.peek)
        self._runs = MachineRuns(self.core, self._host, self.power, self.writes)
        self.power.switch_on()

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
        self.system.set_output(sink)

    @property
    def works(self) -> tuple[str, ...]:
        """What each of its timers ends, by number; see `MachineApi`."""
        return self.system.timers.works

    @property
    def endpoints(self) -> Collection[Endpoint]:
        """Where the machine meets the outside world."""
        return self.board.endpoints.keys()

    def input_room(self, endpoint: Endpoint) -> int:
        """How much an endpoint can take now without loss, in bytes or packets; 0 for one that is not there."""
        return self.entrance.room(endpoint)

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
    def step_is_apart(self) -> bool:
        """Whether nothing but the CPU has to do with the next step and where it leads; see `MachineApi`."""
        return self._runs.step_is_apart

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
    def handled(self) -> int | None:
        """Where the exception happened whose handler the CPU is in, and is still in behind the next instruction."""
        return handled(self._next_word(), self.core.registers.read_cp0)

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

    def reset(self) -> None:
        """Reset the whole machine."""
        self.power.reset()

    # --- state ----------------------------------------------------------------------------------

    def save_state(self) -> MachineState:
        """All of the machine's state but its pages."""
        return self._states.save()

    def load_state(self, state: MachineState) -> None:
        """Take a state back.

        Raises:
            RdbgError: it was saved by another version or from another board.
        """
        self._states.load(state)

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
            self.writes.poke(event.value, event.data)
        else:
            self.entrance.enter(event)

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
        return self._pages.digest().of(self.save_state())

    def page_digests(self) -> StateDigest:
        """The digests of all pages as they are now, for the caller to keep."""
        return self._pages.digest().copy()

    def know_page_digests(self, digests: StateDigest) -> None:
        """All pages have just been made what these were taken of: they need not be read again for the next digest."""
        self._pages.know_digests(digests)

    # --- debugger's view ------------------------------------------------------------------------

    @property
    def layout(self) -> str:
        """The layout of the floating-point registers now (Status.FR)."""
        return self._registers.layout

    def read_register(self, number: int) -> int:
        """A register by the debugger's number."""
        return self._registers.read(number)

    def write_register(self, number: int, value: int) -> None:
        """Set a register by the debugger's number.

        Raises:
            RdbgError: it is read-only, there is none of that number, or the value is too large for it.
        """
        self._registers.write(number, value)

    def translate(self, address: int) -> int | None:
        """Guest-physical address of a virtual one, privilege ignored; None if unmapped."""
        return self.core.translate(address & 0xFFFFFFFF)

    def storage(self, address: int, length: int) -> list[Extent]:
        """What stands behind a range of virtual addresses now, up to the first that is unmapped."""
        return self._view.storage(address, length)

    def device_load(self, address: int, size: int) -> DeviceLoad | None:
        """What a load from a virtual address would take from outside, if a device answers there. Nothing changes."""
        return self._devices.load(address, size)

    def loaded_from(self, address: int) -> str:
        """What a byte at a virtual address was loaded from at power-on, in words; empty: from nothing, as far as is
        known."""
        return self._devices.loaded_from(self.storage(address, 1))

    def holds(self, extents: Sequence[Extent], event: InputEvent) -> bool:
        """Whether a debugger's write to memory reaches any of these bytes."""
        return self._view.holds(extents, event)

    def resolved(self, watch: Watch) -> Watch:
        """The watch with its storage, if the same memory stands behind its addresses at all times."""
        return self._view.resolved(watch)

    def read_memory(self, address: int, length: int) -> bytes:
        """Bytes at a virtual address, as many as are mapped; of devices, what a load would give."""
        return self._view.read_memory(address, length)

    def memory_areas(self) -> Sequence[MemoryArea]:
        """RAM, ROM and flash as kernel-mode code sees them."""
        return memory_areas(self.board.memory_map, self.architecture.segments)

    def reports(self) -> Mapping[str, Report]:
        """The TLB, the PCI bus and the pins in words."""
        return self._devices.reports()

    @property
    def pins(self) -> Mapping[str, tuple[Endpoint, int]]:
        """The pins that can be driven from outside: by name, their endpoint and number there."""
        return self._devices.pins
