"""U-Boot says on rdbg what it says on QEMU, to the byte."""

from __future__ import annotations

import os
import select
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.command import start
from tests.conftest import UBOOT_BIOS
from tests.processes import spawn

COMMANDS = (b"", b"version", b"bdinfo", b"md bfc00000 8", b"printenv", b"md.b be000000 20", b"mw 80100000 5 4")
PROMPT = b"maltael # "

pytestmark = pytest.mark.real("u-boot-qemu", "qemu-system-mips")


#: Debian's U-Boot has no file systems; its driver finds the controller and says of the drives what it does on QEMU.
ABOUT_DISKS = (b"ide reset", b"ide info", b"ide part", b"ide read 81000000 0 8", b"pci 0 long")


def conversation(process: subprocess.Popen[bytes], commands: tuple[bytes, ...] = COMMANDS) -> bytes:
    """Type each command when the prompt has come; give all that was printed."""
    assert process.stdin is not None and process.stdout is not None
    said = b""
    waiting = list(commands)
    deadline = time.monotonic() + 60
    prompts = 1
    while said.count(PROMPT) < prompts or waiting:
        if said.count(PROMPT) >= prompts:
            process.stdin.write(waiting.pop(0) + b"\r")
            process.stdin.flush()
            prompts += 1
        assert time.monotonic() < deadline, said
        if select.select([process.stdout], [], [], 0.1)[0]:
            piece = os.read(process.stdout.fileno(), 4096)
            assert piece, said
            said += piece
    return said


def word_swapped(image: bytes) -> bytes:
    """QEMU swaps the words of a little-endian -bios image; Debian's is as the CPU reads it."""
    padded = image + b"\xff" * (-len(image) % 4)
    return b"".join(padded[i : i + 4][::-1] for i in range(0, len(padded), 4))


def test_the_same_words_at_the_prompt(tmp_path: Path) -> None:
    swapped = tmp_path / "swapped.bin"
    swapped.write_bytes(word_swapped(Path(UBOOT_BIOS).read_bytes()))
    options = ["-M", "malta", "-m", "256", "-display", "none", "-vga", "none", "-net", "none", "-serial", "stdio"]
    qemu = spawn(
        ["qemu-system-mipsel", *options, "-monitor", "none", "-bios", str(swapped)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    ours = [start("run", *options, "-bios", image) for image in (UBOOT_BIOS, swapped)]
    try:
        expected = conversation(qemu)
        assert b"U-Boot 2023" in expected and b"boot_params" in expected
        for process in ours:
            assert conversation(process) == expected
    finally:
        for process in (qemu, *ours):
            process.kill()
            process.wait()


def test_the_same_words_about_disks(tmp_path: Path) -> None:
    swapped, image = tmp_path / "swapped.bin", tmp_path / "disk.img"
    swapped.write_bytes(word_swapped(Path(UBOOT_BIOS).read_bytes()))
    image.write_bytes(bytes(1 << 20))
    options = ["-M", "malta", "-m", "256", "-display", "none", "-vga", "none", "-net", "none", "-serial", "stdio"]
    options += ["-bios", str(swapped), "-drive", f"file={image},format=raw,if=ide,index=0,snapshot=on"]
    qemu = spawn(
        ["qemu-system-mipsel", *options, "-monitor", "none"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    ours = start("run", *options)
    try:
        expected = conversation(qemu, ABOUT_DISKS)
        assert b"Reset IDE" in expected and b"0x8086" in expected
        assert conversation(ours, ABOUT_DISKS) == expected
    finally:
        for process in (qemu, ours):
            process.kill()
            process.wait()
