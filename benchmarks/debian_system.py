"""Debian on a disk and on a network: booted, read from, downloaded to; recorded by rdbg, run by QEMU.

QEMU's own recording refuses or hangs with malta's disk and card: it runs plain, which is less work.
"""

from __future__ import annotations

import functools
import http.server
import os
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.download_back import rows as back_rows
from benchmarks.effort import Effort
from benchmarks.linux_boot import FILES
from benchmarks.progress import tell
from benchmarks.rows import Row, Section
from benchmarks.servers import Run, run
from tests.linux.console import RDBG
from tests.linux.debian import starter, system_disk
from tests.linux.fetch import BUSYBOX, KERNEL, MODULES, SYSTEM
from tests.linux.file_systems import ext4
from tests.linux.initramfs import initramfs, load_order

APPEND = "console=ttyS0 nokaslr rdinit=/init panic=1"
READ_MIB = 256
DOWNLOAD_BYTES = 100_000_000
#: What a person does with a system: start a few programs, and leave nothing unwritten.
WORK = "python3 -c \"import hashlib; print(hashlib.md5(b'').hexdigest())\"; ls -lR /usr/lib | md5sum"
POWER_OFF = "sync; mount -o remount,ro /; busybox poweroff -f"
_DOWNLOADED = "get.rdbg"
#: malta's own card, and the one of firmware; the module that drives each, and the recording.
_CARDS = (("pcnet", "pcnet32", _DOWNLOADED), ("e1000", "e1000", "e1000.rdbg"))
_QEMU_ALONE = ["-no-reboot", "-vga", "none", "-display", "none", "-monitor", "none", "-serial", "null"]
_TIMEOUT = 120


