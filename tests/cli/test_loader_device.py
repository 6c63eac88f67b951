"""``-device loader``: files and numbers that are in memory at power-on, as QEMU puts them there."""

from __future__ import annotations

import contextlib
import gzip
import shlex
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdbg.emu.loaders.intel_hex import parse_hex
from rdbg.emu.loaders.uimage import parse_uimage
from rdbg.errors import RdbgError
from tests.cli.command import TANK, TANK_OUTPUT, assert_one_line, rdbg, rdbg_here

_START = 0x80001000
Maker = Callable[..., bytes]


def program() -> bytes:
    """Sends the eight bytes at 0x80003000 to the first serial port, where the north bridge has it at reset, and
    resets the board."""
    words = [
        0x3C09B000,  # lui t1, 0xb000
        0x3C088000,  # lui t0, 0x8000
        0x35083000,  # ori t0, t0, 0x3000
        0x250B0008,  # addiu t3, t0, 8
        0x910A0000,  # 1: lbu t2, 0(t0)
        0xA12A03F8,  # sb t2, 0x3f8(t1)
        0x25080001,  # addiu t0, t0, 1
        0x150BFFFC,  # bne t0, t3, 1b
        0x00000000,  # nop
        0x3C09BF00,  # lui t1, 0xbf00
        0x240A0042,  # addiu t2, zero, 0x42
        0xAD2A0500,  # sw t2, 0x500(t1): reset
        0x1000FFFF,  # 2: b 2b
        0x00000000,  # nop
    ]
    return struct.pack(f"<{len(words)}I", *words)


def uimage(code: bytes, packed: bool) -> bytes:
    data = gzip.compress(code, mtime=0) if packed else code
    fields = (len(data), _START, _START, zlib.crc32(data))
    return struct.pack(">7I4B32s", 0x27051956, 0, 0, *fields, 5, 5, 2, int(packed), b"loader") + data


def elf(code: bytes) -> bytes:
    head = b"\x7fELF\1\1\1".ljust(16, b"\0") + struct.pack(
        "<HHIIIIIHHHHHH", 2, 8, 1, _START, 52, 0, 0, 52, 32, 1, 0, 0, 0
    )
    return head + struct.pack("<8I", 1, 84, _START, _START, len(code), len(code), 7, 4) + code


def intel_hex(code: bytes) -> bytes:
    def line(address: int, kind: int, data: bytes) -> str:
        body = bytes([len(data), address >> 8, address & 255, kind]) + data
        return ":" + (body + bytes([-sum(body) & 255])).hex().upper()

    lines = [line(0, 4, struct.pack(">H", _START >> 16))]
    lines += [line((_START & 0xFFFF) + at, 0, code[at : at + 16]) for at in range(0, len(code), 16)]
    return "\n".join([*lines, line(0, 5, struct.pack(">I", _START)), line(0, 1, b""), ""]).encode()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    made = {"raw": program(), "uimage": uimage(program(), False), "packed": uimage(program(), True)}
    made |= {"hex": intel_hex(program()), "elf": elf(program()), "bios": bytes(64), "text": b"file\r\n\r\n"}
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    return {name: tmp_path / name for name in made}


