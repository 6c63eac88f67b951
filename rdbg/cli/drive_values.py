"""``-drive``, ``-hda`` and the like, and ``-blockdev``: from QEMU's words to drives."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from rdbg.cli.option_values import (
    HelpWanted,
    hint,
    is_help,
    json_object,
    object_pairs,
    parse_number,
    parse_pairs,
    parse_serial_number,
    parse_switch,
)
from rdbg.errors import RdbgError, UsageError
from rdbg.images.cache_mode import CacheMode
from rdbg.images.folder_disk import PREFIX, parse_folder
from rdbg.images.formats import FORMATS
from rdbg.images.json_name import PREFIX as JSON
from rdbg.images.json_name import json_keys
from rdbg.session.drive_options import DriveLine, DriveOptions
from rdbg.session.options import ImageFile, RecordMode, RunOptions

INTERFACES = ("ide", "virtio", "none", "pflash")
#: Of each interface, how many drives a bus has; None: one each.
_UNITS = {"ide": 2}
_IDE_DRIVES = 4
_MOST_VIRTIO = 32
_CD_INDEX = 2

#: What QEMU takes for a place elsewhere.
_PROTOCOL = re.compile(r"(nbd|ssh|https?|ftps?|iscsi|rbd|gluster|nfs|sheepdog|json|blkdebug|nvme)(\+[a-z]+)?:")
#: What makes no difference: how the host reads and writes, and what it does about errors.
_WITHOUT_EFFECT = (
    "aio", "detect-zeroes", "copy-on-read", "rerror", "werror", "throttling.iops-total", "throttling.bps-total", "iops",
    "bps", "locking", "auto-read-only", "cache-size", "l2-cache-size", "lazy-refcounts", "file.locking", "discard",
)  # fmt: skip
_KEYS = (
    "file", "if", "format", "driver", "index", "bus", "unit", "media", "snapshot", "readonly", "read-only", "cache",
    "id", "node-name", "serial", "image", "file.driver", "file.filename", "filename", "cache.direct", "cache.no-flush",
    "cache.writeback", "file.read-only", "dir", "fat-type", "floppy", "rw", "label", "file.dir", "file.fat-type",
    "file.floppy", "file.rw", "file.label", *_WITHOUT_EFFECT,
)  # fmt: skip


def drive(options: RunOptions, value: str) -> RunOptions:
    """``-drive``."""
    if is_help(value):
        raise HelpWanted(f"-drive file=F[,if={'|'.join(INTERFACES)}][,format={'|'.join(FORMATS)}][,...]\n")
    pairs = parse_pairs(value, "-drive", _KEYS, first="file")
    interface = pairs.get("if", "ide")
    if interface not in INTERFACES:
        raise UsageError(
            f"-drive if={interface}: no such interface{hint(interface, INTERFACES)}; there are {', '.join(INTERFACES)}"
        )
    if interface == "pflash":
        return _flash(options, value, pairs)
    return replace(options, drive_lines=(*options.drive_lines, _line(f"-drive {value}", interface, pairs)))


def shorthand(index: int, media: str) -> Callable[[RunOptions, str], RunOptions]:
    """``-hda`` to ``-hdd``, ``-cdrom``.

    Args:
        index: place on the IDE buses.
        media: ``disk`` or ``cdrom``.
    """

    def apply(options: RunOptions, value: str) -> RunOptions:
        name = "-cdrom" if media == "cdrom" else f"-hd{'abcd'[index]}"
        pairs = {"file": value, "media": media, "index": str(index)}
        return replace(options, drive_lines=(*options.drive_lines, _line(f"{name} {value}", "ide", pairs)))

    return apply


def snapshot(options: RunOptions, value: str) -> RunOptions:
    """``-snapshot``."""
    return replace(options, snapshot=True)


def blockdev(options: RunOptions, value: str) -> RunOptions:
    """``-blockdev``."""
    if is_help(value):
        raise HelpWanted("-blockdev driver=file|raw|qcow2|blkreplay,node-name=N,...\n")
    option = f"-blockdev {value}"
    if value.startswith("{"):
        pairs = dict(object_pairs(json_object(value, option), option))
        _check_keys(option, pairs)
    else:
        pairs = parse_pairs(value, "-blockdev", _KEYS, first="driver")
    if "driver" not in pairs:
        raise UsageError(f"{option}: names no driver; write driver=file, raw or qcow2")
    if "node-name" not in pairs:
        raise UsageError(f"{option}: has no node-name; add node-name=N, by which a -device names it")
    return replace(options, drive_lines=(*options.drive_lines, _line(option, "none", pairs, is_node=True)))


def _check_keys(option: str, pairs: Mapping[str, str]) -> None:
    unknown = next((key for key in pairs if key not in _KEYS), None)
    if unknown is not None:
        raise UsageError(f"{option}: unknown key {unknown!r}{hint(unknown, _KEYS)}")


def _spelt_out(option: str, pairs: Mapping[str, str]) -> Mapping[str, str]:
    """A file's name that is JSON as the keys that it stands for; those that were said beside it win, as in QEMU."""
    file = pairs.get("file", "")
    if not file.startswith(JSON):
        return pairs
    try:
        said = json_keys(file.removeprefix(JSON))
    except ValueError as error:
        raise UsageError(f"{option}: the file's name is not JSON: {error}") from None
    _check_keys(option, said)
    if "file" in said:
        raise UsageError(f"{option}: {said['file']!r} is a node's name, and there is none; write the file's keys there")
    if "format" in pairs:
        said.pop("driver", None)
    return {**said, **{key: value for key, value in pairs.items() if key != "file"}}