class DebianSystem:
    """The measurements.

    Args:
        folder: for the images and recordings.
        repeats: of each.
    """

    def __init__(self, folder: Path, repeats: int) -> None:
        self._folder = folder
        self._repeats = repeats

    def sections(self, with_qemu: bool) -> Iterator[Section]:
        """The rows, as they are measured; none without Debian's packages."""
        if not all((FILES / name).exists() for name in (KERNEL, BUSYBOX, MODULES, SYSTEM)):
            print("benchmarks: no Debian system found (make real-deps): its rows are left out", file=sys.stderr)
            return
        for words, rows in (
            ("Debian from a disk", self._boot_row),
            ("reading a disk", self._read_row),
        ):
            tell(words)
            yield Section("", "", [rows(with_qemu)])
        for card, module, recording in _CARDS:
            tell(f"downloading over {card}")
            yield Section("", "", [self._download_row(card, module, recording, with_qemu)])
        tell("going back through a download")
        yield Section("", "", back_rows(self._folder / _DOWNLOADED, FILES / KERNEL, self._repeats))

    def _boot_row(self, with_qemu: bool) -> Row:
        disk = system_disk(self._folder / "debian.img", f"{WORK}\n{POWER_OFF}")
        words = self._machine("starter.gz", starter(), "-nic", "none", *_drive(disk))
        ours, theirs, _ = self._both(words, "boot.rdbg", with_qemu)
        ratio = _seconds(theirs) / _seconds(ours) if theirs else None
        reached = None if ratio is None else ratio >= 1 / 1.2
        note = "QEMU runs plain"
        return Row("Debian from disk, to power-off", _time(theirs), _time(ours), ratio, "<= 1.2x", reached, note)

    def _read_row(self, with_qemu: bool) -> Row:
        disk = ext4(self._folder / "big.img", READ_MIB)
        with disk.open("r+b") as file:  # no zeros, which could be had more cheaply
            file.seek(1 << 20)
            file.write(os.urandom(1 << 20) * (READ_MIB - 1))
        reading = f"dd if=/dev/sda of=/dev/null bs=1M count={READ_MIB} iflag=direct"
        took = []
        for name, then in (("read.gz", f"{reading}\npoweroff -f"), ("none.gz", "poweroff -f")):
            modules = load_order(FILES / MODULES, ["ata_piix"])
            image = initramfs(FILES / BUSYBOX, f"sleep 1\n{then}", modules=modules)
            words = self._machine(name, image, "-nic", "none", *_drive(disk))
            took.append(self._both(words, "read.rdbg", with_qemu)[:2])
        mine, theirs = (
            READ_MIB * (1 << 20) / 1e6 / (_seconds(took[0][which]) - _seconds(took[1][which]))
            if took[0][which]
            else None
            for which in (0, 1)
        )
        assert mine is not None
        ratio = None if theirs is None else mine / theirs
        note = "difference of two runs; first contents are kept"
        return Row("sequential reads of a disk by DMA", _speed(theirs), _speed(mine), ratio, ">= 100 MB/s", mine >= 100,
                   note)  # fmt: skip

    def _download_row(self, card: str, module: str, recording: str, with_qemu: bool) -> Row:
        served = self._folder / "www"
        served.mkdir(exist_ok=True)
        (served / "file").write_bytes(os.urandom(DOWNLOAD_BYTES))
        handler = functools.partial(_Quiet, directory=str(served))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        network = "ifconfig lo up; ifconfig eth0 10.0.2.15 up; route add default gw 10.0.2.2"
        get = f"wget -q -O /dev/null http://10.0.2.2:{server.server_port}/file"
        took = []
        journal = 0
        try:
            for name, then, into in (("get.gz", f"{network}; {get}", recording), ("idle.gz", network, "idle.rdbg")):
                modules = load_order(FILES / MODULES, [module])
                image = initramfs(FILES / BUSYBOX, f"{then}\npoweroff -f", modules=modules)
                words = self._machine(name, image, "-nic", f"user,model={card}")
                ours, theirs, size = self._both(words, into, with_qemu)
                took.append((ours, theirs))
                journal = max(journal, size)
        finally:
            server.shutdown()
            server.server_close()
        mine, others = (
            DOWNLOAD_BYTES / 1e6 / (_seconds(took[0][which]) - _seconds(took[1][which])) if took[0][which] else None
            for which in (0, 1)
        )
        assert mine is not None
        ratio = None if others is None else mine / others
        note = f"journal {journal / DOWNLOAD_BYTES:.3f}x the file's bytes"
        name = f"100 MB downloaded by HTTP, {card}, user network"
        return Row(name, _speed(others), _speed(mine), ratio, ">= 10 MB/s", mine >= 10, note)

    def _machine(self, name: str, initrd: bytes, *words: str) -> list[str]:
        image = self._folder / name
        image.write_bytes(initrd)
        return ["-M", "malta", "-m", "256", "-kernel", str(FILES / KERNEL), "-initrd", str(image), "-append", APPEND,
                *words]  # fmt: skip

    def _both(self, words: Sequence[str], name: str, with_qemu: bool) -> tuple[list[Run], list[Run], int]:
        """The runs of rdbg recording and of QEMU, in turn, and the size of the last journal in bytes."""
        ours: list[Run] = []
        theirs: list[Run] = []
        journal = self._folder / name
        for _ in range(self._repeats):
            for old in self._folder.glob(f"{name}*"):
                old.unlink()
            command = [*RDBG, "record", "-o", str(journal), "--", *words, "-no-reboot", "-serial", "null"]
            ours.append(run([*command, "-icount", "shift=7"], _TIMEOUT))
            if with_qemu:
                qemu = ["qemu-system-mipsel", *words, *_QEMU_ALONE, "-icount", "shift=7"]
                theirs.append(run(qemu, _TIMEOUT))
        return ours, theirs, journal.stat().st_size


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        """Nothing: the table is being printed."""


def _drive(disk: Path) -> list[str]:
    return ["-drive", f"file={disk},format=raw,snapshot=on"]


def _seconds(runs: Sequence[Run]) -> float:
    return statistics.median(one.seconds for one in runs)


def _time(runs: Sequence[Run]) -> str:
    return f"{_seconds(runs):.2f} s" if runs else "-"


def _speed(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} MB/s"


def main() -> None:
    """Measure these alone and print their rows."""
    effort = Effort.quick() if "--quick" in sys.argv[1:] else Effort.full()
    with tempfile.TemporaryDirectory(prefix="rdbg-bench-") as folder:
        for section in DebianSystem(Path(folder), effort.repeats).sections(with_qemu=True):
            for row in section.rows:
                print(row, flush=True)


if __name__ == "__main__":
    main()
