"""Images that cannot be used: a line that names the file, what is wrong, and the cure."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from rdbg.errors import RdbgError
from rdbg.images.open_image import open_image
from tests.cli.command import TANK, assert_one_line, rdbg_here
from tests.images.qemu_img import needs_qemu_img, qemu_img

MIB = 1 << 20


def refused(path: Path, *parts: str, format: str | None = None, writable: bool = True) -> None:
    """Opening, or reading all of it, fails with a line that has the file's name and these parts."""
    with pytest.raises(RdbgError) as caught:
        image = open_image(str(path), format, writable).image
        try:
            for at in range(0, min(image.size, 64 * MIB), MIB):
                image.read(at, MIB)
        finally:
            image.close()
    line = str(caught.value)
    assert "\n" not in line and all(part in line for part in (path.name, *parts)), line


def test_what_is_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "none", "No such file", "qemu-img create")
    refused(tmp_path, "folder")
    refused(Path("/dev/null"), "give a file")
    os.mkfifo(tmp_path / "fifo")
    refused(tmp_path / "fifo", "pipe")


def test_an_empty_image_and_one_of_another_format(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert_one_line(rdbg_here("run", "-hda", tmp_path / "empty", "-kernel", TANK), 1, "empty", "qemu-img create")
    (tmp_path / "other").write_bytes(b"KDMV" + bytes(4096))
    refused(tmp_path / "other", "vmdk", "qemu-img convert")
    refused(tmp_path / "other", "not a qcow2 image", "format=raw", format="qcow2")
    open_image(str(tmp_path / "other"), "raw", writable=True).image.close()


def test_an_image_that_another_process_has(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(bytes(MIB))
    first = open_image(str(path), "raw", writable=True).image
    refused(path, "another process", format="raw")
    refused(path, "another process", format="raw", writable=False)
    first.close()
    readers = [open_image(str(path), "raw", writable=False).image for _ in range(2)]
    refused(path, "another process", format="raw")
    for reader in readers:
        reader.close()
    open_image(str(path), "raw", writable=True).image.close()


def test_a_raw_image_that_ends_within_a_sector_is_filled_with_zeros(tmp_path: Path) -> None:
    path = tmp_path / "odd"
    path.write_bytes(b"x" * 700)
    image = open_image(str(path), "raw", writable=True).image
    assert image.size == 1024 and image.read(512, 512) == b"x" * 188 + bytes(324)
    image.close()


def crafted(path: Path, **fields: int) -> Path:
    """A qcow2 image of 1 MiB with one L2 table and one cluster, and with fields of its header changed."""
    cluster = 65536
    header = {
        "magic": 0x514649FB, "version": 3, "backing_offset": 0, "backing_length": 0, "cluster_bits": 16, "size": MIB,
        "encryption": 0, "l1_entries": 1, "l1_offset": 3 * cluster, "refcounts": cluster, "refcount_clusters": 1,
        "snapshots": 0, "snapshots_offset": 0, "incompatible": 0, "compatible": 0, "autoclear": 0, "order": 4,
        "length": 104, "l1": 4 * cluster | 1 << 63, "l2": 5 * cluster | 1 << 63,
    } | fields  # fmt: skip
    *first, l1, l2 = header.values()
    data = bytearray(6 * cluster)
    packed = struct.pack(">IIQIIQIIQQIIQQQQII", *first)
    data[: len(packed)] = packed
    struct.pack_into(">Q", data, 3 * cluster, l1)
    struct.pack_into(">Q", data, 4 * cluster, l2)
    path.write_bytes(data)
    return path


def test_a_crafted_image_is_read_if_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    image = open_image(str(crafted(tmp_path / "image")), None, writable=False).image
    assert image.size == MIB and image.read(0, MIB) == bytes(MIB)
    image.close()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"version": 9}, "version 9"),
        ({"cluster_bits": 40}, "clusters of 2\\^40"),
        ({"cluster_bits": 8}, "damaged"),
        ({"size": 1 << 62}, "the most are"),
        ({"size": 1 << 40}, "too short"),
        ({"l1_entries": 1 << 30}, "L1 table"),
        ({"l1_offset": 1 << 40}, "beyond its end"),
        ({"l1_offset": 3 * 65536 + 8}, "L1 table"),
        ({"l1": 1 << 45}, "L2 table at offset"),
        ({"l1": 512}, "L2 table at offset 512"),
        ({"l2": 512}, "where none can be"),
        ({"l2": 1 << 62 | 1 << 45}, "beyond its end"),
        ({"l2": 1 << 62 | 0xFF << 54 | 5 << 16}, "cannot be unpacked"),
        ({"encryption": 1}, "encrypted"),
        ({"incompatible": 4}, "external data file"),
        ({"incompatible": 16}, "extended L2"),
        ({"incompatible": 1 << 40}, "does not know"),
        ({"order": 7}, "refcounts of 2\\^7"),
        ({"length": 7}, "header has 7 bytes"),
        ({"backing_offset": 1 << 30, "backing_length": 9}, "beyond its header"),
        ({"refcount_clusters": 1 << 20}, "refcount table"),
        ({"refcounts": 1 << 40}, "refcount table"),
    ],
)
def test_a_damaged_qcow2_image_gets_one_line(tmp_path: Path, fields: dict[str, int], words: str) -> None:
    path = crafted(tmp_path / "image", **fields)
    with pytest.raises(RdbgError, match=words) as caught:
        image = open_image(str(path), "qcow2", writable=True).image
        image.read(0, MIB)
    assert str(caught.value).startswith(str(path)) and "qemu-img" in str(caught.value) or "most are" in words


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (5 * 65536 + 512, "where none can be"),
        (1 * 65536, "where its tables are"),  # the table of refcounts
        (2 * 65536, "where its tables are"),  # refcounts
        (3 * 65536, "where its tables are"),  # L1
        (4 * 65536, "where its tables are"),  # L2
    ],
)
def test_a_cluster_is_not_written_where_none_can_be(tmp_path: Path, place: int, words: str) -> None:
    path = crafted(tmp_path / "image", l2=place | 1 << 63)
    with path.open("r+b") as file:
        file.seek(65536)
        file.write((2 * 65536).to_bytes(8, "big"))
    before = path.read_bytes()
    image = open_image(str(path), "qcow2", writable=True).image
    with pytest.raises(RdbgError, match=f"image: a damaged qcow2 image: .*{words}; see qemu-img check"):
        image.write(0, b"x" * 65536)
    image.close()
    assert path.read_bytes() == before


