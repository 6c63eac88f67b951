"""qcow2 images are read as qemu-img reads them, and what is written to them is right by qemu-img's check."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest

from rdbg.errors import RdbgError
from rdbg.images.open_image import open_image
from tests.images.qemu_img import check, contents, needs_qemu_img, qemu_img, qemu_io

pytestmark = needs_qemu_img

MIB = 1 << 20
SIZE = 5 * MIB + 1536


def filled(path: Path, seed: int, size: int = SIZE) -> Path:
    """A raw file with holes, text and noise."""
    dice = random.Random(seed)
    with path.open("wb") as file:
        file.truncate(size)
        for _ in range(40):
            at = dice.randrange(size - 70_000)
            file.seek(at)
            file.write(
                dice.randbytes(dice.randrange(70_000)) if dice.random() < 0.5 else b"some text " * dice.randrange(5000)
            )
        file.truncate(size)
    return path


def same(path: Path, tmp_path: Path, seed: int = 1) -> None:
    """Read all of an image, then pieces of it, and compare with what qemu-img makes of it."""
    truth = contents(path, tmp_path / "truth")
    image = open_image(str(path), None, writable=False).image
    try:
        assert image.size == len(truth)
        assert image.read(0, image.size) == truth
        dice = random.Random(seed)
        for _ in range(50):
            at, length = dice.randrange(image.size), dice.randrange(200_000)
            assert image.read(at, min(length, image.size - at)) == truth[at : at + length]
    finally:
        image.close()


@pytest.mark.parametrize(
    "options",
    [
        "compat=0.10",
        "compat=1.1",
        "compat=1.1,cluster_size=512",
        "compat=1.1,cluster_size=2M",
        "compat=1.1,lazy_refcounts=on,refcount_bits=1",
        "compat=1.1,compression_type=zstd",
        "compat=0.10,cluster_size=4k",
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_an_image_is_read_as_qemu_img_reads_it(tmp_path: Path, options: str, compressed: bool) -> None:
    raw = filled(tmp_path / "raw", 3)
    flags = ["-c"] if compressed else []
    qemu_img("convert", *flags, "-O", "qcow2", "-o", options, raw, tmp_path / "image")
    same(tmp_path / "image", tmp_path)


@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_what_an_image_has_not_comes_from_the_file_behind_it(tmp_path: Path, format: str) -> None:
    (tmp_path / "below").mkdir()
    raw = filled(tmp_path / "raw", 5, MIB)
    base = tmp_path / "below" / "base"
    qemu_img("convert", "-O", format, raw, base)
    middle, top = tmp_path / "below" / "middle", tmp_path / "top"
    # A name relative to the image that has it, and images of three lengths.
    qemu_img("create", "-f", "qcow2", "-b", "base", "-F", format, middle, str(3 * MIB))
    qemu_io(middle, "write -P 7 100k 50k", "write -z 300k 128k")
    qemu_img("create", "-f", "qcow2", "-b", "below/middle", "-F", "qcow2", top, str(2 * MIB))
    qemu_io(top, "write -P 9 128k 3k")
    same(top, tmp_path)
    # A name that is JSON, which has the format in it.
    name = f'json:{{"driver":"qcow2","file":{{"driver":"file","filename":"{middle}"}}}}'
    qemu_img("rebase", "-u", "-b", name, "-F", "qcow2", top)
    same(top, tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        "compat=0.10",
        "compat=1.1,cluster_size=512,refcount_bits=64",
        "compat=1.1,lazy_refcounts=on,refcount_bits=2",
        "compat=1.1,cluster_size=2M",
        "compat=1.1,compression_type=zstd",
    ],
)
@pytest.mark.parametrize("start", ["empty", "plain", "compressed", "behind", "snapshot"])
def test_what_is_written_is_there_and_the_image_is_whole(tmp_path: Path, options: str, start: str) -> None:
    raw, path = filled(tmp_path / "raw", 8), tmp_path / "image"
    if start == "empty":
        qemu_img("create", "-f", "qcow2", "-o", options, path, str(SIZE // 512 * 512))
    elif start == "behind":
        qemu_img("create", "-f", "qcow2", "-o", options, "-b", raw, "-F", "raw", path)
    else:
        flags = ["-c"] if start == "compressed" else []
        qemu_img("convert", *flags, "-O", "qcow2", "-o", options, raw, path)
    if start == "snapshot":
        qemu_img("snapshot", "-c", "before", path)
    truth = bytearray(contents(path, tmp_path / "truth"))
    dice = random.Random(f"{options}{start}")
    marks = sorted([0, 40, *(dice.randrange(40) for _ in range(3))])
    for first, last in pairwise(marks):  # several times opened
        image = open_image(str(path), "qcow2", writable=True).image
        for _ in range(first, last):
            at, count = dice.randrange(image.size // 512), dice.choice([1, 3, 8, 200])
            data = dice.randbytes(min(count, image.size // 512 - at) * 512)
            image.write(at * 512, data)
            truth[at * 512 : at * 512 + len(data)] = data
            if dice.random() < 0.2:
                image.flush()
                check(path)
                assert contents(path, tmp_path / "now") == truth
        assert image.read(0, image.size) == truth
        image.close()
        check(path)
    assert contents(path, tmp_path / "now") == truth
    if start == "snapshot":
        qemu_img("snapshot", "-a", "before", path)
        check(path)
        assert contents(path, tmp_path / "now") == raw.read_bytes()


def test_a_table_of_refcounts_that_is_full_moves(tmp_path: Path) -> None:
    path = tmp_path / "image"
    qemu_img("create", "-f", "qcow2", "-o", "cluster_size=512,refcount_bits=64", path, "8M")
    image = open_image(str(path), None, writable=True).image
    truth = random.Random(1).randbytes(4 * MIB)  # 64 counts in a block, 64 blocks in the table's first cluster
    for at in range(0, len(truth), 64 << 10):
        image.write(at, truth[at : at + (64 << 10)])
    image.close()
    check(path)
    assert contents(path, tmp_path / "now") == truth + bytes(4 * MIB)


def test_an_image_may_be_cut_off_at_any_write(tmp_path: Path) -> None:
    """After any of the writes that rdbg makes to the file, as kill -9 leaves it: no cluster in use is not counted."""
    path = tmp_path / "image"
    qemu_img("convert", "-c", "-O", "qcow2", "-o", "cluster_size=4k", filled(tmp_path / "raw", 2, MIB), path)
    qemu_img("snapshot", "-c", "before", path)
    image = open_image(str(path), None, writable=True).image
    before = contents(path, tmp_path / "now")
    file = image.files[0]
    cut = tmp_path / "cut"
    write, count = file.write, 0

    def checked(offset: int, data: bytes) -> None:
        nonlocal count
        write(offset, data)
        count += 1
        if count % 3 == 0:
            cut.write_bytes(path.read_bytes())
            qemu_img("check", "-r", "leaks", cut)  # fails where there is anything but leaks
            assert len(contents(cut, tmp_path / "now")) == len(before)

    file.write = checked  # type: ignore[method-assign]
    dice = random.Random(4)
    for _ in range(12):
        image.write(dice.randrange(200) * 4096 + 512, dice.randbytes(1024))
        image.write_out()
    image.close()
    assert count > 30
    check(path)


def test_images_that_nobody_may_write_to_are_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "image"
    qemu_img("create", "-f", "qcow2", "-o", "lazy_refcounts=on", path, "1M")
    for bit, words in ((0, "was not closed"), (1, "marked as damaged")):
        data = bytearray(path.read_bytes())
        data[79] |= 1 << bit
        spoilt = tmp_path / "spoilt"
        spoilt.write_bytes(data)
        with pytest.raises(RdbgError, match=f"{words}.*qemu-img check.*snapshot=on"):
            open_image(str(spoilt), None, writable=True)
        open_image(str(spoilt), None, writable=False).image.close()
    qemu_img("bitmap", "--add", path, "b")
    with pytest.raises(RdbgError, match="bitmaps"):
        open_image(str(path), None, writable=True)
