"""Which tests can run here: those marked ``real`` need Debian packages. The GDBs that tests run with."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure. CI says the same of the same tree; whoever runs the tests by hand, or the nightly
# targets, tries other cases each time.
_IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
settings.register_profile("patient", deadline=None, derandomize=_IN_CI)
settings.load_profile("patient")

#: The GDB from PyPI.
PYPI_GDB = Path(sysconfig.get_path("scripts")) / "gdb"

UBOOT_BIOS = Path("/usr/lib/u-boot/maltael/u-boot.bin")

#: Where `make real-deps` puts Debian's kernel for malta and a busybox.
LINUX = Path(__file__).parents[1] / ".make" / "linux"

#: Debian package -> the programs or files that tests use of it.
PACKAGES: dict[str, tuple[str, ...]] = {
    "u-boot-qemu": (str(UBOOT_BIOS), str(UBOOT_BIOS.with_name("uboot.elf"))),
    "qemu-system-mips": ("qemu-system-mips", "qemu-system-mipsel"),
    "gdb-multiarch": ("gdb-multiarch",),
    "lldb-19": ("lldb-19",),
    "neovim": ("nvim",),
    "emacs-nox": ("emacs",),
    "gcc-mipsel-linux-gnu": ("mipsel-linux-gnu-gcc",),
    "gcc-mips-linux-gnu": ("mips-linux-gnu-gcc",),
    "qemu-utils": ("qemu-img", "qemu-nbd"),
    "e2fsprogs": ("/sbin/mke2fs", "/sbin/e2fsck"),
    "chromium": ("chromium",),
    "chromium-driver": ("chromedriver",),
    "xorriso": ("xorriso",),
    "mtools": ("mformat", "mcopy"),
    "zsh": ("zsh",),
    "fish": ("fish",),
    "mandoc": ("mandoc",),
    "valgrind": ("callgrind_annotate",),
    "libslirp0": (f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}/libslirp.so.0",),
    "linux-image-4kc-malta:mipsel": (
        str(LINUX / "vmlinux"),
        str(LINUX / "busybox"),
        str(LINUX / "modules" / "ext4.ko"),
        str(LINUX / "debian" / "bin" / "bash"),
    ),
}


def in_ci() -> bool:
    """Whether a skipped test is a failure (the variable that CI systems set)."""
    return _IN_CI


def is_installed(package: str) -> bool:
    """Whether everything that tests use of a Debian package is there."""
    return all(shutil.which(name) or Path(name).is_file() for name in PACKAGES[package])


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked ``real`` when one of its packages is absent."""
    wanted = [package for marker in item.iter_markers("real") for package in marker.args]
    missing = [package for package in wanted if not is_installed(package)]
    if missing:
        pytest.skip(f"needs {' '.join(missing)} (make real-deps)")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI everything is installed, so a skip hides something: make it a failure."""
    report = yield
    if in_ci() and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {reason}"
    return report


@pytest.fixture(params=[pytest.param("gdb-multiarch", marks=pytest.mark.real("gdb-multiarch")), "pypi"])
def gdb_program(request: pytest.FixtureRequest) -> str:
    """Path of a GDB that knows MIPS."""
    if request.param == "pypi":
        if not PYPI_GDB.is_file():
            pytest.skip("needs gdb-for-pwndbg (pip install '.[gdb]')")
        return str(PYPI_GDB)
    found = shutil.which(request.param)
    assert found is not None
    return found
