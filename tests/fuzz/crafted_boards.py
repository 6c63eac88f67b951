"""The texts of boards, crafted."""

from __future__ import annotations

import random

from tests.fuzz.crafted import BOARD, NUMBERS, flipped

_KEYS = (
    "name", "endian", "reset_pc", "clock_hz", "timer_irq", "base", "size", "fill", "image", "block", "port", "irq",
    "register_shift", "frequency_hz", "ram", "rom", "flash", "uart", "timer", "ignore", "x", "registers", "gpio",
    "pins", "high", "register", "offset", "width", "reset", "writable", "write_one_to_clear", "read_to_clear",
    "sequence", "sequence_bits", "restart", "interrupt", "enable", "exit", "machine_reset", "on_store", "set", "clear",
    "after_ns", "when", "device", "python", "seed", "parameters", '"\\u0000"', "a.b.c",
)  # fmt: skip
_VALUES = (
    *(str(number) for number in NUMBERS), *(hex(number) for number in NUMBERS if number >= 0), '"64K"', '"²M"', '"M"',
    '"-1M"', '"999999999999G"', '"little"', '"big"', '"native"', '"bios"', '"pflash"', '"none"', '""', '"\\n"', "true",
    "[]", "[1, 2]", "{}",
    "{a = 1}", '["led"]', "[[0, 3], 1]", '"A"', '"store"', '"d.py:Device"', '"device0.1"', "[[1]]",
    "1.5", "nan", "inf", "1979-05-27", "'" + "x" * 500 + "'", "9" * 500, "[" * 50,
    '"""', "\\", "0x", "1__0", "0b1", "0o7",
)  # fmt: skip
_HEADS = ("[[ram]]", "[[rom]]", "[[flash]]", "[[uart]]", "[timer]", "[[ignore]]", "[[a.b]]", "[[gpio]]", "[[device]]",
          "[[spi]]", "[[spi.chip]]", "[[dma]]",
          "[[registers]]", "[[registers.register]]", "[[registers.register.on_store]]")  # fmt: skip


def board(dice: random.Random) -> bytes:
    """The text of a board, with lines changed, moved or doubled."""
    lines = BOARD.decode().splitlines()
    for _ in range(dice.choice((1, 1, 2, 4, 8))):
        at = dice.randrange(len(lines))
        match dice.choice((0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 5, 6)):
            case 0:
                del lines[at : at + dice.choice((1, 2))]
            case 1:
                lines.insert(at, dice.choice(lines or [""]))
            case 2:
                lines.insert(at, f"{dice.choice(_KEYS)} = {dice.choice(_VALUES)}")
            case 3:
                lines.insert(at, dice.choice(_HEADS))
            case 4:
                key = lines[at].partition("=")[0]
                lines[at] = f"{key}= {dice.choice(_VALUES)}"
            case 5:
                lines[at : at + 1] = [lines[at]] * dice.choice((2, 50, 1000))
            case _:
                lines.append("\n".join(lines[-3:]))
        if not lines:
            lines = ["x"]
    text = "\n".join(lines).encode()
    return text if dice.random() < 0.85 else flipped(dice, text)
