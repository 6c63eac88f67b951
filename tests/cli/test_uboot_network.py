"""U-Boot loads over the network: the line of its manual, and what firmware people type at its prompt."""

from __future__ import annotations

import os
import random
import select
import subprocess
import time
import zlib
from pathlib import Path

import pytest

from tests.cli.command import rdbg, start
from tests.conftest import UBOOT_BIOS

pytestmark = [pytest.mark.real("u-boot-qemu", "libslirp0"), pytest.mark.timeout(600)]

PROMPT = b"maltael # "
CONTENT = random.Random(3).randbytes(50_000)


def test_dhcp_and_tftp(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "boot.bin").write_bytes(CONTENT)
    flash = tmp_path / "flash"
    flash.write_bytes(Path(UBOOT_BIOS).read_bytes())
    line = f"-nographic -cpu 24Kc -m 256 -drive if=pflash,file={flash},format=raw -device pcnet,netdev=net0 "
    line += f"-netdev user,id=net0,tftp={tmp_path / 'served'},bootfile=boot.bin"
    process = start("record", "-o", tmp_path / "run", *line.split())
    assert process.stdin is not None and process.stdout is not None
    said = b""
    try:
        for command in (
            b"\r",
            b"dhcp\r",
            b"tftpboot 81000000 boot.bin\r",
            f"crc32 81000000 {len(CONTENT):x}\r".encode(),
        ):
            prompts = said.count(PROMPT) + 1
            process.stdin.write(command)
            process.stdin.flush()
            deadline = time.monotonic() + 60
            while said.count(PROMPT) < prompts:
                assert time.monotonic() < deadline, said
                if select.select([process.stdout], [], [], 0.1)[0]:
                    said += os.read(process.stdout.fileno(), 4096)
        process.stdin.write(b"\x01x")
        process.stdin.flush()
        rest, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert b"DHCP client bound to address 10.0.2.15" in said
    assert said.count(f"Bytes transferred = {len(CONTENT)} ({len(CONTENT):x} hex)".encode()) == 2
    assert f"==> {zlib.crc32(CONTENT):08x}".encode() in said
    (tmp_path / "served" / "boot.bin").unlink()
    replayed = rdbg("replay", tmp_path / "run", timeout=300)
    assert replayed.returncode == 0 and replayed.stdout == said + rest, (errors, replayed.stderr)


def test_a_session_with_packets_is_kept_from_the_monitor_and_replays_without_a_network(tmp_path: Path) -> None:
    line = f"run -nographic -m 256 -bios {UBOOT_BIOS} -netdev user,id=net0 -device pcnet,netdev=net0"
    process = start(*line.split(), stderr=subprocess.STDOUT)
    assert process.stdin is not None and process.stdout is not None
    said = b""

    def typed(words: bytes, until: bytes) -> None:
        nonlocal said
        process.stdin.write(words)  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        seen, deadline = len(said), time.monotonic() + 60
        while until not in said[seen:]:
            assert time.monotonic() < deadline, said
            if select.select([process.stdout], [], [], 0.1)[0]:
                said += os.read(process.stdout.fileno(), 4096)  # type: ignore[union-attr]

    try:
        typed(b"\r", PROMPT)
        typed(b"setenv autoload no; dhcp\r", b"DHCP client bound to address 10.0.2.15")
        typed(b"\x01c", b"")
        typed(f"record {tmp_path / 'run'}\r".encode(), b"goes on into it")
        typed(b"\x01c", b"")
        typed(b"\rping 10.0.2.2\r", b"host 10.0.2.2 is alive")
        process.stdin.write(b"\x01x")
        process.stdin.flush()
        rest, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0 and b"recorded" in rest
    replayed = rdbg("replay", tmp_path / "run", timeout=300)
    assert replayed.returncode == 0, replayed.stderr
    assert b"bound to address 10.0.2.15" in replayed.stdout and b"is alive" in replayed.stdout
    told = rdbg("info", tmp_path / "run").stdout
    assert b"packets in" in told or b"network" in told
