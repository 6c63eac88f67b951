"""What MIPS' boot monitor YAMON leaves behind for a kernel (YAMON Reference Manual, MD00008): boot code, arguments."""

from __future__ import annotations

ARGUMENTS_PADDR = 0x2000
KSEG0, KSEG1 = 0x8000_0000, 0xA000_0000
ROM_PADDR = 0x1FC0_0000
ROM_SIZE = 0x900  #: bytes of boot code

VECTORS = 0x500
START = 0x580
STUB, PRINT, PRINT_COUNT = 0x800, 0x808, 0x83C  #: where QEMU has them

#: Service vectors (offset from VECTORS); all others point at the stub that returns 0.
_VECTORS = {0x00: START, 0x04: PRINT_COUNT, 0x20: START, 0x34: PRINT}
_STUB_VECTORS = (0x2C, 0x38, 0x3C, 0x40, 0x44, 0x48, 0x4C, 0x50, 0x54)

GT_RESET_PADDR, GT_PADDR = 0x1400_0000, 0x1BE0_0000
#: North-bridge registers and the values YAMON gives them: PCI I/O at 0x18000000, 2 MiB; PCI memory at 0x10000000 and
#: 0x18200000. Low registers hold address bits 35:21, high registers bits 27:21 of the last address.
_GT_WINDOWS = ((0x48, 0xC0), (0x50, 0x40), (0x58, 0x80), (0x60, 0x3F), (0x80, 0xC1), (0x88, 0x5E))
_GT_ISD = (0x68, GT_PADDR >> 21)

_ZERO, _V0, _A0, _A1, _A2, _A3, _T0, _T1, _T2, _T9, _K0, _K1, _SP, _RA = 0, 2, 4, 5, 6, 7, 8, 9, 10, 25, 26, 27, 29, 31


def _lui(rt: int, value: int) -> int:
    return 0x3C00_0000 | rt << 16 | value & 0xFFFF


def _ori(rt: int, rs: int, value: int) -> int:
    return 0x3400_0000 | rs << 21 | rt << 16 | value & 0xFFFF


def _addiu(rt: int, rs: int, value: int) -> int:
    return 0x2400_0000 | rs << 21 | rt << 16 | value & 0xFFFF


def _andi(rt: int, rs: int, value: int) -> int:
    return 0x3000_0000 | rs << 21 | rt << 16 | value & 0xFFFF


def _memory(opcode: int, rt: int, base: int, offset: int) -> int:
    return opcode << 26 | base << 21 | rt << 16 | offset & 0xFFFF


def _beq(rs: int, rt: int, words: int) -> int:
    """Branch by ``words`` from the delay slot."""
    return 0x1000_0000 | rs << 21 | rt << 16 | words & 0xFFFF


def _jr(rs: int) -> int:
    return rs << 21 | 0x08


def _jalr(rs: int) -> int:
    return rs << 21 | _RA << 11 | 0x09


def _j(paddr: int) -> int:
    return 0x0800_0000 | paddr >> 2 & 0x03FF_FFFF


_LBU, _SB, _SW = 0x24, 0x28, 0x2B
_NOP = 0


def _load_constant(register: int, value: int) -> list[int]:
    return [_lui(register, value >> 16), _ori(register, register, value)]


def _start(entry: int, low_ram_bytes: int, big_endian: bool, count: int) -> list[int]:
    """Set up the north bridge's windows, then the kernel's arguments, then go. The kernel finds in all registers what
    QEMU's boot code leaves there."""
    order = "big" if big_endian else "little"
    code: list[int] = []
    for base, registers in ((GT_RESET_PADDR, (_GT_ISD,)), (GT_PADDR, _GT_WINDOWS)):
        for offset, value in registers:
            # The chip's registers are little-endian until the kernel says otherwise.
            word = int.from_bytes(value.to_bytes(4, "little"), "big" if order == "big" else "little")
            address = KSEG1 | base | offset
            code += [*_load_constant(_K0, word), *_load_constant(_K1, address), _memory(_SW, _K0, _K1, 0)]
    arguments = KSEG0 | ARGUMENTS_PADDR
    code += _load_constant(_SP, arguments - 64)
    code += _load_constant(_A0, count)
    code += _load_constant(_A1, arguments)
    code += _load_constant(_A2, arguments + 8)
    code += _load_constant(_A3, low_ram_bytes)
    return [*code, *_load_constant(_T9, entry), _jalr(_T9), _NOP]


