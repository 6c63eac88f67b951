"""The TLB in words, for people. Fields: MIPS32 Privileged Resource Architecture, vol. III, chapter 9."""

from __future__ import annotations

from collections.abc import Sequence

TlbRow = tuple[int, int, int, int]  #: EntryHi, PageMask, EntryLo0, EntryLo1


def tlb_report(rows: Sequence[TlbRow], asid: int) -> str:
    """The entries that map something.

    Args:
        rows: all entries of the TLB, by index.
        asid: the current address space, EntryHi.ASID.
    """
    lines = [
        f"INDEX  {'VIRTUAL':<23}ASID  {'PAGE SIZE':<11}{'EVEN PAGE':<20}{'ODD PAGE':<20}current ASID {asid:02x}",
    ]
    for index, (high, mask, low0, low1) in enumerate(rows):
        if not (low0 | low1) & 2:
            continue
        pair = (mask | 0x1FFF) + 1
        first = high & ~(pair - 1) & 0xFFFF_FFFF
        owner = "any" if low0 & low1 & 1 else f"{high & 0xFF:02x}"
        lines.append(
            f"{index:>5}  {first:08x}-{first + pair - 1:08x}      {owner:<6}{f'{pair // 2048} KiB':<11}"
            f"{_page(low0):<20}{_page(low1):<20}".rstrip()
        )
    if len(lines) == 1:
        return f"none of the {len(rows)} TLB entries maps anything\n"
    return "\n".join(lines) + "\n"


def _page(low: int) -> str:
    """One page of a pair: physical address, Dirty (writable), cache attribute."""
    if not low & 2:
        return "-"
    return f"{(low >> 6 & 0xFFFFF) << 12:08x} {'rw' if low & 4 else 'r-'} cache {low >> 3 & 7}"
