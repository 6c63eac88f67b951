"""Gets Debian's kernel for malta and a static busybox for it, without touching the system's package lists.

Run by ``make real-deps`` as ``python3 tests/linux/fetch.py FOLDER``: needs apt-get and dpkg-deb, no root. Uses the
standard library alone, so that it runs before rdbg is built.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ARCHITECTURE = "mipsel"
META_PACKAGE = "linux-image-4kc-malta"  #: depends on the kernel of the day
BUSYBOX_PACKAGE = "busybox-static"
KERNEL, BUSYBOX = "vmlinux", "busybox"


class ForeignApt:
    """apt-get for another architecture, with its lists and cache in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        for name in ("state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "state/status").touch()
        settings = {
            "Dir::State": folder / "state",
            "Dir::State::status": folder / "state/status",
            "Dir::Cache": folder / "cache",
            "APT::Architecture": ARCHITECTURE,
            "APT::Architectures": ARCHITECTURE,
            "Acquire::Languages": "none",
            "APT::Sandbox::User": "",
        }
        self._options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    def run(self, program: str, *words: str, cwd: Path | None = None) -> str:
        """Run apt-get or apt-cache; gives what it prints."""
        command = [program, "-q", *self._options, *words]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=cwd).stdout


def fetch(folder: Path) -> None:
    """Put the kernel and busybox into ``folder``, unless they are there."""
    if all((folder / name).is_file() for name in (KERNEL, BUSYBOX)):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        apt = ForeignApt(Path(scratch) / "apt")
        apt.run("apt-get", "update")
        found = re.search(r"Depends: (linux-image-\S+)", apt.run("apt-cache", "depends", META_PACKAGE))
        if found is None:
            raise SystemExit(f"{META_PACKAGE}:{ARCHITECTURE} depends on no kernel image here")
        downloads = Path(scratch) / "packages"
        downloads.mkdir()
        apt.run("apt-get", "download", found.group(1), BUSYBOX_PACKAGE, cwd=downloads)
        unpacked = Path(scratch) / "unpacked"
        for package in downloads.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(unpacked)], check=True)
        shutil.copy(next(unpacked.glob("boot/vmlinu?-*")), folder / KERNEL)
        shutil.copy(next(path for path in unpacked.glob("**/bin/busybox")), folder / BUSYBOX)


if __name__ == "__main__":
    fetch(Path(sys.argv[1]))
