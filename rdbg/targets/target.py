"""An architecture as debuggers know it: the names in its description, and what ELF files say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

from rdbg.elf.elf_file import ElfFile
from rdbg.emu.architecture import Architecture
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class Target:
    """How debuggers know an architecture.

    Args:
        architecture: the machine's own data.
        features: unit of registers -> name of the feature of the target description that holds it. Others are called
            ``org.rdbg.ARCHITECTURE.UNIT``.
        undescribed: numbers of the registers that a client assumes that reads no description.
        foreign: numbers by which such a client means registers that are not there.
        any_name: BFD's name for all of its cores, which goes with any file; None: ``architecture.bfd_name`` does.
        name_of: BFD's name for the cores that an ELF file is for; None: it is not known.
        layout_of: name of the register layout that an ELF file is compiled for; None: it does not say.
    """

    architecture: Architecture
    features: Mapping[str, str] = field(default_factory=dict)
    undescribed: range = range(1 << 16)
    foreign: range = range(0)
    any_name: str | None = None
    name_of: Callable[[ElfFile], str | None] = field(default=lambda elf: None)
    layout_of: Callable[[ElfFile], str | None] = field(default=lambda elf: None)

    def feature(self, unit: str) -> str:
        """The feature that holds the registers of a unit."""
        return self.features.get(unit, f"org.rdbg.{self.architecture.name}.{unit}")

    def called(self, elf: ElfFile | None, brings_program: bool) -> str:
        """What the CPU is called in its description.

        Args:
            elf: the executable, which may say what it is for; None: it cannot be read.
            brings_program: the debugger has another one, which may be for any core.
        """
        anything = self.any_name or self.architecture.bfd_name
        return anything if brings_program or elf is None else self.name_of(elf) or anything
