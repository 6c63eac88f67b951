"""Gets Debian's kernel for malta with modules, a static busybox, and packages for a root file system, without touching
the system's package lists.

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
MODULES = "modules"  #: a folder with the drivers below and what they need, each NAME.ko
DRIVERS = (
    "ata_piix", "sr_mod", "virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio_rng",
    "pcnet32", "e1000", "8139cp", "8139too", "ext4", "isofs", "crc32c_generic", "af_packet",
)  # fmt: skip
SYSTEM = "debian"  #: a folder with the unpacked packages below
SYSTEM_PACKAGES = (
    "base-files", "bash", "coreutils", "dropbear-bin", "e2fsprogs", "libacl1", "libatomic1", "libattr1", "libblkid1",
    "libbsd0", "libbz2-1.0", "libc6", "libc-bin", "libcom-err2", "libcrypt1", "libexpat1", "libext2fs2", "libffi8",
    "libgcc-s1", "libgmp10", "liblzma5", "libmd0", "libmount1", "libpcre2-8-0", "libpython3.11-minimal",
    "libpython3.11-stdlib", "libselinux1", "libss2", "libssl3", "libtinfo6", "libtomcrypt1", "libtommath1", "libuuid1",
    "mount", "netcat-openbsd", "python3.11-minimal", "zlib1g",
)  # fmt: skip


class ForeignApt:
    """apt-get for another architecture, with its lists and cache in a folder of its own.

    Args:
        folder: where they are.
        sources: it fetches source packages, which the system's own lists may lack, and no others.
    """

    def __init__(self, folder: Path, sources: bool = False) -> None:
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
        if sources:
            form = "deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)"
            command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
            places = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
            (folder / "sources.list").write_text("\n".join(place for place in places if "debian" in place) + "\n")
            (folder / "none").mkdir(exist_ok=True)
            settings |= {"Dir::Etc::sourcelist": folder / "sources.list", "Dir::Etc::sourceparts": folder / "none"}
        self._options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    def run(self, program: str, *words: str, cwd: Path | None = None) -> str:
        """Run apt-get or apt-cache; gives what it prints."""
        command = [program, "-q", *self._options, *words]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=cwd).stdout


def fetch(folder: Path) -> None:
    """Put kernel, modules, busybox and packages into ``folder``, unless they are there."""
    if all((folder / name).exists() for name in (KERNEL, BUSYBOX, MODULES, SYSTEM)):
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
        _unpack(downloads, unpacked)
        shutil.copy(next(unpacked.glob("boot/vmlinu?-*")), folder / KERNEL)
        shutil.copy(next(path for path in unpacked.glob("**/bin/busybox")), folder / BUSYBOX)
        _keep_modules(unpacked, folder / MODULES)
        of_system = Path(scratch) / "of_system"
        of_system.mkdir()
        apt.run("apt-get", "download", *SYSTEM_PACKAGES, cwd=of_system)
        _unpack(of_system, Path(scratch) / SYSTEM)
        shutil.rmtree(folder / SYSTEM, ignore_errors=True)
        shutil.move(Path(scratch) / SYSTEM, folder / SYSTEM)


def _unpack(packages: Path, into: Path) -> None:
    for package in sorted(packages.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(into)], check=True)


def needs_of(module: Path) -> list[str]:
    """The modules that one names in its ``depends`` field."""
    found = re.search(rb"\0depends=([^\0]*)\0", module.read_bytes())
    return [name for name in found.group(1).decode().split(",") if name] if found else []


def _keep_modules(unpacked: Path, folder: Path) -> None:
    files = {path.stem.replace("-", "_"): path for path in unpacked.glob("lib/modules/*/kernel/**/*.ko")}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    wanted = [name for name in DRIVERS if name in files]  # what is not there is built in
    while wanted:
        name = wanted.pop()
        kept = folder / f"{name}.ko"
        if not kept.exists():
            shutil.copy(files[name], kept)
            wanted += needs_of(kept)


if __name__ == "__main__":
    fetch(Path(sys.argv[1]))
