"""Builds Linux for a big-endian malta, with everything in the kernel, and a static busybox, from Debian's sources.

Run by ``make big-endian`` as ``python3 -m tests.linux.build_big_endian FOLDER``; uses the standard library alone.
Debian has no packages for this byte order: its kernels for malta are little endian. Both programs have what the tests'
guests use and nothing else: the build is what a run of these tests waits for.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.linux.fetch import BUSYBOX, KERNEL, ForeignApt

CROSS = "mips-linux-gnu-"
CONFIG = Path(__file__).with_name("big_endian.config")  #: what the kernel has; all else is left out
BUSYBOX_CONFIG = Path(__file__).with_name("big_endian_busybox.config")  #: the same of busybox
SOURCE_PACKAGE = "linux-source"  #: depends on the sources of the day
#: Nothing for a malta is built from these two fifths of the kernel's sources; Kconfig files are all read.
LEFT_IN_ARCHIVE = ("*/Documentation/*/*", "*/drivers/gpu/*.[ch]", "*/sound/*.[ch]")
_SETTINGS = {
    "ARCH": "mips",
    "CROSS_COMPILE": CROSS,
    "KBUILD_BUILD_TIMESTAMP": "2024-01-01",
    "KBUILD_BUILD_USER": "rdbg",
    "KBUILD_BUILD_HOST": "rdbg",
    "KCFLAGS": "-w",  # warnings nobody reads take a twentieth of the time
}


def build(folder: Path) -> None:
    """Put kernel and busybox into ``folder``, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        if not (folder / KERNEL).exists():
            _build_kernel(Path(scratch), folder / KERNEL)
        if not (folder / BUSYBOX).exists():
            _build_busybox(Path(scratch), folder / BUSYBOX)


def _build_kernel(scratch: Path, target: Path) -> None:
    apt = ForeignApt(scratch / "apt")
    apt.run("apt-get", "update")
    found = re.search(r"Depends: (linux-source-\S+)", apt.run("apt-cache", "depends", SOURCE_PACKAGE))
    if found is None:
        raise SystemExit(f"{SOURCE_PACKAGE} depends on no sources here")
    apt.run("apt-get", "download", found.group(1), cwd=scratch)
    package = next(scratch.glob("linux-source-*.deb"))
    _run(["dpkg-deb", "-x", str(package), str(scratch)], scratch)
    archive = next(scratch.glob("usr/src/linux-source-*.tar.xz"))
    _run(["tar", "xf", str(archive), *(f"--exclude={pattern}" for pattern in LEFT_IN_ARCHIVE)], scratch)
    source = next(path for path in scratch.glob("linux-source-*") if path.is_dir())
    _make(source, f"KCONFIG_ALLCONFIG={CONFIG}", "allnoconfig")
    _check(source, CONFIG)
    _make(source, "vmlinux")
    _run([f"{CROSS}strip", "-o", str(target), "vmlinux"], source)


def _build_busybox(scratch: Path, target: Path) -> None:
    apt = ForeignApt(scratch / "apt-sources", sources=True)
    apt.run("apt-get", "update")
    apt.run("apt-get", "source", "busybox", cwd=scratch)
    source = next(path for path in scratch.glob("busybox-*") if path.is_dir())
    _make(source, "defconfig")
    # Its own allnoconfig asks no file.
    config, wanted = source / ".config", _wanted(BUSYBOX_CONFIG)

    def decided(line: re.Match[str]) -> str:
        return f"{line[1]}=y" if f"{line[1]}=y" in wanted else f"# {line[1]} is not set"

    config.write_text(re.sub(r"(?m)^(?:# )?(CONFIG_\w+)(?:=y| is not set)$", decided, config.read_text()))
    _make(source, "busybox")
    _check(source, BUSYBOX_CONFIG)
    shutil.copy(source / "busybox", target)


def _wanted(config: Path) -> list[str]:
    return [line for line in config.read_text().splitlines() if line.startswith("CONFIG_")]


def _check(source: Path, config: Path) -> None:
    """What is wanted is what will be built: an option whose needs are not met is left out without a word."""
    made = (source / ".config").read_text().splitlines()
    missing = [line for line in _wanted(config) if line not in made]
    if missing:
        raise SystemExit(f"{source.name} does not take {', '.join(missing)}")


def _make(source: Path, *words: str) -> None:
    _run(["make", "-s", f"-j{os.cpu_count()}", *words], source)


def _run(command: list[str], folder: Path) -> None:
    log = folder / "log"
    with log.open("ab") as output:
        done = subprocess.run(
            command, cwd=folder, env=os.environ | _SETTINGS, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{log.read_text(errors='replace')[-3000:]}")


if __name__ == "__main__":
    build(Path(sys.argv[1]).absolute())
