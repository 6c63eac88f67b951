"""The small interface through which upper rooms see a machine, with the data that cross it.

`timeline`, `checkpoints` and `gdbstub` are written against this file and `rdbg.emu.architecture` alone, so that another
architecture needs no change there. `rdbg.emu.machine.Machine` implements it for MIPS.

Virtual addresses are numbers of up to 64 bits, as `rdbg.emu.architecture` has them; whatever the machine is inside.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rdbg.emu.architecture import Architecture
from rdbg.emu.counts import CountsTaken
from rdbg.emu.endpoint import Endpoint
from rdbg.emu.expression import Expression
from rdbg.emu.inputs import InputEvent, InputSource
from rdbg.emu.instruction_effects import Effects
from rdbg.emu.memory_areas import MemoryArea as MemoryArea
from rdbg.emu.probes import AccessNotes, ProbeCount, ProbeNotes, Probes
from rdbg.emu.runs import INSTRUCTION_ROW as INSTRUCTION_ROW
from rdbg.emu.runs import NO_CODE as NO_CODE
from rdbg.emu.runs import TRACE_ROW as TRACE_ROW
from rdbg.emu.runs import Block as Block
from rdbg.emu.runs import Conditions as Conditions
from rdbg.emu.runs import Entry as Entry
from rdbg.emu.runs import InstructionRows as InstructionRows
from rdbg.emu.runs import RunRequest as RunRequest
from rdbg.emu.runs import RunStop as RunStop
from rdbg.emu.runs import ScanHit as ScanHit
from rdbg.emu.runs import StopKind as StopKind
from rdbg.emu.runs import WatchedBlocks as WatchedBlocks
from rdbg.emu.state_digest import StateDigest
from rdbg.emu.touched import MarkedWords as MarkedWords
from rdbg.emu.touched import Numbers as Numbers
from rdbg.emu.touched import PageRows as PageRows
from rdbg.emu.touched import Touched as Touched
from rdbg.emu.watch import Access as Access
from rdbg.emu.watch import Extent as Extent
from rdbg.emu.watch import Space as Space
from rdbg.emu.watch import Watch as Watch
from rdbg.emu.watch import WatchHit as WatchHit
from rdbg.emu.watch import Write as Write
from rdbg.emu.watch import Writer as Writer
from rdbg.emu.way_ahead import SystemRegisters, Way, nothing_known
from rdbg.quick_dataclass import dataclass

#: Sees packets: icount, virtual time in nanoseconds, number of the network card, the frame, and whether it comes in.
PacketWatcher = Callable[[int, int, int, bytes, bool], None]


@dataclass(frozen=True)
class DeviceLoad:
    """A load that a device answers.

    Args:
        device: its name.
        endpoint: that it would take a byte from, which came in there; None: from none.
        waiting: what has come in by it and waits, in order: the load takes the first byte.
    """

    device: str
    endpoint: Endpoint | None = None
    waiting: bytes = b""


class OutputSink(Protocol):
    """Takes what the guest sends, by any endpoint, in order.

    Args:
        icount: of the instruction that sends it.
        endpoint: by which it leaves.
        data: bytes; of a network card one packet, of a disk one `rdbg.emu.disk_write`.
    """

    def __call__(self, icount: int, endpoint: Endpoint, data: bytes) -> None: ...


@dataclass(frozen=True)
class MachineState:
    """A machine's state but for its memory pages. Bytes that depend on state alone, never on the host.

    Args:
        icount: the position.
        cpu: registers, translation tables, and everything else of the core.
        devices: devices, timers, interrupt lines: canonical encoding.
    """

    icount: int
    cpu: bytes
    devices: bytes


@dataclass(frozen=True)
class Report:
    """A table of the architecture that a user may want to read.

    Args:
        help: what it shows, in a phrase.
        make: gives it in words.
    """

    help: str
    make: Callable[[], str]


class MachineApi(Protocol):
    """A whole computer at one position.

    It runs in steps: of one instruction, or of several that run as one (a branch and its slot).
    """

    architecture: Architecture
    big_endian: bool
    page_count: int  #: numbers of pages of 4096 bytes are below: first those of all backings, from 0
    first_disk_page: int  #: then those that hold what disks were written, from this number on, without gaps
    inputs: InputSource

    @property
    def icount(self) -> int:
        """The position: instructions retired since power-on."""

    @property
    def pc(self) -> int:
        """Virtual address of the next instruction."""

    @property
    def now_ns(self) -> int:
        """Virtual time in nanoseconds as the devices see it: of the access that one answers; else of the position."""

    @property
    def virtual_ns(self) -> int:
        """Virtual time in nanoseconds at the position."""

    @property
    def last_breakpoint_hit(self) -> ScanHit | None: ...

    @property
    def watched_blocks(self) -> WatchedBlocks: ...

    def run(self, request: RunRequest) -> RunStop:
        """Run forward. Inputs come from ``self.inputs``; output goes to ``self.set_output``'s sink."""

    def step(self, watches: tuple[Watch, ...] = ()) -> RunStop:
        """Run one step, or take one exception. Watched accesses do not stop it.

        Args:
            watches: for `take_change`.

        Stops with LIMIT, or with IDLE, SHUTDOWN or AMBIGUOUS.
        """

    def take_trace(self) -> NDArray[np.void]:
        """The blocks noted by runs with ``trace`` since the last call, and forgets them.

        Rows of `TRACE_ROW`: the position at which a block (a straight piece of code) began as it really ran, its
        virtual address, the value of ``trace_register`` there, an `Entry`, bytes << 32 | a sum
        of its words as they were, and where its code lies (a byte of the machine's pages; `NO_CODE`: it could not be
        fetched). The last row is where the machine stands, and nothing of it has run: so of each other row as
        many instructions ran as its icount is below the next one's.
        That counts the slots of branches whether they ran or were passed over, and an instruction that raised an
        exception; one that could not even be fetched has a row of its own.
        """
        ...

    def take_instructions(self, last: bool = False) -> InstructionRows:
        """The instructions noted by runs with ``instructions`` since the last call, and forgets them.

        The first row has all registers: the general ones, and those of multiplications. A slot that was passed over has
        none; an instruction that raised an exception has one, without an access.

        Args:
            last: what is noted afterwards begins anew.
        """
        ...

    def take_counts(self, last: bool) -> CountsTaken | None:
        """What runs with ``count`` have counted since the last call; None: it is not yet worth to be taken.

        Args:
            last: all of it; they count no more.
        """
        ...

    def effects(self, code: bytes) -> Effects:
        """What an instruction does to registers and memory.

        Args:
            code: its bytes.
        """
        ...

    @property
    def runs_slot(self) -> bool:
        """Whether the next step is a branch and its slot, and the slot is not passed over."""
        ...

    def stops_here(self, breakpoints: frozenset[int], conditions: Conditions) -> bool:
        """Whether one of these breakpoints stops before the next step (or is inside it)."""

    def watched_access(self, watches: tuple[Watch, ...]) -> WatchHit | None:
        """The watched access that the next step makes; None: it makes none, or raises an exception instead."""

    @property
    def step_is_apart(self) -> bool:
        """Whether nothing but the CPU has to do with the next step and where it leads, so that only its stores change
        memory: no device is accessed, no timer expires, nothing enters. False: something may."""
        ...

    @property
    def branch_target(self) -> int | None:
        """Where the next instruction leads if it is a branch that is taken, or a jump; None: it is neither."""

    @property
    def exception_return(self) -> int | None:
        """Where the next instruction returns to, if it is a return from an exception."""

    @property
    def handler_return(self) -> int | None:
        """The same, if that ends the handler of an exception: there is code that returns from none, as a jump."""

    @property
    def handled(self) -> int | None:
        """Where the exception happened whose handler the CPU is in, and is still in behind the next instruction; None:
        it is in none."""

    @property
    def by_interrupt(self) -> bool:
        """Whether the latest exception was an interrupt."""
        ...

    def exception_entries(self, address: int) -> Conditions:
        """Breakpoints, with conditions, for the entry of the exception whose handler now returns to ``address``."""
        ...

    def look_ahead(self, pc: int, most: int, system: SystemRegisters = nothing_known, guess: bool = False) -> Way:
        """Follow the code from ``pc``, with registers and memory as they stand; nothing changes.

        Args:
            pc: where to begin, not inside a step.
            most: steps to follow.
            system: what system registers hold.
            guess: where a branch cannot be told, it is not taken; what devices hold is unknown, and what is stored to
                them is lost. False: the way ends there.
        """
        ...

    def evaluate(self, expression: Expression) -> int | None:
        """The value of an expression here, 64 bits; None: it cannot be evaluated."""

    @property
    def works(self) -> Sequence[str]:
        """What each of the machine's timers ends, by number, in words: a piece of a device's work; empty: none."""
        ...

    @property
    def endpoints(self) -> Collection[Endpoint]:
        """Where the machine meets the outside world."""
        ...

    @property
    def pins(self) -> Mapping[str, tuple[Endpoint, int]]:
        """The pins that can be driven from outside: by name, their endpoint and number there."""
        ...

    def input_room(self, endpoint: Endpoint) -> int:
        """How much an endpoint can take now without loss: bytes of a serial port, packets of a network card."""

    def set_output(self, sink: OutputSink) -> None:
        """Where goes what leaves by the endpoints."""

    def apply(self, event: InputEvent, probes: Probes | None = None) -> None:
        """Apply a debugger's write (POKE_*) or a user's RESET at the current position.

        Args:
            event: which.
            probes: note it for these, if they ask for what it changes.
        """

    # --- state -------------------------------------------------------------------------------
    def save_state(self) -> MachineState: ...

    def load_state(self, state: MachineState) -> None:
        """Take a state back. Pages are restored separately, before or after."""

    def mark_words(self, virtual_pages: Sequence[int], memory_pages: Sequence[int]) -> None:
        """From now on mark the words of these pages that are written to, by whomever, in runs that watch them; of none:
        mark no more. Such runs note no hits of watches.

        Args:
            virtual_pages: numbers of virtual pages: stores by these addresses count.
            memory_pages: numbers of the machine's pages: writes by whatever address count.
        """

    def take_marked_words(self) -> MarkedWords:
        """The words marked since the last call: all that were written to are in it."""

    def take_touched(self) -> Touched:
        """Pages touched since the last call; tracking starts anew."""

    def nonzero_pages(self) -> Sequence[int]:
        """Pages that hold anything but zeros, sorted: what a first checkpoint must copy."""

    def read_page(self, page: int) -> bytes:
        """The 4096 bytes of a page."""

    def read_pages(self, pages: Sequence[int]) -> bytes:
        """The pages' bytes, one after another."""

    def write_pages(self, pages: Sequence[int], data: bytes) -> None:
        """Put pages back (not a guest write: does not count as touched); stale translated code goes."""

    def copy_pages(self, pages: Numbers, out: PageRows, rows: Numbers) -> None:
        """Like ``read_pages``, but copies each page to a row of ``out``, 4096 bytes long."""

    def put_pages(self, pages: Numbers, source: PageRows, rows: Numbers) -> None:
        """Like ``write_pages``, with each page's bytes in a row of ``source``."""

    def expect_pages(self, pages: Sequence[int]) -> None:
        """These will be put back soon: the host is asked for their memory. May be called in any thread."""

    def digest(self) -> bytes:
        """16 bytes over registers, translation tables, memory and devices; equal iff the state is equal."""

    def page_digests(self) -> StateDigest:
        """The digests of all pages as they are now, for the caller to keep."""

    def know_page_digests(self, digests: StateDigest) -> None:
        """All pages have just been made what these were taken of: they need not be read again for the next digest.

        Args:
            digests: belong to the machine from now on.
        """

    # --- debugger's view ---------------------------------------------------------------------
    @property
    def layout(self) -> str:
        """Name of the layout that the registers have now; empty: there is but one."""
        ...

    def read_register(self, number: int) -> int:
        """The value of a register of the architecture, by the debugger's number."""
        ...

    def read_memory(self, address: int, length: int) -> bytes:
        """Bytes at a virtual address, through the guest's MMU as it stands, as many as are mapped.

        Device registers give what a load would; reading changes nothing.
        """

    def translate(self, address: int) -> int | None:
        """Guest-physical address of a virtual one, privilege ignored; None if unmapped."""

    def storage(self, address: int, length: int) -> list[Extent]:
        """What stands behind a range of virtual addresses now, privilege ignored, up to the first that is unmapped."""
        ...

    def device_load(self, address: int, size: int) -> DeviceLoad | None:
        """What a load from a virtual address would take from outside, if a device answers there. Nothing changes."""

    def loaded_from(self, address: int) -> str:
        """What a byte at a virtual address was loaded from at power-on, in words; empty: from nothing, as far as is
        known."""
        ...

    def holds(self, extents: Sequence[Extent], event: InputEvent) -> bool:
        """Whether a debugger's write to memory reaches any of these bytes."""
        ...

    def resolved(self, watch: Watch) -> Watch:
        """The watch with its storage, if the same memory stands behind its addresses at all times."""
        ...

    def take_change(self) -> WatchHit | None:
        """What something else than a store of the CPU has changed of what was watched in the latest run or step; asked
        again, None."""
        ...

    def note_writes(self, watch: Watch | None) -> None:
        """From now on keep every write to what a watch is for: those of exact runs, and the debugger's. None: no
        more."""

    def take_probe_notes(self, ended: bool) -> ProbeNotes:
        """What runs with probes have noted since the last call.

        Args:
            ended: nothing more is waited for: what has not returned is given, too, and forgotten.
        """
        ...

    def take_probe_count(self) -> ProbeCount:
        """What runs with probes that count have counted since the last call."""
        ...

    def take_accesses(self) -> AccessNotes:
        """The accesses that runs with probes have noted since the last call."""
        ...

    def take_writes(self) -> list[Write]:
        """The writes kept since the last call, in order."""
        ...

    def memory_areas(self) -> Sequence[MemoryArea]: ...

    def reports(self) -> Mapping[str, Report]:
        """Tables of this architecture that a user may want to read, by name (``tlb``)."""