def _send_byte() -> list[int]:
    """Wait for the first serial port's transmitter, then send t0 (clobbers t1, t2)."""
    return [
        _lui(_T1, 0xB800),
        _memory(_LBU, _T2, _T1, 0x3FD),
        _andi(_T2, _T2, 0x40),
        _beq(_T2, _ZERO, -3),
        _NOP,
        _memory(_SB, _T0, _T1, 0x3F8),
    ]


def _print(counted: bool, at: int) -> list[int]:
    """print(port, text) up to a zero byte, or print_count(port, text, count), at an offset of the ROM."""
    send = _send_byte()
    # loop: load and test, and if it is over return as the stub does; send; advance; back. The two forms differ in what
    # ends the loop.
    over = (STUB - (at + 8)) // 4
    head = [_memory(_LBU, _T0, _A1, 0), _beq(_A2 if counted else _T0, _ZERO, over), _NOP]
    back = -(len(head) + len(send) + 3 - 1)
    step = [_addiu(_A1, _A1, 1), _beq(_ZERO, _ZERO, back), _addiu(_A2, _A2, -1) if counted else _NOP]
    return [*head, *send, *step]


def boot_rom(entry: int, low_ram_bytes: int, big_endian: bool, arguments: int = 2) -> bytes:
    """The ROM contents from the reset vector on.

    Args:
        entry: virtual address of the kernel's first instruction.
        low_ram_bytes: RAM below the I/O hole, passed in a3.
        big_endian: byte order of the machine.
        arguments: how many, passed in a0.
    """
    rom = bytearray(ROM_SIZE)

    def put(offset: int, words: list[int]) -> None:
        for index, word in enumerate(words):
            rom[offset + 4 * index : offset + 4 * index + 4] = word.to_bytes(4, "big" if big_endian else "little")

    put(0, [_j(ROM_PADDR | START), _NOP])
    # An exception that finds its vector in this ROM (Status.BEV) runs into these words. The first is a reserved
    # instruction: the guest hangs there, as on QEMU.
    vectors = dict.fromkeys(_STUB_VECTORS, STUB) | _VECTORS
    for offset, target in vectors.items():
        put(VECTORS + offset, [KSEG0 | ROM_PADDR | target])
    put(START, _start(entry, low_ram_bytes, big_endian, arguments))
    put(STUB, [_jr(_RA), _addiu(_V0, _ZERO, 0)])
    put(PRINT, _print(counted=False, at=PRINT))
    put(PRINT_COUNT, _print(counted=True, at=PRINT_COUNT))
    return bytes(rom)


def arguments_block(arguments: tuple[str, ...], environment: tuple[tuple[str, str], ...], big_endian: bool) -> bytes:
    """Arguments and environment as a kernel finds them at ``ARGUMENTS_PADDR``: pointers, then strings.

    Args:
        arguments: argv; the environment's pointers follow it at once.
        environment: names and values, each a string of its own.
        big_endian: byte order of the machine.
    """
    strings = [*arguments, *(text for pair in environment for text in pair)]
    address = (KSEG0 | ARGUMENTS_PADDR) + 4 * (len(strings) + 1)
    pointers = bytearray()
    text = bytearray()
    for string in strings:
        pointers += (address + len(text)).to_bytes(4, "big" if big_endian else "little")
        text += string.encode("utf-8", "surrogateescape") + b"\0"
    return bytes(pointers + bytes(4) + text)