def _flash(options: RunOptions, value: str, pairs: Mapping[str, str]) -> RunOptions:
    if pairs.get("format", "raw") != "raw":
        raise UsageError(f"-drive format={pairs['format']}: flash takes raw images; convert it with qemu-img convert")
    if "file" not in pairs:
        raise UsageError(f"-drive {value}: names no file; add file=F")
    if any(image.role == "pflash" for image in options.images):
        raise UsageError(f"{pairs['file']}: a second pflash image; one is enough")
    return replace(options, images=(*options.images, ImageFile("pflash", pairs["file"])))


def _line(option: str, interface: str, pairs: Mapping[str, str], is_node: bool = False) -> DriveLine:
    pairs = pairs if is_node else _spelt_out(option, pairs)
    media = pairs.get("media", "disk")
    if media not in ("disk", "cdrom"):
        raise UsageError(f"{option}: media={media} is neither disk nor cdrom")
    driver = pairs.get("driver", pairs.get("format"))
    if "driver" in pairs and "format" in pairs:
        raise UsageError(f"{option}: driver= and format= say the same; keep one")
    refers = ""
    file: str | None = pairs.get("file.filename", pairs.get("filename", pairs.get("file")))
    folder = _folder(option, pairs)
    if folder is not None:
        if driver not in (None, "raw", "vvfat"):
            raise UsageError(f"{option}: a folder is a raw disk; write format=raw, or drop format={driver}")
        file, driver = folder, "raw"
    elif pairs.get("file.driver", "file") not in ("file", "host_device"):
        raise UsageError(f"{option}: file.driver={pairs['file.driver']}: no file of this host; write file.driver=file")
    if driver == "blkreplay":
        refers, file, driver = pairs.get("image", ""), None, None
        if not refers:
            raise UsageError(f"{option}: names no image; add image=ID of the drive that has the file")
    elif is_node and driver in FORMATS and "file" in pairs:
        refers, file = pairs["file"], None
    elif driver in ("file", "host_device"):
        driver = "raw" if is_node else None
    elif driver is not None and driver not in FORMATS:
        raise UsageError(
            f"{option}: no image format {driver!r}{hint(driver, FORMATS)}; there are {', '.join(FORMATS)}, and "
            "qemu-img convert makes one of them"
        )
    if folder is None and file is not None and _PROTOCOL.match(file):
        raise UsageError(
            f"{option}: {file[:80]!r} is no file of this host; copy it here (qemu-img convert -O qcow2), and name that"
        )
    if folder is None and file is not None:
        file = file.removeprefix("file:") or None
        file = f"./{file}" if file is not None and file.startswith(PREFIX) else file
    if file is None and not refers and media == "disk":
        raise UsageError(f"{option}: names no file; add file=F")
    serial = parse_serial_number(pairs.get("serial", ""), option)
    made = DriveOptions(
        name=pairs.get("id", pairs.get("node-name", "")),
        bus=interface,
        index=0,
        media=media,
        file=file,
        format=driver,
        snapshot=folder is not None or parse_switch(pairs.get("snapshot", "off"), f"{option}, snapshot"),
        read_only=parse_switch(pairs.get("readonly", pairs.get("read-only", "off")), f"{option}, readonly"),
        cache=_cache(option, pairs),
        serial=serial,
    )
    return DriveLine(option, interface, _index(option, interface, pairs), made, refers)


def _folder(option: str, pairs: Mapping[str, str]) -> str | None:
    """``fat:DIR``, if the drive is to show a folder of the host."""
    text = pairs.get("file.filename", pairs.get("filename", pairs.get("file", "")))
    if "vvfat" in (pairs.get("driver"), pairs.get("format"), pairs.get("file.driver")):
        said = {key.removeprefix("file."): value for key, value in pairs.items()}
        words = [word for word in ("rw", "floppy") if parse_switch(said.get(word, "off"), f"{option}, {word}")]
        words += [bits for bits in (said.get("fat-type", "0"),) if bits != "0"]
        text = PREFIX + "".join(f"{word}:" for word in words) + said.get("dir", "")
    if not text.startswith(PREFIX):
        return None
    try:
        parse_folder(text)
    except RdbgError as error:
        raise UsageError(f"{option}: {error}") from None
    return text


