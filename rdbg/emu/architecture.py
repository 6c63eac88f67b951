"""What an architecture is, as data: all that those above a machine know of its instructions, addresses and registers.

An address above the machine is a number of up to 64 bits in the one form that the architecture itself uses: that of a
32-bit core has 32 bits. Debuggers hold addresses in 64 bits, those of 32-bit cores sign-extended: the two forms meet in
`Architecture.address` and `Architecture.extended`, and nowhere else.
"""

from __future__ import annotations

from enum import Enum
from functools import cached_property

from rdbg.quick_dataclass import dataclass

_WIDEST = 64


class RegisterKind(Enum):
    """What a register holds."""

    INTEGER = "integer"
    CODE = "code"  #: the address of an instruction
    FLOAT = "float"  #: a floating-point number (IEEE 754)


@dataclass(frozen=True)
class RegisterInfo:
    """One register.

    Args:
        number: the debugger's number of it: what packets and expressions say.
        name: its name (``r0``, ``pc``, ``status``, ``f0``, ...).
        bits: width.
        unit: the part of the CPU that it belongs to.
        journal_id: what it is called in journals. Never give one to another register, whatever becomes of the number.
        kind: what it holds.
        group: ``general``, ``float``, ``system``.
        saved: whether a debugger that calls a function should put it back; not what the hardware moves or fixes.
        aliases: other names that users know it by (``sp``, ``a0``).
        layout: name of the layout that it is in; empty: it is in all.
    """

    number: int
    name: str
    bits: int
    unit: str
    journal_id: int
    kind: RegisterKind = RegisterKind.INTEGER
    group: str = "general"
    saved: bool = True
    aliases: tuple[str, ...] = ()
    layout: str = ""


@dataclass(frozen=True)
class RegisterLayout:
    """One of the ways in which a program can arrange some registers.

    Args:
        name: of this layout.
        notice: told to a user whose debugger was told of another one, when the guest has changed to this; empty: it
            still shows all.
    """

    name: str
    notice: str = ""


@dataclass(frozen=True)
class ElfIdentity:
    """By what an ELF file says that it is for this architecture (System V ABI, "ELF Header").

    Args:
        machine: ``e_machine``.
        bits: 32 or 64, ``EI_CLASS``.
        flags: ``e_flags`` of a file that any of its cores runs.
    """

    machine: int
    bits: int
    flags: int = 0


@dataclass(frozen=True)
class AddressSegment:
    """A part of the virtual address space that shows guest-physical memory, whatever tables the guest has set up.

    Args:
        start: first virtual address.
        length: bytes.
        physical: guest-physical address of its first byte.
    """

    start: int
    length: int
    physical: int

    def has(self, address: int) -> bool:
        """Whether a virtual address is in it."""
        return self.start <= address < self.start + self.length


@dataclass(frozen=True)
class NamedCall:
    """An instruction of four bytes that calls a function which it names: by bits of its address, in words.

    Args:
        code: the instruction without them.
        named: mask of the bits that they take.
        returns_behind: bytes from the instruction to where the function returns.
    """

    code: int
    named: int
    returns_behind: int

    def of(self, function: int) -> int:
        """The instruction that calls the function at an address."""
        return self.code | function >> 2 & self.named


@dataclass(frozen=True)
class CallingConvention:
    """How functions are called, and the operating system, by names of registers (aliases, too).

    Args:
        arguments: registers of the first arguments.
        results: of what is returned: two.
        call_number: which system call is asked for.
        call_arguments: its arguments.
        call_results: what it returns, and whether that is an error.
        call_exception: code of the exception that a system call is.
        named_call: the instruction that calls most functions; None: there is no such one.
    """

    arguments: tuple[str, ...]
    results: tuple[str, str]
    call_number: str
    call_arguments: tuple[str, ...]
    call_results: tuple[str, str]
    call_exception: int
    named_call: NamedCall | None = None


@dataclass(frozen=True)
class ExceptionInfo:
    """An exception that an instruction can raise, or an interrupt.

    Args:
        code: the architecture's number.
        name: its short name.
        has_address: whether an address comes with it.
        interrupt: whether it is one.
    """

    code: int
    name: str
    has_address: bool = False
    interrupt: bool = False


