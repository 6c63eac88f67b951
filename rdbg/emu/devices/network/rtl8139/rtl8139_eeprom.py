"""The 93C46 EEPROM beside the RTL8139: 64 words behind three wires. Only reads do something, as in QEMU's card."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

WORDS = 64
COMMAND_BITS, WORD_BITS = 8, 16
_READ, _OPCODE_MASK = 0x80, 0xC0
SELECT, CLOCK, DATA_IN, DATA_OUT = 0x08, 0x04, 0x02, 0x01


def rtl8139_eeprom_words(mac: bytes) -> tuple[int, ...]:
    """The 64 words: identification, vendor, device, and the address from word 7 on."""
    words = [0] * WORDS
    words[0:3] = 0x8129, 0x10EC, 0x8139
    words[7:10] = (int.from_bytes(mac[place : place + 2], "little") for place in (0, 2, 4))
    return tuple(words)


class EepromPhase(IntEnum):
    """What the next clock edge does."""

    IDLE = 0  #: nothing, before it is selected anew
    START = 1  #: wait for the start bit
    COMMAND = 2  #: take a bit of the command
    OUT = 3  #: put out a bit of the word


@dataclass
class Eeprom93C46:
    """Its state.

    Args:
        phase: a `EepromPhase`.
        clocks: edges in this phase.
        shifted: bits of the command so far.
        word: what is left of the word to put out.
        is_selected, clock: the wires, as last driven.
        out: the wire that it drives.
    """

    phase: int = EepromPhase.IDLE
    clocks: int = 0
    shifted: int = 0
    word: int = 0
    is_selected: bool = False
    clock: bool = False
    out: bool = False

    @property
    def data_out(self) -> bool:
        """The wire that the card reads."""
        return self.is_selected and self.out

    def drive(self, wires: int, words: tuple[int, ...]) -> None:
        """Drive the wires.

        Args:
            wires: SELECT, CLOCK and DATA_IN.
            words: its contents.
        """
        selected, clock = bool(wires & SELECT), bool(wires & CLOCK)
        was_selected, was_clock = self.is_selected, self.clock
        self.is_selected, self.clock = selected, clock
        if selected and not was_selected:
            self.phase = EepromPhase.START
            self.clocks = self.shifted = self.word = 0
        if selected and clock and not was_clock:
            self._edge(bool(wires & DATA_IN), words)

    def _edge(self, bit: bool, words: tuple[int, ...]) -> None:
        self.clocks = self.clocks + 1 & 0xFFFF_FFFF
        if self.phase == EepromPhase.START:
            if bit:
                self.phase = EepromPhase.COMMAND
                self.clocks = self.shifted = 0
        elif self.phase == EepromPhase.COMMAND:
            self.shifted = self.shifted << 1 & 0xFFFF | bit
            if self.clocks == COMMAND_BITS:
                self._decode(self.shifted & 0xFF, words)
        elif self.phase == EepromPhase.OUT:
            self.out = bool(self.word & 0x8000)
            self.word = self.word << 1 & 0xFFFF
            if self.clocks == WORD_BITS:
                self.phase = EepromPhase.START
                self.clocks = self.shifted = 0

    def _decode(self, command: int, words: tuple[int, ...]) -> None:
        if command & _OPCODE_MASK == _READ:
            self.word = words[command & WORDS - 1]
            self.out = False
            self.clocks = 0
            self.phase = EepromPhase.OUT
        else:
            self.phase = EepromPhase.IDLE
