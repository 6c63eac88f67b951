"""32-bit addresses as GDB for MIPS writes them: sign-extended to 64 bits."""

from __future__ import annotations

_UPPER_HALF = 0xFFFF_FFFF_8000_0000


def sign_extended(address: int) -> int:
    """A 32-bit address in 64 bits, unsigned."""
    return address | _UPPER_HALF if address & 0x8000_0000 else address


def short(address: int) -> int:
    """The 32-bit address that a sign-extended one stands for; any other value as it is."""
    return address & 0xFFFF_FFFF if address >= _UPPER_HALF else address
