"""``-readconfig``: options in a file, as QEMU reads it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from rdbg.cli.qemu_options import parse_line
from tests.cli.command import TANK, TANK_OUTPUT, assert_one_line, rdbg, rdbg_here

#: A file, and the line that it stands for.
FILE = """
# a comment
[machine]
  type = "malta"
  kernel = "K,1"
  append = "root=/dev/sda a,b"
[memory]
  size = "64"
[drive "d"]
  if = "none"
  format = "raw"
  file = "a,b.img"    # with a comma
[device "x"]
  drive = "d"
  driver = "virtio-blk-pci"
[netdev "n"]
  type = "user"
  hostfwd = "tcp::5555-:80"
  hostfwd="tcp::5556-:81"
[device]
  driver = "e1000"
  netdev = "n"
[object "f"]
  qom-type = "filter-dump"
  netdev = "n"
  file = "F"
[chardev "c"]
  path = "out"
  backend = "file"
[chardev "q"]
  backend = "socket"
  path = "q"
  server = "on"
[mon "m"]
  chardev = "q"
  mode = "control"
[icount]
  shift = "4"
[rtc]
  base = "2006-06-16"
[global]
  driver = "e1000"
  property = "mac"
  value = "52:54:00:00:00:09"
[name]
  guest = "it"
[smp-opts]
  cpus = "1"
[boot-opts]
  strict = "on"
[accel]
  accel = "tcg"
[action]
  reboot = "shutdown"
[semihosting-config]
  enable = "on"
  arg = "one"
[trace]
[numa]
"""
LINE = [
    *(
        "-M",
        "malta,kernel=K,,1,append=root=/dev/sda a,,b",
        "-m",
        "64",
        "-drive",
        "if=none,format=raw,file=a,,b.img,id=d",
    ),
    *("-device", "virtio-blk-pci,drive=d,id=x", "-netdev", "user,hostfwd=tcp::5555-:80,hostfwd=tcp::5556-:81,id=n"),
    *("-device", "e1000,netdev=n", "-object", "filter-dump,netdev=n,file=F,id=f", "-chardev", "file,path=out,id=c"),
    *("-chardev", "socket,path=q,server=on,id=q", "-mon", "chardev=q,mode=control,id=m", "-icount", "shift=4"),
    *("-rtc", "base=2006-06-16", "-global", "driver=e1000,property=mac,value=52:54:00:00:00:09", "-name", "guest=it"),
    *("-smp", "1", "-boot", "strict=on", "-accel", "tcg", "-action", "reboot=shutdown"),
    *("-semihosting-config", "enable=on,arg=one"),
]


def test_a_file_says_what_a_line_says(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(FILE)
    last = ["-serial", "chardev:c"]
    read, typed = (parse_line([*words, *last]).options for words in (["-readconfig", str(tmp_path / "f")], LINE))
    assert read == replace(typed, said=typed.said | {"readconfig"})
    assert read.append == "root=/dev/sda a,b" and [image.path for image in read.images] == ["K,1"]
    assert read.drives[0].file == "a,b.img" and read.ram_bytes == 64 << 20 and not read.reboot


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b'\xef\xbb\xbf[chardev "c"]\r\nbackend = "file"\r\npath = "a"\r\n', "a"),
        (b'[chardev "c"]\nbackend = "file"\npath = "\xff\xe9"', os.fsdecode(b"\xff\xe9")),
        ('[chardev "c"]\nbackend = "file"\npath = "a\x0cb\u2028\x85"\n'.encode(), "a\x0cb\u2028\x85"),
    ],
)
def test_files_of_other_editors_and_other_alphabets(data: bytes, path: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(data)
    options = parse_line(["-readconfig", str(tmp_path / "f"), "-serial", "chardev:c"]).options
    assert options.serials[0].path == path


def test_a_run_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(f'[machine]\ntype = "malta"\nkernel = "{TANK}"\n[chardev "c"]\nbackend = "stdio"\n')
    done = rdbg("run", "-readconfig", tmp_path / "f", "-serial", "chardev:c", "-net", "none")
    assert (done.returncode, done.stdout) == (0, TANK_OUTPUT), done.stderr


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('[dirve "d"]\nfile = "x"\n', ["f:1: there is no section [dirve]", "did you mean drive?"]),
        ('\nfile = "x"\n', ["f:2: file stands in no section"]),
        ("[drive]\n\nfile = x\n", ["f:3: 'file = x' is no section and no value", 'KEY = "VALUE"']),
        ('[drive "d"\n', ["f:1: '[drive \"d\"' is no section"]),
        ('[memory]\nsize = "64"\n[drive "d"]\nfiel = "x"\n', ["f:3: -drive: unknown key 'fiel'", "did you mean file?"]),
        ('[device]\ndriver = "e100"\n', ["f:1: -device e100: no such device"]),
        ('[drive "d"]\n', ["f:1: -drive id=d: names no file"]),
        ('[drive]\nfile = "a"\nfile = "b"\n', ["f:1: -drive: file is given twice"]),
        ('[vnc "v"]\nvnc = ":1"\n', ["f:2: [vnc]: there is no such thing in the machine"]),
        ('[fsdev "v"]\npath = "/"\n', ["f:1: -fsdev path=/,id=v: there is no 9p device"]),
        ("\0\xff\n", ["f:1:", "no section and no value"]),
        ('[drive]\nfile = "a\0b"\n', ["f:2: 'file = \"a\\x00b\"' is no section and no value"]),
        ("# " + "x" * (1 << 20), ["f: the file of options has", "bytes"]),
    ],
)
def test_what_a_file_gets_wrong_is_told_with_its_line(text: str, parts: list[str], tmp_path: Path) -> None:
    (tmp_path / "f").write_text(text, "latin-1")
    done = rdbg_here("run", "-readconfig", tmp_path / "f", "-kernel", TANK)
    assert_one_line(done, done.returncode, str(tmp_path), *parts)
    assert done.returncode in (1, 2)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path, why in {tmp_path / "none": "No such file", tmp_path: "a folder", Path("/dev/zero"): "a device"}.items():
        assert_one_line(rdbg_here("run", "-readconfig", path), 1, f"{path}: cannot read the file of options", why)
    for words in (("-readconfig", ""), ("-kernel", "")):
        assert_one_line(rdbg_here("run", *words), 1, "rdbg: cannot read the", "its name is empty; give a file")
    assert_one_line(rdbg_here("replay", "x", "-readconfig", "f"), 2, "-readconfig: the recording says this itself")
