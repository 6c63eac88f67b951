"""A folder as a disk: what QEMU's ``fat:`` shows of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rdbg.emu.disk import SECTOR_SIZE
from rdbg.errors import RdbgError
from rdbg.images.folder_disk import parse_folder
from rdbg.images.open_image import open_image
from tests.cli.command import TANK, TANK_OUTPUT, assert_one_line, rdbg
from tests.images.qemu_img import needs_qemu_img, qemu_img

pytestmark = pytest.mark.real("mtools")
PARTITION = slice(0x1BE, 0x1CE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "shown"
    (made / "deep" / "deeper").mkdir(parents=True)
    (made / "readme.txt").write_text("hello\n")
    (made / "deep" / "A long name, and a second one.config").write_bytes(bytes(range(256)) * 500)
    (made / "deep" / "A long name, and a third one.config").write_bytes(b"")
    (made / "deep" / "deeper" / "last").write_bytes(b"\xff" * 8193)
    (made / "linked").symlink_to(made / "deep" / "deeper")
    return made


def tree(top: Path) -> dict[str, bytes]:
    """All files of a folder."""
    found = {}
    for path, _, names in os.walk(top, followlinks=True):
        for name in names:
            file = Path(path, name)
            found[str(file.relative_to(top))] = file.read_bytes()
    return found


def first_sector(image: Path) -> bytes:
    with image.open("rb") as file:
        return file.read(SECTOR_SIZE)


def unpacked(image: Path, start: int, into: Path) -> dict[str, bytes]:
    """What mtools finds on a disk whose file system begins at a sector."""
    into.mkdir()
    words = ["mcopy", "-i", f"{image}@@{start * SECTOR_SIZE}", "-s", "-n", "::*", str(into)]
    subprocess.run(words, check=True, env={**os.environ, "MTOOLS_SKIP_CHECK": "1"}, stdin=subprocess.DEVNULL)
    return tree(into)


@needs_qemu_img
@pytest.mark.parametrize("how", ["", "12:", "floppy:", "32:"])
def test_a_guest_finds_what_it_finds_on_qemu(folder: Path, tmp_path: Path, how: str) -> None:
    image = open_image(f"fat:{how}{folder}", None, False).image
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    start = parse_folder(f"fat:{how}{folder}").start
    with ours.open("wb") as file:
        file.write(image.read(0, min(image.size, 8 << 20)))  # the rest is free
        file.truncate(image.size)
    image.close()
    assert unpacked(ours, start, tmp_path / "our files") == tree(folder)
    if how != "32:":  # QEMU's FAT32 is experimental: mtools finds no file system there
        qemu_img("convert", "-O", "raw", f"fat:{how}{folder}", theirs)
        assert theirs.stat().st_size == image.size
        assert unpacked(theirs, start, tmp_path / "their files") == tree(folder)
        if start:
            assert first_sector(ours)[PARTITION] == first_sector(theirs)[PARTITION]


def test_a_run_shows_it_and_changes_nothing_and_its_replay_needs_it_no_more(folder: Path, tmp_path: Path) -> None:
    before = tree(folder)
    recorded = rdbg("record", "-o", tmp_path / "run", "-kernel", TANK, "-serial", "stdio", "-hda", f"fat:rw:{folder}")
    assert (recorded.returncode, recorded.stdout) == (0, TANK_OUTPUT), recorded.stderr
    assert b"what the guest writes there stays in the run; the folder is not changed" in recorded.stderr
    assert tree(folder) == before
    folder.rename(tmp_path / "gone")
    replayed = rdbg("replay", tmp_path / "run")
    assert (replayed.returncode, replayed.stdout) == (0, TANK_OUTPUT), replayed.stderr


@pytest.mark.parametrize(
    "drive",
    ["file=fat:rw:{},format=raw", "driver=vvfat,dir={},rw=on,if=virtio", "file.driver=vvfat,file.dir={},format=raw"],
)
def test_all_of_qemus_ways_to_say_it(folder: Path, drive: str) -> None:
    done = rdbg("run", "-kernel", TANK, "-serial", "stdio", "-drive", drive.format(folder))
    assert (done.returncode, done.stdout) == (0, TANK_OUTPUT), done.stderr


@pytest.mark.parametrize("name", ["-s", "c:", "colon:in:it"])
def test_a_folder_may_have_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mtools would take a name that begins with - for an option, one with a colon for a drive of its own."""
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    Path(name, "a").write_text("here\n")
    shown = open_image(f"fat:{name}", None, False).image
    copy = tmp_path / "copy"
    copy.write_bytes(shown.read(0, parse_folder(f"fat:{name}").sectors * SECTOR_SIZE))
    assert unpacked(copy, parse_folder(f"fat:{name}").start, tmp_path / "found") == {"a": b"here\n"}


def test_what_cannot_be_shown_is_one_line(folder: Path, tmp_path: Path) -> None:
    def refused(text: str, words: str) -> None:
        with pytest.raises(RdbgError, match=words):
            open_image(text, None, False)

    refused(f"fat:{tmp_path}/none", "no folder; mend the name")
    refused("fat:rw:", "names no folder; write fat:rw:DIR")
    (folder / "README.txt").touch()
    refused(f"fat:{folder}", "FAT cannot tell it from README.txt; rename one")
    (folder / "README.txt").unlink()
    (folder / "up").symlink_to(folder)
    refused(f"fat:{folder}", "a link to a folder that it is in")
    (folder / "up").unlink()
    with (folder / "big").open("wb") as file:
        file.truncate(3 << 20)
    refused(f"fat:floppy:{folder}", "does not fit: a FAT12 disk as QEMU's has 2949120 bytes")
    (folder / "big").unlink()
    os.mkfifo(folder / "pipe")
    refused(f"fat:{folder}", "neither a file nor a folder")
    words = ["run", "-kernel", TANK, "-drive", f"file=fat:rw:{folder},format=qcow2"]
    assert_one_line(rdbg(*words), 2, "a folder is a raw disk; write format=raw")


def test_without_mtools_a_line_says_how_to_get_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(RdbgError, match="on Debian: apt install mtools"):
        open_image(f"fat:{folder}", None, False)