@dataclass(frozen=True)
class Architecture:
    """What an architecture is.

    Args:
        name: of rdbg's own.
        bfd_name: what GDB and BFD call it.
        elf: how its ELF files are known.
        address_bits: width of a virtual address.
        instruction_alignment: bytes; every instruction's address is a multiple of it.
        instruction_lengths: bytes that an instruction can have, ascending.
        longest_step: instructions that run as one at most, with no position between them (a branch and its slot).
        longest_block: no block of instructions that a machine runs at once has more.
        pc, stack_pointer: names of the registers with these roles.
        expedited: names of the registers that a debugger wants to know at each stop.
        registers: all, in the order of their numbers.
        inside_step: what users call the inside of a step of several instructions.
        layouts: of registers; the first is that of a reset. Empty: there is but one.
        segments: ascending.
        convention: how functions are called; None: that is not known.
        exceptions: that it has.
    """

    name: str
    bfd_name: str
    elf: ElfIdentity
    address_bits: int
    instruction_alignment: int
    instruction_lengths: tuple[int, ...]
    longest_step: int
    longest_block: int
    pc: str
    stack_pointer: str
    expedited: tuple[str, ...]
    registers: tuple[RegisterInfo, ...]
    inside_step: str = "a step"
    layouts: tuple[RegisterLayout, ...] = ()
    segments: tuple[AddressSegment, ...] = ()
    convention: CallingConvention | None = None
    exceptions: tuple[ExceptionInfo, ...] = ()

    # --- addresses -------------------------------------------------------------------------------
    @cached_property
    def address_end(self) -> int:
        """One more than the last address."""
        return 1 << self.address_bits

    def address(self, value: int) -> int | None:
        """The address that a number of 64 bits stands for, which may be sign-extended; None: it is too large for one.

        Args:
            value: as a debugger or a user has written it.
        """
        narrow = value & (self.address_end - 1)
        return narrow if value in (narrow, self.extended(narrow)) else None

    def extended(self, address: int) -> int:
        """An address as debuggers hold it: sign-extended to 64 bits."""
        if address >> (self.address_bits - 1):
            return address | ((1 << _WIDEST) - self.address_end)
        return address

    def wrapped(self, number: int) -> int:
        """The address that a sum comes to: beyond the last one the first one follows."""
        return number & (self.address_end - 1)

    def room(self, address: int) -> int:
        """Bytes from an address to the end of the address space."""
        return self.address_end - address

    def shown(self, address: int) -> str:
        """An address in words, with all its digits."""
        return f"{address:#0{2 + self.address_bits // 4}x}"

    # --- instructions ----------------------------------------------------------------------------
    @property
    def step_reach(self) -> int:
        """How far behind the address of a step's first instruction the last one can begin, in bytes."""
        return (self.longest_step - 1) * self.instruction_lengths[-1]

    def ends_of_step(self, pc: int) -> frozenset[int]:
        """Where the step that begins at ``pc`` can end if it leads nowhere else."""
        ends, last = frozenset[int](), frozenset({pc})
        for _ in range(self.longest_step):
            last = frozenset(self.wrapped(end + length) for end in last for length in self.instruction_lengths)
            ends |= last
        return ends

    # --- registers -------------------------------------------------------------------------------
    def registers_of(self, layout: str = "") -> tuple[RegisterInfo, ...]:
        """The registers of a layout, or of the first one."""
        chosen = layout or (self.layouts[0].name if self.layouts else "")
        return tuple(info for info in self.registers if info.layout in ("", chosen))

    def register(self, number: int) -> RegisterInfo | None:
        """The register of a debugger's number, in any layout."""
        return self._by_number.get(number)

    def register_of_journal(self, journal_id: int) -> RegisterInfo | None:
        """The register that a journal means."""
        return self._by_journal_id.get(journal_id)

    def number_of(self, name: str) -> int:
        """The debugger's number of a register, in the first layout.

        Raises:
            KeyError: there is no such register.
        """
        return {info.name: info.number for info in self.registers_of()}[name]

    def number_of_name(self, name: str, layout: str = "") -> int | None:
        """The debugger's number of a register by any of its names, in a layout or the first; None: there is none."""
        return next((info.number for info in self.registers_of(layout) if name in (info.name, *info.aliases)), None)

    @cached_property
    def _by_number(self) -> dict[int, RegisterInfo]:
        return {info.number: info for info in self.registers}

    @cached_property
    def _by_journal_id(self) -> dict[int, RegisterInfo]:
        return {info.journal_id: info for info in self.registers}
