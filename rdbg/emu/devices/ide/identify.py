"""What a drive says of itself (ATA/ATAPI-7, IDENTIFY DEVICE and IDENTIFY PACKET DEVICE), as QEMU 7.2's drives do."""

from __future__ import annotations

from rdbg.emu.disk import Disk, DiskError

#: QEMU names the hardware's version, which its boards leave at this since 2.5, so that guests see the same drive.
FIRMWARE = "2.5+"
DISK_MODEL, CD_MODEL = "QEMU HARDDISK", "QEMU DVD-ROM"

MULTIPLE_MAX = 16  #: sectors in a block of READ MULTIPLE and WRITE MULTIPLE
#: Words that SET FEATURES changes: single-word DMA mode, multi-word DMA mode, what is enabled, Ultra DMA mode.
SINGLE_WORD_DMA, MULTI_WORD_DMA, ENABLED, ULTRA_DMA = 62, 63, 85, 88
CHANGING = (SINGLE_WORD_DMA, MULTI_WORD_DMA, ENABLED, ULTRA_DMA)
#: Value of `ENABLED`: NOP, write cache, SMART.
WRITE_CACHE_ON, WRITE_CACHE_OFF = 0x4021, 0x4001
DISK_WORDS = (0x0007, 0x0007, WRITE_CACHE_ON, 0x203F)
CD_WORDS = (0x0007, 0x0007, 0x0000, 0x203F)

_LBA28_MAX = (1 << 28) - 1
_HEADS, _TRACK, _CYLINDERS_MAX = 16, 63, 16383
_PARTITIONS, _PARTITION_SIZE, _SIGNATURE = 0x1BE, 16, b"\x55\xaa"


def geometry(disk: Disk) -> tuple[int, int, int]:
    """Cylinders, heads, sectors of a track. They are those of the disk's partition table, if it has one that was made
    with at most 16 heads; else those that follow from the size."""
    try:
        first = disk.read(0, 1) if disk.sectors else b""
    except DiskError:
        first = b""
    if first[0x1FE:] == _SIGNATURE:
        for offset in range(_PARTITIONS, _PARTITIONS + 4 * _PARTITION_SIZE, _PARTITION_SIZE):
            last_head, last_sector = first[offset + 5], first[offset + 6]
            if not any(first[offset + 12 : offset + 16]) or not last_head:
                continue
            heads, track = last_head + 1, last_sector & 63
            if not track:
                continue
            cylinders = disk.sectors // (heads * track)
            if 1 <= cylinders <= _CYLINDERS_MAX:
                if heads <= _HEADS:
                    return cylinders, heads, track
                break
    return min(max(disk.sectors // (_HEADS * _TRACK), 2), _CYLINDERS_MAX), _HEADS, _TRACK


def serial_number(disk: Disk, number: int) -> str:
    """The one that the user gave, or the drive's own: its number in the machine, from 1."""
    return disk.serial or f"QM{number:05}"


def _text(words: list[int], first: int, text: str, count: int) -> None:
    """Put text into words: the first of two letters in the upper byte."""
    padded = text.encode("ascii", "replace").ljust(2 * count)[: 2 * count]
    for index in range(count):
        words[first + index] = padded[2 * index] << 8 | padded[2 * index + 1]


def _pack(words: list[int], changing: list[int]) -> bytes:
    for word, value in zip(CHANGING, changing, strict=True):
        words[word] = value
    return b"".join(word.to_bytes(2, "little") for word in words)


def identify_disk(sectors: int, shape: tuple[int, int, int], serial: str, multiple: int, changing: list[int]) -> bytes:
    """The 512 bytes of IDENTIFY DEVICE.

    Args:
        sectors: of 512 bytes.
        shape: cylinders, heads, sectors of a track.
        serial: its serial number.
        multiple: sectors of a block that SET MULTIPLE has set; 0: none.
        changing: the words of `CHANGING`.
    """
    words = [0] * 256
    cylinders, heads, track = shape
    words[0:7] = [0x0040, cylinders, 0, heads, 512 * track & 0xFFFF, 512, track]
    _text(words, 10, serial, 10)
    words[20:23] = [3, 512, 4]
    _text(words, 23, FIRMWARE, 4)
    _text(words, 27, DISK_MODEL, 20)
    words[47] = 0x8000 | MULTIPLE_MAX
    words[48], words[49] = 1, 0x0B00  # 32-bit I/O; IORDY, LBA, DMA
    words[51], words[52], words[53] = 0x0200, 0x0200, 0x0007
    words[54:57] = [cylinders, heads, track]
    by_shape = cylinders * heads * track
    words[57], words[58] = by_shape & 0xFFFF, by_shape >> 16 & 0xFFFF
    words[59] = 0x100 | multiple if multiple else 0
    in_28_bits = min(sectors, _LBA28_MAX)
    words[60], words[61] = in_28_bits & 0xFFFF, in_28_bits >> 16
    words[64:69] = [3, 120, 120, 120, 120]
    words[80], words[81] = 0x00F0, 0x0016  # ATA-4 to ATA-7
    words[82], words[83], words[84] = 0x4021, 0x7400, 0x4000  # NOP, write cache, SMART; flush, 48-bit addresses
    words[86], words[87] = 0x3400, 0x4000
    words[69] = 0x4000  # what was trimmed reads the same each time
    words[93] = 0x6001
    words[100:104] = [sectors >> shift & 0xFFFF for shift in (0, 16, 32, 48)]
    words[106] = 0x6000
    words[169] = 1  # TRIM
    return _pack(words, changing)


def identify_cd(serial: str, changing: list[int]) -> bytes:
    """The 512 bytes of IDENTIFY PACKET DEVICE.

    Args:
        serial: its serial number.
        changing: the words of `CHANGING`.
    """
    words = [0] * 256
    words[0] = 0x85C0  # removable CD-ROM, packets of 12 bytes, answers within 50 microseconds
    _text(words, 10, serial, 10)
    words[20:23] = [3, 512, 4]
    _text(words, 23, FIRMWARE, 4)
    _text(words, 27, CD_MODEL, 20)
    words[48], words[49], words[53] = 1, 0x0300, 0x0007
    words[64:69] = [3, 0xB4, 0xB4, 0x12C, 0xB4]
    words[71] = words[72] = 30
    words[80] = 0x001E  # up to ATA/ATAPI-4
    return _pack(words, changing)
