"""What peripherals are written with (docs/boards.md): ``from rdbg.peripheral import Peripheral, Word``."""

from rdbg.emu.peripherals.bus_chips import I2cChip, SpiChip
from rdbg.emu.peripherals.declared_fields import (
    Byte,
    ByteBuffer,
    Countdown,
    Double,
    Half,
    Numbers,
    Ranged,
    RunningCountdown,
    Switch,
    Word,
)
from rdbg.emu.peripherals.peripheral_class import ALWAYS, NoAnswer, Peripheral

__all__ = [
    "ALWAYS",
    "ByteBuffer",
    "Byte",
    "Countdown",
    "Double",
    "Half",
    "I2cChip",
    "NoAnswer",
    "Ranged",
    "Numbers",
    "Peripheral",
    "RunningCountdown",
    "SpiChip",
    "Switch",
    "Word",
]
