"""qemu-img and qemu-io: who says what an image is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

needs_qemu_img = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-utils is not installed")


def qemu_img(*words: str | Path) -> str:
    """Run qemu-img, which must succeed."""
    return _run("qemu-img", *words)


def qemu_io(image: Path, *commands: str) -> str:
    """Let qemu-io do something to an image."""
    words = [word for command in commands for word in ("-c", command)]
    return _run("qemu-io", "-f", "qcow2", *words, image)


def contents(image: Path, scratch: Path) -> bytes:
    """What qemu-img says that a guest sees."""
    qemu_img("convert", "-U", "-O", "raw", image, scratch)
    return scratch.read_bytes()


def check(image: Path) -> None:
    """The image must be whole, without a leaked cluster."""
    qemu_img("check", "-U", image)


def _run(*words: str | Path) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout
