"""A root file system of Debian's own packages on a disk, and an initial RAM disk that mounts it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import LINUX
from tests.linux.fetch import BUSYBOX, MODULES, SYSTEM
from tests.linux.file_systems import ext4
from tests.linux.initramfs import initramfs, load_order

#: What the first program on the disk does before what a test wants.
INIT = """#!/bin/bash
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root PS1='debian# '
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -o remount,rw /
cd /root
echo DEBIAN IS UP
"""
SHELL = "exec busybox setsid busybox cttyhack bash --norc"  #: bash at the console
TOOLS = ("ifconfig", "ip", "ping", "udhcpc", "wget", "poweroff", "reboot", "insmod", "hexdump", "killall")
DHCP_SCRIPT = """#!/bin/bash
[ "$1" = bound ] && ifconfig "$interface" "$ip" netmask "$subnet" && ip route add default via "$router"
exit 0
"""


def system_disk(image: Path, then: str = SHELL, programs: Sequence[Path] = (), mebibytes: int = 192) -> Path:
    """A raw image with bash, coreutils, Python, e2fsprogs, netcat and busybox on ext4.

    Args:
        image: the file to make.
        then: what the first program does in the end.
        programs: more for /usr/bin.
        mebibytes: its size.

    Returns:
        ``image``.
    """
    root = image.with_name(image.name + ".root")
    shutil.copytree(LINUX / SYSTEM, root, symlinks=True, copy_function=os.link)
    try:
        for folder in ("proc", "sys", "dev", "root", "mnt", "tmp", "usr/share/udhcpc"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        _program(root / "sbin/init", f"{INIT}{then}\n".encode())
        _program(root / "usr/share/udhcpc/default.script", DHCP_SCRIPT.encode())
        for path in (LINUX / BUSYBOX, *programs):
            _program(root / "usr/bin" / path.name, path.read_bytes())
        for name in TOOLS:
            (root / "usr/bin" / name).symlink_to("busybox")
        (root / "usr/bin/python3").symlink_to("python3.11")
        return ext4(image, mebibytes, root)
    finally:
        shutil.rmtree(root)


def _program(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)  # it may be a link to the original
    path.write_bytes(data)
    path.chmod(0o755)


def starter(drivers: Sequence[str] = ("ata_piix",), disk: str = "/dev/sda") -> bytes:
    """The initial RAM disk that loads drivers and starts the first program on a disk.

    Args:
        drivers: kernel modules beside those for ext4.
        disk: where the root file system is.
    """
    modules = load_order(LINUX / MODULES, ["crc32c_generic", *drivers, "ext4"])
    wait = f"while ! [ -b {disk} ]; do sleep 1; done"
    then = f"{wait}\nmkdir /new\nmount -o ro {disk} /new\nexec switch_root /new /sbin/init"
    return initramfs(LINUX / BUSYBOX, then, modules=modules)
