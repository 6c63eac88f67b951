"""Images in a run: what is read is kept once, what is written goes there in order, and what was there is not lost."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from rdbg.emu.disk import Disk, DiskError
from rdbg.emu.disk_overlay import DiskOverlay
from rdbg.emu.disk_write import FLUSH, DiskWrite, decode_disk_write, encode_disk_write
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.spec import Drive
from rdbg.errors import RdbgError
from rdbg.images.cache_mode import CacheMode
from rdbg.images.open_image import open_image
from rdbg.images.recorded_disk import RecordedDisk
from rdbg.images.run_image import ImageUse, RunImage
from rdbg.store.first_contents import FirstContents
from rdbg.store.snapshot_store import SnapshotStore
from tests.images.qemu_img import check, contents, needs_qemu_img, qemu_img

SECTOR = 512
SECTORS = 4096


def raw(path: Path) -> bytes:
    dice = random.Random(3)
    data = b"".join(bytes(PAGE_SIZE) if dice.random() < 0.4 else dice.randbytes(PAGE_SIZE) for _ in range(SECTORS // 8))
    path.write_bytes(data)
    return data


def live(
    path: Path, store: Path, use: ImageUse | None = None, told: list[str] | None = None
) -> tuple[RunImage, FirstContents]:
    """A recorded run's image."""
    use = use or ImageUse(True)
    SnapshotStore.create(str(store), bytes(16)).close()
    kept = FirstContents.open(str(store))
    tell = (told if told is not None else []).append
    image = RunImage("d", 0, open_image(str(path), None, use.writes).image, use, kept, tell, clock=lambda: 0.0)
    image.keeps_reads = True
    return image, kept


def disk_over(source: RunImage | RecordedDisk, image: RunImage | None = None) -> Disk:
    """A disk of the machine; what is written goes to an image."""
    take = (lambda data: image.take(decode_disk_write(data))) if image is not None else (lambda data: None)
    return Disk(Drive("d", "ide", 0, "disk", SECTORS * SECTOR), 0, DiskOverlay(), source, take)


@needs_qemu_img
@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_a_run_leaves_the_image_as_the_guest_wrote_it_and_its_recording_has_all_it_read(
    tmp_path: Path, format: str
) -> None:
    before, path, store = raw(tmp_path / "raw"), tmp_path / "image", tmp_path / "store"
    qemu_img("convert", "-O", format, tmp_path / "raw", path)
    image, kept = live(path, store)
    disk = disk_over(image, image)
    model, dice, log = bytearray(before), random.Random(format), []
    for _ in range(300):
        sector, count = dice.randrange(SECTORS - 64), dice.randrange(1, 64)
        if dice.random() < 0.5:
            data = dice.randbytes(count * SECTOR)
            disk.write(sector, data)
            model[sector * SECTOR : sector * SECTOR + len(data)] = data
            log.append((sector, count, data))
        else:
            assert disk.read(sector, count) == bytes(model[sector * SECTOR : (sector + count) * SECTOR])
            log.append((sector, count, b""))
        if dice.random() < 0.1:
            disk.flush()
            assert contents(path, tmp_path / "now") == bytes(model)
            if format == "qcow2":
                check(path)
    # Going back, and another way: the contents before the first write are there, though the image has others.
    again = disk_over(image)
    for sector, count, _ in log:
        assert again.read(sector, count) == before[sector * SECTOR : (sector + count) * SECTOR]
    image.close()
    kept.close()
    assert contents(path, tmp_path / "now") == bytes(model)

    path.unlink()
    opened = FirstContents.open(str(store))
    opened.check()
    told: list[str] = []
    replayed = disk_over(RecordedDisk("d", 0, opened, told.append))
    model = bytearray(before)
    for sector, count, data in log:
        if data:
            replayed.write(sector, data)
            model[sector * SECTOR : sector * SECTOR + len(data)] = data
        else:
            assert replayed.read(sector, count) == bytes(model[sector * SECTOR : (sector + count) * SECTOR])
    assert told == []
    opened.close()


def test_what_was_never_read_gives_a_read_error_and_one_line(tmp_path: Path) -> None:
    raw(tmp_path / "raw")
    image, kept = live(tmp_path / "raw", tmp_path / "store")
    image.read(5)
    image.close()
    kept.close()
    opened, told = FirstContents.open(str(tmp_path / "store")), list[str]()
    source = RecordedDisk("ide0-hd0", 0, opened, told.append)
    assert len(source.read(5)) == PAGE_SIZE
    for page in (4, 6, 1 << 30):
        with pytest.raises(DiskError, match="never read"):
            source.read(page)
    assert len(told) == 1 and "ide0-hd0" in told[0]
    opened.close()


