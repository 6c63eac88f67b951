"""A name for an address."""

from __future__ import annotations

from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class Symbol:
    """One symbol, as ``nm`` lists it.

    Args:
        address: 32-bit virtual address.
        kind: nm's letter: ``T`` code, ``D`` data, ...; lower case: local.
        name: its name.
    """

    address: int
    kind: str
    name: str

    @property
    def is_code(self) -> bool:
        """Whether it names code (weak symbols of a kernel's kallsyms do)."""
        return self.kind in "TtWw"
