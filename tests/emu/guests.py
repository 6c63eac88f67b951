"""Guests of a few instruction words, without a toolchain."""

from __future__ import annotations

import struct
from dataclasses import replace

from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine import Machine
from rdbg.emu.registers import PC, STATUS
from rdbg.emu.spec import Image, MachineSpec, Semihosting
from tests.emu.images import elf

CODE = 0x80100000
HANDLER = 0x80000180
NOP = 0
KERNEL_MODE = 0x00000000  # no BEV, no ERL, interrupts off


def r_type(function: int, rs: int, rt: int, rd: int, sa: int = 0) -> int:
    """A SPECIAL instruction."""
    return rs << 21 | rt << 16 | rd << 11 | sa << 6 | function


def i_type(op: int, rs: int, rt: int, immediate: int) -> int:
    """An instruction with an immediate."""
    return op << 26 | rs << 21 | rt << 16 | immediate & 0xFFFF


def addiu(rt: int, rs: int, immediate: int) -> int:
    return i_type(0x09, rs, rt, immediate)


def lui(rt: int, immediate: int) -> int:
    return i_type(0x0F, 0, rt, immediate)


def add(rd: int, rs: int, rt: int) -> int:
    return r_type(0x20, rs, rt, rd)


def beq(rs: int, rt: int, words: int) -> int:
    return i_type(0x04, rs, rt, words)


def beql(rs: int, rt: int, words: int) -> int:
    return i_type(0x14, rs, rt, words)


def lw(rt: int, offset: int, base: int) -> int:
    return i_type(0x23, base, rt, offset)


def sw(rt: int, offset: int, base: int) -> int:
    return i_type(0x2B, base, rt, offset)


def mfc0(rt: int, rd: int) -> int:
    return 0x40000000 | rt << 16 | rd << 11


def mtc0(rt: int, rd: int) -> int:
    return 0x40800000 | rt << 16 | rd << 11


ERET = 0x42000018
WAIT = 0x42000020
LOOP = beq(0, 0, -1)

#: Skips the instruction that raised the exception: EPC += 4.
SKIPPING_HANDLER = [mfc0(26, 14), addiu(26, 26, 4), mtc0(26, 14), ERET]


def machine_with(
    code: list[int],
    handler: list[int] | None = None,
    big_endian: bool = False,
    at: int = CODE,
    status: int = 0,
    ram_bytes: int = 16 << 20,
    semihosting: Semihosting | None = None,
) -> Machine:
    """A Malta in kernel mode at the first of ``code``'s words, in RAM at ``at``.

    Args:
        code: instruction words.
        handler: words at the general exception vector.
        big_endian: byte order.
        at: virtual address in kseg0 or kseg1.
        status: CP0 Status to start with.
        ram_bytes: size of RAM.
        semihosting: what it may ask of the host.
    """
    order = ">" if big_endian else "<"
    firmware = struct.pack(f"{order}64I", 0x3C080000, *[0x25080001] * 61, 0x1000FFFF, 0)
    spec = MachineSpec("malta", "24Kf", big_endian, ram_bytes, 3, (Image("bios", "loop.bin", firmware),))
    machine = Machine(replace(spec, semihosting=semihosting))
    poke_words(machine, at, code)
    poke_words(machine, HANDLER, handler or [LOOP, NOP])
    machine.apply(InputEvent(0, InputKind.POKE_REGISTER, STATUS, status))
    machine.apply(InputEvent(0, InputKind.POKE_REGISTER, PC, at))
    return machine


#: Where `serial_reader` keeps what it reads.
KEPT = 0x80200000


def serial_reader(echo: bool = False, fifo: bool = False) -> bytes:
    """An executable for Malta that keeps all that its serial port gives it, one byte after another from KEPT on. Four
    words in, the port is ready.

    Args:
        echo: sends each byte back.
        fifo: the port's FIFOs are on.
    """
    send = [i_type(0x28, 9, 8, 0x3F8)] if echo else []
    code = [
        lui(9, 0xB800),
        addiu(8, 0, int(fifo)),
        i_type(0x28, 9, 8, 0x3FA),  # sb: FIFO control
        lui(10, KEPT >> 16),
        i_type(0x24, 9, 8, 0x3FD),  # lbu: line status
        0x31080001,  # andi $8, $8, 1
        beq(8, 0, -3),
        NOP,
        i_type(0x24, 9, 8, 0x3F8),  # lbu: the byte
        *send,
        i_type(0x28, 10, 8, 0),
        beq(0, 0, -7 - len(send)),
        addiu(10, 10, 1),
    ]
    return elf(data=struct.pack(f"<{len(code)}I", *code))


def poke_words(machine: Machine, address: int, words: list[int]) -> None:
    """Put instruction words at a kseg0 or kseg1 address."""
    order = ">" if machine.big_endian else "<"
    data = struct.pack(f"{order}{len(words)}I", *words)
    machine.apply(InputEvent(0, InputKind.POKE_MEMORY, 0, address & 0x1FFFFFFF, data))
