"""An initial RAM disk with busybox and an init script, in cpio's newc format (kernel: Documentation/driver-api/early-
userspace/buffer-format.rst)."""

from __future__ import annotations

import gzip
import stat
from collections.abc import Sequence
from pathlib import Path

from tests.linux.fetch import needs_of

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
echo BOOTED
"""
SHELL = "exec setsid cttyhack sh"  #: a shell at the console


def _entry(name: str, mode: int, data: bytes, number: int, device: tuple[int, int] = (0, 0)) -> bytes:
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def load_order(folder: Path, drivers: Sequence[str]) -> list[Path]:
    """Kernel modules, each after those that it needs.

    Args:
        folder: where they are, NAME.ko each.
        drivers: names, with underscores.
    """
    order: list[Path] = []

    def add(name: str) -> None:
        path = folder / f"{name}.ko"
        if path not in order:
            for needed in needs_of(path):
                add(needed)
            order.append(path)

    for name in drivers:
        add(name)
    return order


def initramfs(busybox: Path, then: str = SHELL, programs: Sequence[Path] = (), modules: Sequence[Path] = ()) -> bytes:
    """The gzipped archive; the same bytes each time.

    Args:
        busybox: the program, static.
        then: what init does when everything is mounted.
        programs: more for /bin, static.
        modules: loaded in this order before ``then``.
    """
    load = "".join(f"insmod /{path.name}\n" for path in modules)
    entries: list[tuple[str, int, bytes, tuple[int, int]]] = [
        (name, stat.S_IFDIR | 0o755, b"", (0, 0)) for name in ("bin", "dev", "proc", "sys")
    ]
    entries += [
        ("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)),
        ("bin/busybox", stat.S_IFREG | 0o755, busybox.read_bytes(), (0, 0)),
        ("init", stat.S_IFREG | 0o755, f"{INIT}{load}{then}\n".encode(), (0, 0)),
    ]
    entries += [(path.name, stat.S_IFREG | 0o644, path.read_bytes(), (0, 0)) for path in modules]
    entries += [(f"bin/{path.name}", stat.S_IFREG | 0o755, path.read_bytes(), (0, 0)) for path in programs]
    archive = b"".join(
        _entry(name, mode, data, number, device) for number, (name, mode, data, device) in enumerate(entries, 1)
    )
    return gzip.compress(archive + _entry("TRAILER!!!", 0, b"", 0), mtime=0)