def _index(option: str, interface: str, pairs: Mapping[str, str]) -> int | None:
    """The place that a drive asks for."""
    units = _UNITS.get(interface, 1)
    if "index" in pairs and ("bus" in pairs or "unit" in pairs):
        raise UsageError(f"{option}: index= cannot be used with bus= and unit=; keep one")
    if "index" in pairs:
        return parse_number(pairs["index"], f"{option}, index", 0, _most(interface) - 1)
    if "bus" not in pairs and "unit" not in pairs:
        return None
    bus = parse_number(pairs.get("bus", "0"), f"{option}, bus", 0, _most(interface) // units - 1)
    return bus * units + parse_number(pairs.get("unit", "0"), f"{option}, unit", 0, units - 1)


def _most(interface: str) -> int:
    return _IDE_DRIVES if interface == "ide" else _MOST_VIRTIO


def _cache(option: str, pairs: Mapping[str, str]) -> CacheMode:
    modes = [mode.value for mode in CacheMode]
    if "cache" in pairs:
        value = "none" if pairs["cache"] == "off" else pairs["cache"]
        if value not in modes:
            raise UsageError(f"{option}: no cache mode {value!r}{hint(value, modes)}; there are {', '.join(modes)}")
        return CacheMode(value)
    if parse_switch(pairs.get("cache.no-flush", "off"), f"{option}, cache.no-flush"):
        return CacheMode.UNSAFE
    if not parse_switch(pairs.get("cache.writeback", "on"), f"{option}, cache.writeback"):
        return CacheMode.WRITETHROUGH
    return CacheMode.WRITEBACK


def resolve_drives(options: RunOptions) -> RunOptions:
    """Give each drive its place and its name, once all options are known.

    Raises:
        UsageError: two ask for one place or one name, or one refers to what is not there.
    """
    lines = options.drive_lines
    named = {line.drive.name: line for line in lines if line.drive.name}
    seen: set[str] = set()
    for line in lines:
        if line.drive.name in seen:
            raise UsageError(f"{line.option}: a second drive with id={line.drive.name}; choose another id")
        seen |= {line.drive.name} - {""}
    taken: dict[tuple[str, int], str] = {}
    made: list[DriveOptions] = []
    for line in lines:
        index = line.index
        if index is None:
            index = next(number for number in range(len(lines) + 64) if (line.interface, number) not in taken)
            if line.interface != "none" and index >= _most(line.interface):
                raise UsageError(f"{line.option}: all {_most(line.interface)} places of {line.interface} are taken")
        place = (line.interface, index)
        if place in taken:
            raise UsageError(
                f"{line.option}: drive index {index} of {line.interface} is taken by {taken[place]}; choose another"
            )
        taken[place] = line.option
        drive = _with_file(line, named)
        if line.interface == "ide" and drive.read_only and drive.media == "disk":
            raise UsageError(
                f"{line.option}: an IDE disk cannot be read-only; write snapshot=on, which leaves the image as it "
                "is, or if=virtio"
            )
        snapshot = drive.snapshot or (options.snapshot and not drive.read_only)
        made.append(
            replace(drive, name=drive.name or _name(line.interface, index, drive.media), index=index, snapshot=snapshot)
        )
    if options.default_drives and options.board == "malta" and ("ide", _CD_INDEX) not in taken:
        made.append(DriveOptions(_name("ide", _CD_INDEX, "cdrom"), "ide", _CD_INDEX, "cdrom"))
    notices = [notice for drive in made if drive.bus == "none" for notice in _unplugged(options, drive)]
    notices = [notice for notice in notices if notice not in options.notices]
    return replace(options, drives=tuple(made), notices=(*options.notices, *notices))


def _unplugged(options: RunOptions, drive: DriveOptions) -> Iterator[str]:
    """What to say of a drive that no card has."""
    if drive.name in options.claimed_drives or any(line.refers == drive.name for line in options.drive_lines):
        return
    if options.icount.mode is not RecordMode.NONE:
        # QEMU keeps a replay's snapshots in such a drive.
        kept = f"{options.icount.journal}.snapshots"
        yield f"drive {drive.name}: not used; snapshots are kept beside the recording, in {kept}"
    else:
        yield f"drive {drive.name}: not used; no -device has drive={drive.name}"


def _with_file(line: DriveLine, named: Mapping[str, DriveLine]) -> DriveOptions:
    """The drive with the file that it refers to."""
    drive, refers, passed = line.drive, line.refers, {line.drive.name}
    while refers:
        other = named.get(refers)
        if other is None:
            raise UsageError(f"{line.option}: there is no drive or node {refers!r}{hint(refers, named)}")
        if refers in passed:
            raise UsageError(f"{line.option}: {refers} refers to itself")
        passed.add(refers)
        below = other.drive
        drive = replace(
            drive,
            file=below.file,
            format=drive.format or below.format,
            media=below.media if below.media == "cdrom" else drive.media,
            snapshot=drive.snapshot or below.snapshot,
            read_only=drive.read_only or below.read_only,
            cache=below.cache if drive.cache is CacheMode.WRITEBACK else drive.cache,
        )
        refers = other.refers
    return drive


def _name(interface: str, index: int, media: str) -> str:
    """QEMU's name for a drive that has no id."""
    if interface == "ide":
        return f"ide{index // 2}-{'cd' if media == 'cdrom' else 'hd'}{index % 2}"
    return f"{interface}{index}"
