"""What a device writes by DMA, as a user of GDB meets it: watchpoints stop there both ways and the writer is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gdb.answers import START_WORDS, says
from tests.gdb.driver import GUESTS, Gdb, Guest
from tests.images.sectors import GUEST, SECTOR
from tests.processes import served

BUFFER, FLASH = 0x80200000, 0xBE080000
#: In what a drive writes from sector 40 on: the guest reads eight sectors, the first two to another place.
IN_SECTOR_46, END_OF_SECTOR_41 = 0x80301804, 0x803003FC
#: Each change of the buffer's word: value before and after, who made it.
CHANGES = (
    (0, 0x11, "copier DMA"),
    (0x11, 0x22, "copier DMA"),
    (0x22, 0x34, "copier DMA and copier DMA, again"),
)


@pytest.fixture
def gdb(gdb_program: str) -> Iterator[Gdb]:
    elf = GUESTS / "dma-el.elf"
    with (
        Guest("kernel", str(elf), "--run", "600", serve=("-m", "tests.gdb.serve_dma_guest")) as guest,
        Gdb(gdb_program, elf) as gdb,
    ):
        gdb.connect(guest.port)
        yield gdb


def test_a_watchpoint_stops_at_dma_both_ways_and_names_the_device(gdb: Gdb) -> None:
    gdb.run(f"watch *(unsigned int*){BUFFER:#x}")
    places = []
    for before, after, writer in reversed(CHANGES):
        answer = gdb.run("reverse-continue")
        assert f"Old value = {after}" in answer and f"New value = {before}" in answer
        assert f"rdbg: {BUFFER:#x} is written by {writer}\n" in answer
        places.append(gdb.value("$pc"))
    assert says(gdb.run("reverse-continue"), START_WORDS)
    assert places[0] == gdb.value("&waits") and places[2] == gdb.value("&at_once")
    for before, after, writer in CHANGES:
        answer = gdb.run("continue")
        assert f"Old value = {before}" in answer and f"New value = {after}" in answer
        assert f"rdbg: {BUFFER:#x} is written by {writer}\n" in answer
        if before == 0:
            assert gdb.value("$pc") == gdb.value("&at_once") + 4


def test_a_read_watchpoint_stops_at_dma_both_ways_and_names_the_device(gdb: Gdb) -> None:
    for kind in ("rwatch", "awatch"):
        gdb.run("monitor goto end")
        gdb.forget()
        gdb.run(f"{kind} *(unsigned int*){BUFFER:#x}")
        says_so = f"rdbg: {BUFFER:#x} is read by copier DMA\n"
        assert says_so in gdb.run("reverse-continue")
        assert gdb.value("$pc") == gdb.value("&taken")
        assert says_so in gdb.run("continue")
        assert gdb.value("$pc") == gdb.value("&taken") + 4
        gdb.run("delete")


def test_who_wrote_last_names_the_device_and_what_it_did(gdb: Gdb) -> None:
    lines = gdb.run(f"monitor writes {BUFFER:#x} 4 10").text.splitlines()
    assert len(lines) == 5 and lines[4].startswith("no more")
    again, first, timed, at_once = lines[:4]
    assert ": copier DMA, again wrote 0x80200000: 33 00 00 00 -> 34 00 00 00" in again
    assert again.split()[1] == first.split()[1]  # at one moment
    assert ": copier DMA wrote 0x80200000: 22 00 00 00 -> 33 00 00 00" in first
    assert ": copier DMA wrote 0x80200000: 11 00 00 00 -> 22 00 00 00" in timed and ", pc" not in timed
    assert f", pc {gdb.value('&at_once'):#010x}: copier DMA wrote 0x80200000: 00 00 00 00 -> 11" in at_once
    assert "copier DMA wrote" in gdb.run(f"monitor writes {gdb.value('&code'):#x} 4 1")
    assert gdb.value("$s1") == 3  # the instruction that was overwritten has run as it was, and then as it became


def test_a_flash_chips_erase_stops_a_watch_on_a_word_that_no_command_names(gdb: Gdb) -> None:
    gdb.run(f"watch *(unsigned int*){FLASH:#x}")
    answer = gdb.run("reverse-continue")
    assert "Old value = 4294967295" in answer and f"New value = {0x12345678}" in answer
    assert f"rdbg: {FLASH:#x} is written by device flash\n" in answer
    assert gdb.value("$pc") == gdb.value("&erased")
    answer = gdb.run("continue")
    assert "New value = 4294967295" in answer and "device flash" in answer


def test_each_byte_that_a_drive_writes_is_named_by_its_own_sector(gdb_program: str, tmp_path: Path) -> None:
    elf, image = GUEST.with_name("transfer.elf"), tmp_path / "disk"
    image.write_bytes(b"".join(bytes([sector]) * SECTOR for sector in range(64)))
    drive = ("-drive", f"file={image},format=raw,snapshot=on")
    words = ("run", "-M", "malta", "-m", "16", "-kernel", str(elf), *drive, "-serial", "null", "-net", "none", "-S")
    value = 46 * 0x01010101
    with served(words) as port, Gdb(gdb_program, elf) as gdb:
        gdb.connect(port)
        gdb.run(f"watch *(unsigned int*){IN_SECTOR_46:#x}")
        by_drive = f"rdbg: {IN_SECTOR_46:#x} is written by ide0 DMA, sector 46\n"
        forward = [gdb.run("continue") for _ in range(3)]
        assert [f"New value = {value}" in answer for answer in forward] == [True, False, True]
        assert [by_drive in answer for answer in forward] == [True, False, True]
        gdb.run("delete")
        gdb.run("stepi 100")
        lines = gdb.run(f"monitor writes {IN_SECTOR_46:#x} 4 9").text.splitlines()
        assert [line.partition(": ")[2].partition(" wrote")[0] for line in lines[:4:2]] == ["ide0 DMA, sector 46"] * 2
        assert "ide0 DMA, sector 41 wrote" in gdb.run(f"monitor lastwrite {END_OF_SECTOR_41:#x} 4")
        gdb.run(f"watch *(unsigned int*){IN_SECTOR_46:#x}")
        backward = [gdb.run("reverse-continue") for _ in range(3)]
        assert [f"Old value = {value}" in answer for answer in backward] == [True, False, True]
        assert [by_drive in answer for answer in backward] == [True, False, True]
