"""Raw firmware images: which byte order their instruction words are in."""

from __future__ import annotations

from enum import Enum

SAMPLE_WORDS = 2048  #: non-zero words looked at
CODE_SHARE = 0.85  #: of them must be instructions: programs have 0.99 in their order, 0.7 in the other; text has 0.5
FIRST_WORDS = 12

#: Major opcodes that a MIPS32 Release 2 core with FPU and without coprocessor 2 executes.
_MAJOR = frozenset(range(0x12)) | {0x13, 0x14, 0x15, 0x16, 0x17, 0x1C, 0x1F} | frozenset(range(0x20, 0x27)) | {
    0x28, 0x29, 0x2A, 0x2B, 0x2E, 0x2F, 0x30, 0x31, 0x33, 0x35, 0x38, 0x39, 0x3D,
}  # fmt: skip

#: SPECIAL functions (bits 5:0).
_SPECIAL = frozenset(
    (0x00, 0x01, 0x02, 0x03, 0x04, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0F, 0x10, 0x11, 0x12, 0x13,
     0x18, 0x19, 0x1A, 0x1B, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2A, 0x2B,
     0x30, 0x31, 0x32, 0x33, 0x34, 0x36)
)  # fmt: skip
_REGIMM = frozenset((0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0E, 0x10, 0x11, 0x12, 0x13, 0x1F))
_SHIFT_FUNCTIONS = frozenset((0x00, 0x02, 0x03))
_STARTS = frozenset((0x02, 0x04, 0x0F, 0x10))  #: major opcodes at a reset vector: j, b, lui, mtc0


class WordOrder(Enum):
    """Byte order of a raw image's instruction words."""

    LITTLE = "little"
    BIG = "big"
    UNKNOWN = "unknown"  #: does not look like MIPS code either way


def _plausible(word: int) -> bool:
    """Whether a word is an instruction that a compiler or a boot ROM's author writes."""
    major, rs, rt, function = word >> 26, word >> 21 & 31, word >> 16 & 31, word & 0x3F
    if major == 0x00:
        shift_amount = word >> 6 & 31
        if function not in _SPECIAL:
            return False
        return function in _SHIFT_FUNCTIONS or function in (0x0C, 0x0D, 0x0F) or function >= 0x30 or shift_amount == 0
    if major == 0x01:
        return rt in _REGIMM
    if major == 0x0F:  # lui
        return rs == 0
    if major in (0x06, 0x07, 0x16, 0x17):  # compare with zero: no second register
        return rt == 0
    return major in _MAJOR


def _scores(data: bytes, limit: int) -> tuple[int, int, int]:
    """Plausible words as little-endian, as big-endian, and how many non-zero words were looked at."""
    little = big = words = 0
    for offset in range(0, len(data) & ~3, 4):
        word = data[offset : offset + 4]
        if word in (b"\0\0\0\0", b"\xff\xff\xff\xff"):
            continue
        words += 1
        little += _plausible(int.from_bytes(word, "little"))
        big += _plausible(int.from_bytes(word, "big"))
        if words == limit:
            break
    return little, big, words


def word_order(data: bytes) -> WordOrder:
    """The byte order in which an image's words are MIPS instructions.

    Nearly all words of a real program are valid instructions in its own order, and many are not in the other. An image
    that is mostly data is judged by its first words, which must all be code.
    """
    for limit, share in ((SAMPLE_WORDS, CODE_SHARE), (FIRST_WORDS, 1.0)):
        little, big, words = _scores(data, limit)
        if words and little != big and max(little, big) >= words * share:
            return WordOrder.LITTLE if little > big else WordOrder.BIG
    return _reset_word_order(data)


def _reset_word_order(data: bytes) -> WordOrder:
    """Judged by the first non-zero words: a jump, branch, lui or mtc0, and only code after it."""
    little, big, words = _scores(data, FIRST_WORDS)
    nonzero = (data[offset : offset + 4] for offset in range(0, len(data) & ~3, 4) if any(data[offset : offset + 4]))
    first = next(nonzero, b"")
    if words and big == words and int.from_bytes(first, "big") >> 26 in _STARTS:
        return WordOrder.BIG
    if words and little == words and int.from_bytes(first, "little") >> 26 in _STARTS:
        return WordOrder.LITTLE
    return WordOrder.UNKNOWN


def swap_words(data: bytes) -> bytes:
    """Reverse the bytes of each 32-bit word; a last partial word is filled up with zeros."""
    padded = data + bytes(-len(data) % 4)
    swapped = bytearray(len(padded))
    for lane in range(4):
        swapped[lane::4] = padded[3 - lane :: 4]
    return bytes(swapped)
