"""QEMU's words for drives, and what they come to."""

from __future__ import annotations

import shlex

import pytest

from rdbg.cli.qemu_options import parse_line
from rdbg.errors import UsageError
from rdbg.images.cache_mode import CacheMode
from rdbg.session.drive_options import DriveOptions


def drives(line: str) -> dict[str, DriveOptions]:
    """The drives of a command line, by name."""
    return {drive.name: drive for drive in parse_line(shlex.split(line)).options.drives}


def test_a_machine_has_an_empty_cd_rom_drive_unless_nothing_is_wanted() -> None:
    assert drives("") == {"ide1-cd0": DriveOptions("ide1-cd0", "ide", 2, "cdrom")}
    assert drives("-nodefaults") == {}
    assert drives("-M bare,file=b.toml") == {}
    assert drives("-hdc f")["ide1-hd0"].file == "f" and "ide1-cd0" not in drives("-hdc f")
    assert drives("-cdrom f")["ide1-cd0"].file == "f"


@pytest.mark.parametrize(
    ("line", "name", "fields"),
    [
        ("-hda a", "ide0-hd0", {"index": 0, "file": "a"}),
        ("-hdd a,b", "ide1-hd1", {"index": 3, "file": "a,b"}),
        ("-drive a", "ide0-hd0", {"file": "a", "format": None}),
        ("-drive a,format=raw", "ide0-hd0", {"file": "a", "format": "raw"}),
        ("-drive file=a,,b,format=qcow2", "ide0-hd0", {"file": "a,b", "format": "qcow2"}),
        ("-drive file=file:a,driver=qcow2", "ide0-hd0", {"file": "a", "format": "qcow2"}),
        ("-hda x -drive a", "ide0-hd1", {"file": "a"}),
        ("-drive a,index=3", "ide1-hd1", {"index": 3}),
        ("-drive a,bus=1,unit=1", "ide1-hd1", {"index": 3}),
        ("-drive a,media=cdrom,index=1", "ide0-cd1", {"media": "cdrom"}),
        ("-drive a,if=virtio", "virtio0", {"bus": "virtio"}),
        ("-drive x,if=virtio -drive a,if=virtio,id=me", "me", {"bus": "virtio", "index": 1}),
        ("-drive a,snapshot=on", "ide0-hd0", {"snapshot": True}),
        ("-drive a -snapshot", "ide0-hd0", {"snapshot": True}),
        ("-drive a,if=virtio,readonly=on", "virtio0", {"read_only": True}),
        ("-drive a,cache=unsafe", "ide0-hd0", {"cache": CacheMode.UNSAFE}),
        ("-drive a,cache=off", "ide0-hd0", {"cache": CacheMode.NONE}),
        ("-drive a,cache.no-flush=on", "ide0-hd0", {"cache": CacheMode.UNSAFE}),
        ("-drive a,serial=123,aio=native,discard=unmap,werror=report", "ide0-hd0", {"serial": "123"}),
        ("-drive driver=qcow2,file.driver=file,file.filename=a", "ide0-hd0", {"file": "a", "format": "qcow2"}),
        ("-blockdev driver=file,node-name=f,filename=a", "f", {"bus": "none", "file": "a", "format": "raw"}),
        ("-blockdev file,node-name=f,filename=a", "f", {"file": "a", "format": "raw"}),
        ("-cdrom ''", "ide1-cd0", {"file": None, "media": "cdrom"}),
        (
            "-blockdev driver=file,node-name=f,filename=a -blockdev driver=qcow2,node-name=q,file=f,read-only=on",
            "q",
            {"bus": "none", "file": "a", "format": "qcow2", "read_only": True},
        ),
        (
            '-blockdev \'{"driver": "qcow2", "node-name": "q", "file": {"driver": "file", "filename": "a"}}\'',
            "q",
            {"file": "a", "format": "qcow2"},
        ),
        (
            "-drive file=a,if=none,snapshot=on,id=img-direct "
            "-drive driver=blkreplay,if=none,image=img-direct,id=img-blkreplay",
            "img-blkreplay",
            {"bus": "none", "file": "a", "snapshot": True},
        ),
    ],
)
def test_what_a_line_comes_to(line: str, name: str, fields: dict[str, object]) -> None:
    drive = drives(line)[name]
    assert {key: getattr(drive, key) for key in fields} == fields


_QCOW2 = '{"driver":"qcow2","file":{"driver":"file","filename":"F"}}'


@pytest.mark.parametrize(
    ("name", "more", "fields"),
    [
        (_QCOW2, "", {"file": "F", "format": "qcow2"}),
        (_QCOW2, ",format=raw,if=virtio", {"file": "F", "format": "raw", "bus": "virtio"}),
        ('{"driver":"file","filename":"a,b","locking":"off"}', ",media=cdrom", {"file": "a,b", "format": None}),
        ("{'driver':'raw','filename':'it\\'s \"F\"'}", "", {"file": 'it\'s "F"', "format": "raw"}),
        (
            '{"driver":"raw","file.filename":"F","cache":{"no-flush":true}}',
            "",
            {"file": "F", "cache": CacheMode.UNSAFE},
        ),
    ],
)
def test_a_file_s_name_may_be_json(name: str, more: str, fields: dict[str, object]) -> None:
    doubled = name.replace(",", ",,")
    (drive, *_) = parse_line(["-drive", f"file=json:{doubled}{more}"]).options.drives
    assert {key: getattr(drive, key) for key in fields} == fields
    (short, *_) = parse_line(["-hda", f"json:{name}"]).options.drives
    assert short.file == fields["file"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("{", "is not JSON"),
        ('{"driver":"nbd","host":"h"}', "unknown key 'host'"),
        ('{"driver":"raw","offset":512,"file":{"driver":"file","filename":"F"}}', "unknown key 'offset'"),
        ('{"driver":"qcow2","file":"node"}', "'node' is a node's name"),
        ('{"driver":"luks","filename":"F"}', "no image format 'luks'"),
        ('{"driver":"raw","driver":"raw","file.filename":"F"}', "not JSON: duplicate key 'driver'"),
        ('{"driver":"raw","file":{"filename":"F","filename":"G"}}', "not JSON: duplicate key 'filename'"),
        ('{"driver":"raw","file.filename":"F","file":{"filename":"G"}}', "not JSON: duplicate key 'file.filename'"),
        ('{"driver":"raw","file.filename":"F","locking":NaN}', "not JSON: invalid keyword 'NaN'"),
        ('{"driver":' + "[" * 20_000, "not JSON: it is too deep"),
    ],
)
def test_json_that_names_no_file_is_refused(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_line(["-hda", f"json:{name}"])


def test_all_four_places_are_given_in_turn() -> None:
    assert list(drives("-drive a -drive b -drive c -drive d")) == ["ide0-hd0", "ide0-hd1", "ide1-hd0", "ide1-hd1"]
