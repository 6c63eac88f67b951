"""What a user's chips on a bus are made from."""

from __future__ import annotations

from rdbg.emu.peripherals.peripheral_class import Peripheral


class SpiChip(Peripheral):
    """A chip on an ``[[spi]]`` bus. It has no registers at addresses; it defines `transfer`."""

    def selected(self, level: bool) -> None:
        """Its select line has changed; True: it is selected."""

    def transfer(self, byte: int) -> int:
        """A byte comes in, and the one that goes out at the same time is returned."""
        return 0xFF


class I2cChip(Peripheral):
    """A chip on an ``[[i2c]]`` bus. It has no registers at addresses; it defines `store` and `fetch`."""

    def start(self, reading: bool) -> bool:
        """It has been addressed, to be read or written; whether it acknowledges. Also in the middle of a transfer."""
        return True

    def store(self, byte: int) -> bool:
        """A byte comes in; whether it acknowledges."""
        return False

    def fetch(self) -> int:
        """The byte that it sends."""
        return 0xFF

    def stop(self) -> None:
        """The transfer is over."""