def test_tables_that_point_to_themselves_are_read_to_an_end(tmp_path: Path) -> None:
    path = crafted(tmp_path / "image", l1=3 * 65536 | 1 << 63)
    image = open_image(str(path), "qcow2", writable=False).image
    assert len(image.read(0, MIB)) == MIB
    image.close()


@needs_qemu_img
def test_an_image_with_more_clusters_than_can_be_counted_is_not_written(tmp_path: Path) -> None:
    """Its refcounts grew beyond what can be read again, or for hours."""
    qemu_img("create", "-f", "qcow2", "-o", "cluster_size=512,refcount_bits=64", tmp_path / "image", "1M")
    os.truncate(tmp_path / "image", 64 << 30)  # most of it is no data
    image = open_image(str(tmp_path / "image"), None, writable=True).image
    with pytest.raises(RdbgError, match="more clusters than .* qemu-img convert"):
        image.write(0, bytes(512))
    image.close()
    again = open_image(str(tmp_path / "image"), None, writable=True).image
    assert again.read(0, 512) == bytes(512)
    again.close()


@needs_qemu_img
def test_a_file_that_is_behind_itself(tmp_path: Path) -> None:
    for name in "abc":
        qemu_img("create", "-f", "qcow2", tmp_path / name, "1M")
    qemu_img("rebase", "-u", "-b", "b", "-F", "qcow2", tmp_path / "a")
    qemu_img("rebase", "-u", "-b", "a", "-F", "qcow2", tmp_path / "b")
    for writable in (False, True):  # the lock of one that is written is no other process'
        refused(tmp_path / "a", "back each other", "qemu-img rebase", writable=writable)
    qemu_img("rebase", "-u", "-b", "c", "-F", "qcow2", tmp_path / "b")
    qemu_img("rebase", "-u", "-b", "a", "-F", "qcow2", tmp_path / "c")
    refused(tmp_path / "a", "behind itself", "qemu-img rebase", writable=True)
    qemu_img("rebase", "-u", "-b", "a", "-F", "qcow2", tmp_path / "a")
    refused(tmp_path / "a", "its own backing file", "qemu-img rebase", writable=True)
    qemu_img("rebase", "-u", "-b", "b", "-F", "qcow2", tmp_path / "a")
    qemu_img("rebase", "-u", "-b", "gone", "-F", "raw", tmp_path / "b")
    with pytest.raises(RdbgError, match="gone: cannot open the backing file: No such file"):
        open_image(str(tmp_path / "a"), None, writable=False)
    qemu_img("rebase", "-u", "-b", "nbd://host/export", "-F", "raw", tmp_path / "b")
    with pytest.raises(RdbgError, match="no file of this host"):
        open_image(str(tmp_path / "a"), None, writable=False)
