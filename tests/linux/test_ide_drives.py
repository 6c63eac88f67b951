"""Debian's kernel with a hard disk and a CD-ROM on the IDE channels: it reads, computes, writes; beside QEMU, recorded,
and replayed when the images are gone."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import LINUX
from tests.linux.fetch import BUSYBOX, KERNEL
from tests.linux.file_systems import ext4, is_clean, iso9660
from tests.linux.initramfs import initramfs, load_order
from tests.processes import RDBG

pytestmark = [pytest.mark.real("linux-image-4kc-malta:mipsel", "qemu-system-mips"), pytest.mark.timeout(600)]

DRIVERS = ("ata_piix", "ext4", "crc32c_generic", "sr_mod", "isofs")
#: Each driver is given the time that it needs to find its drives.
THEN = """sleep 1
mkdir /disk /cd
mount -t ext4 /dev/sda /disk && mount -t iso9660 -o ro /dev/sr0 /cd
md5sum /disk/data /cd/data
gzip -c /disk/data > /disk/packed && gzip -dc /disk/packed | md5sum
dd if=/dev/zero of=/disk/zeros bs=64k count=16 2> /dev/null && rm /disk/old
cat /disk/data > /disk/copy && sync && echo 3 > /proc/sys/vm/drop_caches && md5sum /disk/copy
umount /disk; umount /cd
dd if=/dev/sda bs=512 skip=262143 2> /dev/null | md5sum; dd if=/dev/sda bs=512 seek=262144 count=1 2>&1 | tail -1
poweroff -f"""
APPEND = "console=ttyS0 nokaslr rdinit=/init"
STAMP = re.compile(rb"^\[ *[0-9.]+\] ", re.MULTILINE)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What both media hold."""
    folder = tmp_path_factory.mktemp("content")
    (folder / "data").write_bytes(random.Random(3).randbytes(3 << 20))
    (folder / "old").write_bytes(b"old" * 5000)
    return folder


def what_was_said(console: bytes) -> list[bytes]:
    """The guest's lines from where its init begins. Drivers find their drives side by side: their lines are sorted."""
    said = console.replace(b"\r", b"")
    lines = STAMP.sub(b"", said[said.index(b"BOOTED") :]).splitlines()
    about_drives = [line for line in lines if re.match(rb"(ata|scsi|sd |sr |cdrom)", line)]
    return sorted(about_drives) + [line for line in lines if line not in about_drives]


def run(words: Sequence[str]) -> bytes:
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=500)
    return done.stdout


def test_linux_reads_and_writes_its_drives(content: Path, tmp_path: Path) -> None:
    disc = iso9660(tmp_path / "disc.iso", content)
    disk = ext4(tmp_path / "disk.img", 128, content)
    theirs = shutil.copy(disk, tmp_path / "theirs.img")
    initrd = tmp_path / "initrd.gz"
    modules = load_order(LINUX / "modules", DRIVERS)
    initrd.write_bytes(initramfs(LINUX / BUSYBOX, THEN, modules=modules))

    def machine(image: Path | str) -> list[str]:
        kernel = ["-M", "malta", "-m", "128", "-kernel", str(LINUX / KERNEL), "-initrd", str(initrd), "-append", APPEND]
        drives = ["-drive", f"file={image},format=raw,if=ide,index=0", "-cdrom", str(disc)]
        return [*kernel, *drives, "-nographic", "-net", "none", "-vga", "none"]

    recording = tmp_path / "run.rr"
    console = run([*RDBG, "record", "-o", str(recording), "--", *machine(disk)])
    expected = run(["qemu-system-mipsel", *machine(theirs)])
    assert what_was_said(console) == what_was_said(expected)
    assert console.count(subprocess.run(["md5sum"], input=(content / "data").read_bytes(), stdout=subprocess.PIPE)
                         .stdout.split()[0]) == 4  # fmt: skip
    assert is_clean(disk)

    disk.unlink()
    disc.unlink()
    assert run([*RDBG, "replay", str(recording)]).replace(b"\r", b"") == console.replace(b"\r", b"")