NUMBER = "-device loader,addr=0x3000,data=0x0a0d6f6c6c6568,data-len=8"
#: What is loaded, and what it prints then.
LINES = {
    f"-device loader,file={{raw}},addr=0x1000 {NUMBER} -device loader,addr=0x80001000,cpu-num=0": b"hello\r\n\0",
    f"-device loader,file={{packed}},cpu-num=0 {NUMBER}": b"hello\r\n\0",
    f"-device loader,file={{hex}},cpu-num=0 {NUMBER}": b"hello\r\n\0",
    f"-device loader,file={{elf}},cpu-num=0 {NUMBER}": b"hello\r\n\0",
    "-device loader,file={raw},addr=0x80001000,cpu-num=0,force-raw=on "
    "-device loader,addr=0x3000,data=0x4142434445460d0a,data-len=4,data-be=on": b"ABCD\0\0\0\0",
    """-device '{{"driver":"loader","file":"{raw}","addr":4096}}' -device loader,addr=0x80001000,cpu-num=0 """
    "-device loader,file={text},addr=0x3000": b"file\r\n\r\n",
    f"-device loader,addr=-2147479552,cpu-num=0 -device loader,file={{raw}},addr=0x1000 {NUMBER}": b"hello\r\n\0",
    **{
        f"-device loader,file={{raw}},addr=0x1000 -device loader,addr=0xffffffff80001000,cpu-num=0 {number}": printed
        for number, printed in {
            "-device loader,addr=0x3000,data=-4,data-len=8": b"\xfc" + b"\xff" * 7,
            "-device loader,addr=0x3000,data=-4,data-len=2,data-be=on": b"\xff" * 2 + bytes(6),
            "-device loader,addr=0x3000,data=-18446744073709551615,data-len=8": b"\1" + bytes(7),
            "-device loader,addr=030000,data=0101,data-len=010": b"A" + bytes(7),
            """-device '{{"driver":"loader","addr":12288,"data":-4,"data-len":4}}'""": b"\xfc\xff\xff\xff" + bytes(4),
        }.items()
    },
}


def words(line: str, files: dict[str, Path]) -> list[str]:
    return [*shlex.split(line.format_map(files)), "-net", "none", "-no-reboot", "-nodefaults", "-serial", "stdio"]


@pytest.mark.parametrize("line", LINES)
def test_what_is_loaded_is_there_at_power_on_and_in_a_replay(line: str, files: dict[str, Path], tmp_path: Path) -> None:
    done = rdbg("record", "-o", tmp_path / "run", *words(line, files), "-EL")
    assert (done.returncode, done.stdout) == (0, LINES[line]), done.stderr
    if "{text}" in line:
        assert f"loader {files['raw']}, {len(program())} bytes" in rdbg("info", tmp_path / "run").stdout.decode()
        for file in files.values():
            file.unlink()
        replayed = rdbg("replay", tmp_path / "run")
        assert (replayed.returncode, replayed.stdout) == (0, LINES[line]), replayed.stderr


@pytest.mark.real("qemu-system-mips")
@pytest.mark.parametrize("line", LINES)
def test_qemu_has_it_there_too(line: str, files: dict[str, Path]) -> None:
    command = ["qemu-system-mipsel", "-M", "malta", "-bios", str(files["bios"]), "-display", "none", "-vga", "none"]
    done = subprocess.run([*command, *words(line, files)], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, LINES[line]), done.stderr


def test_a_number_beside_a_kernel_lets_it_start_as_ever() -> None:
    kernel = ["-kernel", TANK, "-serial", "stdio", "-net", "none"]
    done = rdbg("run", *kernel, "-device", "loader,addr=0x7000000,data=1,data-len=4")
    assert (done.returncode, done.stdout) == (0, TANK_OUTPUT), done.stderr