def test_what_could_not_be_read_cannot_be_read_in_the_replay_either(tmp_path: Path) -> None:
    raw(tmp_path / "raw")
    told: list[str] = []
    image, kept = live(tmp_path / "raw", tmp_path / "store", told=told)
    file = image.image.files[0]
    read = file.read

    def failing(offset: int, length: int) -> bytes:
        if offset == 8 * PAGE_SIZE:
            raise RdbgError("raw: cannot read 4096 bytes at offset 32768: Input/output error")
        return read(offset, length)

    file.read = failing  # type: ignore[method-assign]
    with pytest.raises(DiskError):
        image.read(8)
    file.read = read  # type: ignore[method-assign]
    with pytest.raises(DiskError):
        image.read(8)
    assert len(told) == 1 and "Input/output error" in told[0]
    image.close()
    kept.close()
    opened, said = FirstContents.open(str(tmp_path / "store")), list[str]()
    with pytest.raises(DiskError):
        RecordedDisk("d", 0, opened, said.append).read(8)
    assert said == []
    opened.close()


def test_what_is_overwritten_is_kept_before_that_happens(tmp_path: Path) -> None:
    """At each write to the image the store has, for whoever opens it now, what is about to go."""
    before = raw(tmp_path / "raw")
    image, kept = live(tmp_path / "raw", tmp_path / "store")
    file, dice = image.image.files[0], random.Random(1)
    write, count = file.write, 0

    def checked(offset: int, data: bytes) -> None:
        nonlocal count
        count += 1
        opened = FirstContents.open(str(tmp_path / "store"))
        for page in range(offset // PAGE_SIZE, -(-(offset + len(data)) // PAGE_SIZE)):
            assert opened.find(0, page) == before[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
        opened.close()
        write(offset, data)

    file.write = checked  # type: ignore[method-assign]
    for _ in range(30):
        image.take(DiskWrite(dice.randrange(SECTORS - 32), dice.randbytes(dice.randrange(1, 32) * SECTOR)))
        if dice.random() < 0.4:
            image.take(FLUSH)
    image.close()
    kept.close()
    assert count == 30


def test_writes_reach_the_image_in_their_order_and_wait_for_a_flush_at_most_so_long(tmp_path: Path) -> None:
    raw(tmp_path / "raw")
    before = (tmp_path / "raw").read_bytes()
    now = 0.0
    image, kept = live(tmp_path / "raw", tmp_path / "store")
    image._clock = lambda: now
    image.take(DiskWrite(0, b"a" * SECTOR))
    image.take(DiskWrite(0, b"b" * SECTOR))
    assert (tmp_path / "raw").read_bytes() == before
    now = 1.0
    image.look()
    assert (tmp_path / "raw").read_bytes() == b"b" * SECTOR + before[SECTOR:]
    image.take(DiskWrite(8, b"c" * SECTOR))
    image.take(FLUSH)
    assert (tmp_path / "raw").read_bytes()[8 * SECTOR : 9 * SECTOR] == b"c" * SECTOR
    image.close()
    kept.close()


@pytest.mark.parametrize(
    ("cache", "flushes"),
    [
        (CacheMode.WRITEBACK, 1),
        (CacheMode.NONE, 1),
        (CacheMode.WRITETHROUGH, 4),
        (CacheMode.DIRECTSYNC, 4),
        (CacheMode.UNSAFE, 0),
    ],
)
def test_the_cache_mode_says_when_the_disk_is_waited_for(tmp_path: Path, cache: CacheMode, flushes: int) -> None:
    raw(tmp_path / "raw")
    image, kept = live(tmp_path / "raw", tmp_path / "store", ImageUse(True, cache))
    count = 0

    def counted() -> None:
        nonlocal count
        count += 1

    image.image.files[0].flush = counted  # type: ignore[method-assign]
    for sector in range(3):
        image.take(DiskWrite(sector, bytes(SECTOR)))
    image.take(FLUSH)
    assert count == flushes
    image.close()
    kept.close()


def test_an_image_that_is_not_to_be_written_is_not(tmp_path: Path) -> None:
    before = raw(tmp_path / "raw")
    (tmp_path / "raw").chmod(0o444)
    image, kept = live(tmp_path / "raw", tmp_path / "store", ImageUse(False))
    image.take(DiskWrite(0, b"x" * SECTOR))
    image.take(FLUSH)
    image.close()
    kept.close()
    assert (tmp_path / "raw").read_bytes() == before


def test_an_image_that_another_program_changes_or_removes_is_told_of_once(tmp_path: Path) -> None:
    raw(tmp_path / "raw")
    told: list[str] = []
    image, kept = live(tmp_path / "raw", tmp_path / "store", told=told)
    image.take(DiskWrite(0, b"x" * SECTOR))
    image.take(FLUSH)
    image.look()
    assert told == []
    with (tmp_path / "raw").open("r+b") as file:
        file.write(b"somebody else")
    image.look()
    image.look()
    assert len(told) == 1 and "another program has written" in told[0]
    image.close()
    kept.close()
    told.clear()
    image, kept = live(tmp_path / "raw", tmp_path / "store", told=told)
    (tmp_path / "raw").unlink()
    image.look()
    assert len(told) == 1 and "deleted" in told[0]
    image.close()
    kept.close()


def test_what_another_program_has_written_is_told_of_however_often_the_guest_writes(tmp_path: Path) -> None:
    raw(tmp_path / "image")
    told: list[str] = []
    image, _ = live(tmp_path / "image", tmp_path / "store", ImageUse(True, CacheMode.WRITETHROUGH), told)
    image.take(DiskWrite(0, b"a" * SECTOR))
    image.look()
    assert not told
    time.sleep(0.02)  # the host notes times of changes in steps of some milliseconds
    with (tmp_path / "image").open("r+b") as other:
        other.write(b"b")
    image.take(DiskWrite(8, b"a" * SECTOR))
    image.look()
    assert len(told) == 1 and "another program has written" in told[0]
    image.close()


def test_an_image_that_takes_no_more_stays_as_it_is_and_the_user_is_told(tmp_path: Path) -> None:
    before = raw(tmp_path / "raw")
    told: list[str] = []
    image, kept = live(tmp_path / "raw", tmp_path / "store", told=told)

    def full(offset: int, data: bytes) -> None:
        raise RdbgError("raw: cannot write 512 bytes at offset 0: No space left on device")

    file = image.image.files[0]
    write, file.write = file.write, full  # type: ignore[method-assign]
    image.take(DiskWrite(0, b"x" * SECTOR))
    image.take(FLUSH)
    file.write = write  # type: ignore[method-assign]
    image.take(DiskWrite(8, b"y" * SECTOR))
    image.close()
    kept.close()
    assert len(told) == 1 and "No space left" in told[0] and "nothing that the guest writes" in told[0]
    assert (tmp_path / "raw").read_bytes() == before


def test_a_guessed_raw_image_does_not_become_one_of_another_format(tmp_path: Path) -> None:
    before = raw(tmp_path / "raw")
    told: list[str] = []
    image, kept = live(tmp_path / "raw", tmp_path / "store", ImageUse(True, probed=True), told)
    image.take(DiskWrite(0, b"QFI\xfb".ljust(SECTOR, b"\0")))
    image.take(FLUSH)
    image.close()
    kept.close()
    assert len(told) == 1 and "format=raw" in told[0] and (tmp_path / "raw").read_bytes() == before


def test_contents_stay_in_memory_where_the_store_cannot_be_written(tmp_path: Path) -> None:
    before = raw(tmp_path / "raw")
    image, kept = live(tmp_path / "raw", tmp_path / "store")
    (tmp_path / "store").unlink()
    for page in range(40):
        image.take(DiskWrite(page * 8, b"x" * PAGE_SIZE))
    image.take(FLUSH)
    with pytest.raises(RdbgError, match="deleted"):
        kept.write_out()
    for page in range(40):
        assert image.read(page) == before[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
    image.close()
    kept.close()


def test_zeros_cost_next_to_nothing(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    image, kept = live(tmp_path / "sparse", tmp_path / "store")
    for page in range(20_000):
        image.read(page)
    image.close()
    kept.write_out()
    assert kept.kept()[0].stored < 10_000 and kept.kept()[0].pages == 20_000
    kept.close()


def test_records_of_what_leaves_a_disk_are_read_as_they_were_written() -> None:
    for write in (DiskWrite(0, bytes(SECTOR)), DiskWrite(1 << 40, b"x" * 4096), FLUSH):
        assert decode_disk_write(encode_disk_write(write)) == write


def test_a_copy_of_the_process_reads_whatever_its_threads_held_there(tmp_path: Path) -> None:
    store = tmp_path / "store"
    SnapshotStore.create(str(store), bytes(16)).close()
    kept = FirstContents.open(str(store))
    page = b"\7" * PAGE_SIZE
    kept.keep(0, 1, page)
    kept.write_out()
    with kept._changed, kept._database:  # as a thread holds them that a copy has not
        reading = os.fork()
        if not reading:
            kept.reopen()
            os._exit(0 if kept.find(0, 1) == page else 1)
        deadline = time.monotonic() + 10
        while (ended := os.waitpid(reading, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.01)
        if ended == (0, 0):
            os.kill(reading, signal.SIGKILL)
            os.waitpid(reading, 0)
        assert ended == (reading, 0)
    kept.close()
