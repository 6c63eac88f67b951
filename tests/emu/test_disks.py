"""Disks of a machine: what was written is a part of its state, at each position and however that was reached."""

from __future__ import annotations

import random
import struct
from contextlib import suppress
from dataclasses import replace

import pytest

from rdbg.checkpoints.keeper import CheckpointKeeper
from rdbg.emu.disk import DiskError
from rdbg.emu.disk_overlay import MOST_WRITTEN
from rdbg.emu.machine import Machine
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.output_mark import OutputMark
from rdbg.emu.spec import Drive, Image, MachineSpec
from rdbg.errors import RdbgError
from tests.emu.guests import LOOP, NOP, machine_with
from tests.timeline.test_digest_property import GUEST

SECTOR = 512


class Pattern:
    """A source whose pages differ, and that counts what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.lost: set[int] = set()

    def read(self, page: int, count: int = 1) -> bytes:
        self.asked += range(page, page + count)
        if self.lost & {*range(page, page + count)}:
            raise DiskError(f"page {page} is lost")
        return b"".join(self._page(number) for number in range(page, page + count))

    def _page(self, number: int) -> bytes:
        return (number * 2654435761 % (1 << 32)).to_bytes(4, "little") * (PAGE_SIZE // 4)


def spec(*sizes: int, **fields: object) -> MachineSpec:
    drives = tuple(Drive(f"d{n}", "none", n, "disk", size, **fields) for n, size in enumerate(sizes))  # type: ignore[arg-type]
    image = Image("kernel", str(GUEST), GUEST.read_bytes())
    return MachineSpec("malta", "24Kf", False, 16 << 20, 3, (image,), drives=drives)


def machine(*sizes: int) -> tuple[Machine, list[Pattern]]:
    sources = [Pattern() for _ in sizes]
    return Machine(spec(*sizes), disk_sources=sources), sources


def model_of(size: int) -> bytearray:
    source = Pattern()
    return bytearray(b"".join(source.read(page) for page in range(-(-size // PAGE_SIZE)))[:size])


def test_a_disk_reads_as_what_was_written_last_and_else_as_its_image() -> None:
    size = 300 * SECTOR
    made, _ = machine(size, size)
    dice = random.Random(1)
    models = [model_of(size), model_of(size)]
    disks = list(made.disks.values())
    for _ in range(400):
        which, first, count = dice.randrange(2), dice.randrange(300), dice.randrange(20)
        count = min(count, 300 - first)
        if dice.random() < 0.5:
            data = dice.randbytes(count * SECTOR)
            disks[which].write(first, data)
            models[which][first * SECTOR : (first + count) * SECTOR] = data
        got = disks[which].read(first, count)
        assert got == bytes(models[which][first * SECTOR : (first + count) * SECTOR])
    assert [disk.read(0, 300) for disk in disks] == [bytes(model) for model in models]


def test_the_digest_of_written_disks_is_equal_however_a_moment_is_reached() -> None:
    """Random writes at moments of a run, checkpoints, ways back and forth: as a machine that only goes forward."""
    dice = random.Random(7)
    size = 50 << 30
    script = []
    for _ in range(60):
        hot = dice.random() < 0.6
        sector = dice.randrange(64) if hot else dice.randrange(size // SECTOR - 16)
        script.append((dice.randrange(2), sector, dice.randbytes(dice.randrange(1, 16) * SECTOR)))

    def advance(made: Machine, done: int, to: int) -> None:
        for which, sector, data in script[done:to]:
            made.disks[f"d{which}"].write(sector, data)
            made.step()

    plain, _ = machine(size, size)
    truth = [plain.digest()]
    for step in range(len(script)):
        advance(plain, step, step + 1)
        truth.append(plain.digest())
    assert len(set(truth)) == len(truth)

    moved, _ = machine(size, size)
    keeper = CheckpointKeeper(moved)
    kept = {0: keeper.capture(0, OutputMark())}
    at = 0
    for _ in range(150):
        if dice.random() < 0.5:
            place = dice.choice(sorted(kept))
            keeper.restore(kept[place].state, kept[place].table)
            at = place
        else:
            to = min(at + dice.randrange(8), len(script))
            advance(moved, at, to)
            at = to
            if at not in kept and dice.random() < 0.4:
                kept[at] = keeper.capture(0, OutputMark())
        if dice.random() < 0.7:
            assert moved.digest() == truth[at]
        which, sector, data = script[max(at - 1, 0)]
        if at:
            assert moved.disks[f"d{which}"].read(sector, len(data) // SECTOR) == data

    # And from nothing but the pages, as a snapshot that is loaded.
    fresh, _ = machine(size, size)
    pages = moved.nonzero_pages()
    gone = [page for page in fresh.nonzero_pages() if page not in set(pages)]
    fresh.write_pages(gone, bytes(len(gone) * PAGE_SIZE))
    fresh.write_pages(pages, moved.read_pages(pages))
    fresh.load_state(moved.save_state())
    assert fresh.digest() == moved.digest() == truth[at]


def test_a_large_disk_costs_what_is_written_of_it() -> None:
    made, _ = machine(100 << 30)
    keeper = CheckpointKeeper(made)
    before = keeper.bytes_used
    disk = made.disks["d0"]
    for index in range(100):
        disk.write(index * ((100 << 30) // SECTOR // 100), bytes([index + 1]) * PAGE_SIZE)
    captured = keeper.capture(0, OutputMark())
    assert keeper.bytes_used + captured.bytes_beside_pages - before < (4 << 20)
    assert disk.read(disk.sectors - 1, 1) != bytes(SECTOR)


def test_part_of_a_page_is_written_only_where_the_rest_can_be_had() -> None:
    made, (source,) = machine(64 * SECTOR)
    disk = made.disks["d0"]
    source.lost = {1, 2}
    digest = made.digest()
    with pytest.raises(DiskError, match="page 1 is lost"):
        disk.write(0, bytes(9 * SECTOR))
    assert made.digest() == digest
    disk.write(8, b"x" * PAGE_SIZE)  # all of the page: what was there does not matter
    assert disk.read(8, 8) == b"x" * PAGE_SIZE
    with pytest.raises(DiskError, match="page 2 is lost"):
        disk.read(8, 9)


def test_nothing_is_read_or_written_beyond_the_end_or_against_the_switch() -> None:
    made, _ = machine(10 * SECTOR)
    disk = made.disks["d0"]
    for sector, count in ((10, 1), (9, 2), (-1, 1), (1 << 60, 1)):
        with pytest.raises(DiskError):
            disk.read(sector, count)
        with pytest.raises(DiskError):
            disk.write(sector, bytes(count * SECTOR))
    assert disk.read(10, 0) == b""
    locked = Machine(spec(10 * SECTOR, read_only=True), disk_sources=[Pattern()]).disks["d0"]
    with pytest.raises(DiskError):
        locked.write(0, bytes(SECTOR))


def test_a_disk_without_an_image_gives_errors_and_takes_whole_pages() -> None:
    disk = Machine(spec(100 * SECTOR)).disks["d0"]
    with pytest.raises(DiskError, match="no image"):
        disk.read(0, 1)
    disk.write(0, b"y" * PAGE_SIZE)
    assert disk.read(0, 1) == b"y" * SECTOR


@pytest.mark.parametrize(
    "drive",
    [
        Drive("a", "ide", 0, "disk", 511),
        Drive("a", "ide", 0, "disk", 1 << 62),
        Drive("a", "ide", 0, "tape", 512),
    ],
)
def test_a_drive_that_cannot_be_is_refused(drive: Drive) -> None:
    with pytest.raises(RdbgError, match="'a'"):
        Machine(replace(spec(), drives=(drive,)))


def test_two_drives_of_one_name_are_refused() -> None:
    drive = Drive("a", "ide", 0, "disk", 512)
    with pytest.raises(RdbgError, match="'a' is there twice"):
        Machine(replace(spec(), drives=(drive, drive)))


def test_a_machine_without_disks_has_the_pages_of_its_memory_alone() -> None:
    made = machine_with([LOOP, NOP])
    assert made.page_count == made.bus.page_count


def test_what_is_written_to_disks_leaves_checkpoints_their_memory() -> None:
    """A guest that writes more to its disk than checkpoints may hold can be gone back in all the same."""
    made, _ = machine(1 << 30)
    keeper = CheckpointKeeper(made, memory_limit=2 << 20)
    keeper.take(0, OutputMark(), 1 << 40)
    disk = made.disks["d0"]
    for index in range(16):
        disk.write(index * 2048, bytes([index + 1]) * (1 << 20))
        made.step()
        keeper.take(0, OutputMark(), 1 << 40)
    assert len(keeper.checkpoints) == 17
    for _ in range(16):  # the same again, with other contents: now checkpoints hold what was there before
        disk.write(0, made.icount.to_bytes(4, "little") * (1 << 18))
        made.step()
        keeper.take(0, OutputMark(), 1 << 40)
    assert 1 < len(keeper.checkpoints) < 33


@pytest.mark.parametrize(("left", "fits"), [(8, True), (7, False), (0, False)])
def test_a_write_that_does_not_fit_any_more_leaves_the_disk_as_it_was(left: int, fits: bool) -> None:
    """Six pages of contents, and two nodes of the tree above those that lie behind the edge."""
    made, _ = machine(8 << 30)
    (disk,) = made.disks.values()
    edge = 1 << 20  # pages, where the root's second entry begins
    disk.write((edge - 9) * 8, b"first" * 1024 + bytes(3072))
    used = struct.unpack("<I", made.read_page(made.first_disk_page)[:4])[0]
    first = made.read_page(made.first_disk_page)
    made.write_pages([made.first_disk_page], struct.pack("<I", MOST_WRITTEN - left) + first[4:])
    before, state = disk.read((edge - 4) * 8, 64), made.digest()
    data = b"x" * (6 * PAGE_SIZE)
    assert used == 6
    if fits:
        disk.write((edge - 4) * 8, data)
        assert disk.read((edge - 4) * 8, 48) == data
    else:
        with pytest.raises(DiskError, match="more than 32 GiB"):
            disk.write((edge - 4) * 8, data)
        assert disk.read((edge - 4) * 8, 64) == before and made.digest() == state


@pytest.mark.parametrize("root", [1, MOST_WRITTEN - 1, MOST_WRITTEN, 1 << 24, 0xFFFF_F000, 0xFFFF_FFFF])
def test_what_is_written_to_damaged_trees_stays_in_the_machines_pages(root: int) -> None:
    """The pages may come from a store that anybody made."""
    made, _ = machine(300 * SECTOR)
    (disk,) = made.disks.values()
    made.write_pages([made.first_disk_page], struct.pack("<2I", 5, root).ljust(PAGE_SIZE, b"\0"))
    if root < MOST_WRITTEN:
        made.write_pages([made.first_disk_page + root], struct.pack("<I", root) * (PAGE_SIZE // 4))
    with suppress(DiskError):
        disk.write(0, disk.read(0, 16))
    assert all(page < made.page_count for page in made.take_touched().written)
    made.digest()