@pytest.mark.parametrize(
    ("said", "code", "parts"),
    [
        ("loader", 2, ["loads nothing", "file=F"]),
        ("loader,addr=0x1000", 2, ["cpu-num must be specified", "add cpu-num=0"]),
        ("loader,addr=0x1000,data=1", 2, ["Both data and data-len must be specified"]),
        ("loader,addr=0x1000,data=1,data-len=9", 2, ["data-len takes a number from 0 to 0x8"]),
        ("loader,addr=0x1000,data=1,data-len=4,file=x", 2, ["a file and a number at once"]),
        ("loader,file=x,cpu-num=1", 2, ["Specified boot CPU#1 is nonexistent"]),
        ("loader,file=x,addr=here", 2, ["addr takes a number, not 'here'"]),
        ("loader,addr=0x1000,data=1,data-len=-1", 2, ["data-len takes a number from 0 to 0x8, not -1"]),
        ("loader,addr=0x1000,data=1,data-len=08", 2, ["data-len takes a number, not '08'"]),
        ("loader,addr=0x1000,data=-18446744073709551616,data-len=1", 2, ["data takes a number from 0 to 0xffff"]),
        ("loader,addr=0x1000,data=1_0,data-len=1", 2, ["data takes a number, not '1_0'"]),
        ("loader,addr=-0x7fffd000,data=1,data-len=1", 2, ["addr takes a number from 0 to 0xffffffff, not -0x7fffd000"]),
        ("loader,force-raw=on", 2, ["no file"]),
        ("loader,fil=x", 2, ["no property 'fil'", "did you mean file?"]),
        ("loader,file=/nowhere/x", 1, ["/nowhere/x", "the loader image"]),
        (f"loader,file={TANK},cpu-num=0", 1, ["overlaps kernel image"]),
        ("loader,addr=0x1000000000,data=1,data-len=1", 2, ["addr takes a number from 0 to 0xffffffff"]),
        ("loader,addr=0x20000000,data=1,data-len=1", 1, ["0x20000000", "no memory"]),
    ],
)
def test_what_cannot_be_loaded_is_refused_in_a_line(said: str, code: int, parts: list[str]) -> None:
    assert_one_line(rdbg_here("run", "-kernel", TANK, "-serial", "null", "-device", said), code, *parts)


def test_a_damaged_image_of_u_boots_is_refused(files: dict[str, Path]) -> None:
    for name, damage, part in (("uimage", -4, "is truncated"), ("packed", -20, "is truncated")):
        files[name].write_bytes(files[name].read_bytes()[:damage])
        done = rdbg_here("run", "-EL", "-device", f"loader,file={files[name]},cpu-num=0", "-serial", "null")
        assert_one_line(done, 1, str(files[name]), part)
    whole = uimage(program(), True)
    files["packed"].write_bytes(whole[:80] + b"\xff" * 8 + whole[88:])
    done = rdbg_here("run", "-EL", "-device", f"loader,file={files['packed']},cpu-num=0", "-serial", "null")
    assert_one_line(done, 1, "cannot be unpacked")


@settings(max_examples=300)
@given(st.binary(max_size=40), st.integers(0, 200), st.sampled_from([uimage, intel_hex]), st.booleans())
def test_whatever_a_file_holds_it_is_read_or_refused(noise: bytes, at: int, made: Maker, packed: bool) -> None:
    whole = uimage(program(), packed) if made is uimage else intel_hex(program())
    data = whole[:at] + noise + whole[at + len(noise) :]
    with contextlib.suppress(RdbgError):
        found = parse_uimage(data, "it")
        assert found is None or len(found.data) <= 64 << 20
    assert parse_hex(data) is None or data.startswith(b":")


def test_a_file_of_many_pieces_is_placed_at_once(tmp_path: Path) -> None:
    lines = [f":01{at:04X}0055{-(1 + (at >> 8) + (at & 255) + 0x55) & 255:02X}" for at in range(0, 0xFFFE, 2)]
    for name in "ab":
        (tmp_path / name).write_text("\n".join([":020000040100F9", *lines, ":00000001FF"]))
    said = [word for name in "ab" for word in ("-device", f"loader,file={tmp_path / name}")]
    assert_one_line(rdbg_here("run", "-kernel", TANK, "-serial", "null", *said), 1, "overlaps loader image")


def test_a_truncated_elf_file_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(Path(TANK).read_bytes()[:3000])
    done = rdbg_here("run", "-EL", "-device", f"loader,file={tmp_path / 'f'},cpu-num=0", "-serial", "null")
    assert_one_line(done, 1, f"rdbg: loader image '{tmp_path / 'f'}' is truncated")


def test_its_properties_are_listed() -> None:
    done = rdbg_here("run", "-device", "loader,help")
    assert b"  force-raw=<bool (on/off)>\n" in done.stdout and done.returncode == 0
    assert b'name "loader", desc "Generic Loader"\n' in rdbg_here("run", "-device", "help").stdout
