"""ELF files and raw images: what is taken, and what is said of what is not."""

from __future__ import annotations

import os
import random

import pytest

from rdbg.emu.loaders.elf import parse_elf
from rdbg.emu.loaders.raw import WordOrder, swap_words, word_order
from rdbg.emu.spec import Image
from rdbg.errors import RdbgError
from tests.emu.images import code, elf

UBOOT = "/usr/lib/u-boot/maltael/"


def image(data: bytes) -> Image:
    return Image("kernel", "x.elf", data)


@pytest.mark.parametrize("big_endian", [False, True])
def test_elf(big_endian: bool) -> None:
    parsed = parse_elf(image(elf(0xA010_0000, b"abcd", big_endian=big_endian, extra_memory=12)), big_endian)
    assert parsed.entry == 0xA010_0000
    (segment,) = parsed.segments
    assert (segment.paddr, segment.data, segment.size) == (0x0010_0000, b"abcd", 16)
    assert (parsed.lowest, parsed.highest) == (0x10_0000, 0x10_0010)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not an ELF file"),
        (b"\x7fELF\x01\x01", "truncated"),
        (elf(big_endian=True), "big-endian, the machine is little-endian"),
        (elf(machine=62), "x86-64, not for MIPS"),
        (elf(kind=1), "relocatable object"),
        (elf()[:60], "truncated: its program headers"),
        (elf()[:90], "truncated: segment 0"),
        (elf()[:4] + b"\x02" + elf()[5:], "64-bit ELF"),
        (elf(data=b""), "nothing to load"),
    ],
)
def test_bad_elf_files(data: bytes, words: str) -> None:
    with pytest.raises(RdbgError, match=words) as info:
        parse_elf(image(data), False)
    assert "'x.elf'" in str(info.value)
    assert "\n" not in str(info.value)


def test_random_damage_never_escapes() -> None:
    generator = random.Random(1)
    good = elf(data=b"x" * 64)
    for _ in range(3000):
        data = bytearray(good[: generator.randrange(len(good) + 1)])
        for _ in range(generator.randrange(4)):
            if data:
                data[generator.randrange(len(data))] = generator.randrange(256)
        try:
            parse_elf(image(bytes(data)), False)
        except RdbgError as error:
            assert "\n" not in str(error)


def test_word_order_of_code() -> None:
    assert word_order(code(False)) is WordOrder.LITTLE
    assert word_order(code(True)) is WordOrder.BIG
    assert word_order(bytes(64) + code(True)) is WordOrder.BIG
    assert word_order(swap_words(code(True))) is WordOrder.LITTLE


def test_word_order_of_code_before_much_data() -> None:
    assert word_order(code(False) + random.Random(2).randbytes(20000)) is WordOrder.LITTLE


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 4096, b"\xff" * 4096, random.Random(3).randbytes(9000), b"This is a text, not a ROM.\n" * 99]
)
def test_no_code(data: bytes) -> None:
    assert word_order(data) is WordOrder.UNKNOWN


def test_swap_fills_up_the_last_word() -> None:
    assert swap_words(b"abcdef") == b"dcba\0\0fe"


@pytest.mark.real("u-boot-qemu")
def test_word_order_of_u_boot() -> None:
    with open(os.path.join(UBOOT, "u-boot.bin"), "rb") as file:
        data = file.read()
    assert word_order(data) is WordOrder.LITTLE
    assert word_order(swap_words(data)) is WordOrder.BIG
