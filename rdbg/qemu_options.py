"""QEMU's spelling of a run's options.

A table and a loop of our own instead of argparse: QEMU takes the word after an option as its value whatever it looks
like (``-append -v``), spells long options with one dash or two, and has ``-s`` beside ``-serial``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rdbg.address import LOOPBACK, Address
from rdbg.errors import UsageError
from rdbg.option_values import hint, parse_address, parse_number, parse_pairs, parse_size, parse_switch, split_commas
from rdbg.options import (
    DEFAULT_GDB_PORT,
    DEFAULT_SHIFT,
    IcountOptions,
    ImageFile,
    RecordMode,
    RunOptions,
)
from rdbg.serial.spec import parse_serial

BOARDS = ("malta", "bare")
CPUS = ("24Kf",)
TRACES = ("rsp", "guest", "timeline")
_SERIAL_PORTS = 3
_MAX_SHIFT = 10  # as in QEMU


@dataclass(frozen=True)
class Option:
    """One option of ``rdbg run``.

    Args:
        names: its spellings, without dashes.
        value: name of its value in the help text; empty: it takes none.
        apply: gives the options with it added.
        help: what it does; empty: accepted because QEMU's users write it, without effect here.
    """

    names: tuple[str, ...]
    value: str
    apply: Callable[[RunOptions, str], RunOptions]
    help: str = ""


def _machine(options: RunOptions, value: str) -> RunOptions:
    pairs = parse_pairs(value, "-M", ("type", "accel", "file"), first="type")
    board = pairs.get("type", "malta")
    if board not in BOARDS:
        raise UsageError(f"-M {board}: no such machine{hint(board, BOARDS)}; there are {', '.join(BOARDS)}")
    if board == "bare" and "file" not in pairs:
        raise UsageError("-M bare: names no description; write -M bare,file=BOARD.toml")
    if board != "bare" and "file" in pairs:
        raise UsageError(f"-M {board}: file= goes with -M bare only")
    options = replace(options, board=board)
    return _add_image(options, "board", pairs["file"]) if "file" in pairs else options


def _memory(options: RunOptions, value: str) -> RunOptions:
    pairs = parse_pairs(value, "-m", ("size", "slots", "maxmem"), first="size")
    size = parse_size(pairs.get("size", ""), "-m")
    if size == 0 or size % 4096:
        raise UsageError(f"-m {value}: RAM comes in pages of 4096 bytes; write for example -m 256M")
    return replace(options, ram_bytes=size)


def _cpu(options: RunOptions, value: str) -> RunOptions:
    known = {name.lower(): name for name in CPUS}
    if value.lower() not in known:
        raise UsageError(f"-cpu {value}: no such CPU{hint(value, CPUS)}; there is {', '.join(CPUS)}")
    return replace(options, cpu=known[value.lower()])


def _add_image(options: RunOptions, role: str, path: str) -> RunOptions:
    if any(image.role == role for image in options.images):
        raise UsageError(f"{path}: a second {role} image; one is enough")
    return replace(options, images=(*options.images, ImageFile(role, path)))


def _image(role: str) -> Callable[[RunOptions, str], RunOptions]:
    return lambda options, value: _add_image(options, role, value)


def _drive(options: RunOptions, value: str) -> RunOptions:
    pairs = parse_pairs(value, "-drive", ("if", "file", "format", "readonly", "id", "index", "unit"))
    if pairs.get("if") != "pflash":
        raise UsageError(f"-drive {value}: only flash chips are there; write -drive if=pflash,file=F,format=raw")
    if pairs.get("format", "raw") != "raw":
        raise UsageError(f"-drive format={pairs['format']}: only raw images; convert it with qemu-img")
    if "file" not in pairs:
        raise UsageError(f"-drive {value}: names no file; add file=F")
    return _add_image(options, "pflash", pairs["file"])


def _icount(options: RunOptions, value: str) -> RunOptions:
    keys = ("shift", "align", "sleep", "rr", "rrfile", "rrsnapshot")
    pairs = parse_pairs(value, "-icount", keys, first="shift")
    shift = pairs.get("shift", "auto")
    number = DEFAULT_SHIFT if shift == "auto" else parse_number(shift, "-icount shift", 0, _MAX_SHIFT)
    sleep = parse_switch(pairs.get("sleep", "on"), "-icount sleep")
    if parse_switch(pairs.get("align", "off"), "-icount align") and not sleep:
        raise UsageError("-icount: align=on and sleep=off contradict each other; keep one")
    try:
        mode = RecordMode(pairs.get("rr", "none"))
    except ValueError:
        raise UsageError(f"-icount rr={pairs['rr']}: neither record nor replay") from None
    if mode is not RecordMode.NONE and not pairs.get("rrfile"):
        raise UsageError(f"-icount rr={mode.value}: names no recording; add rrfile=F")
    if mode is RecordMode.NONE and ("rrfile" in pairs or "rrsnapshot" in pairs):
        raise UsageError("-icount: rrfile and rrsnapshot go with rr=record or rr=replay; add one")
    journal = Path(pairs["rrfile"]) if "rrfile" in pairs else None
    said = options.said if shift == "auto" else options.said | {"shift"}
    return replace(options, said=said, icount=IcountOptions(number, sleep, mode, journal, pairs.get("rrsnapshot")))


def _serial(options: RunOptions, value: str) -> RunOptions:
    if len(options.serials) == _SERIAL_PORTS:
        raise UsageError(f"-serial {value}: the machine has {_SERIAL_PORTS} serial ports; drop one")
    return replace(options, serials=(*options.serials, parse_serial(value)))


def _gdb(options: RunOptions, value: str) -> RunOptions:
    if value == "none":
        return replace(options, gdb=None)
    place = split_commas(value)[0]
    if place.startswith("tcp:"):
        place = place.removeprefix("tcp:")
    elif not place.startswith(":"):
        raise UsageError(f"-gdb {value}: only TCP is there; write -gdb tcp:{LOOPBACK}:{DEFAULT_GDB_PORT}")
    return replace(options, gdb=parse_address(place, f"-gdb {value}"))


def _short_gdb(options: RunOptions, value: str) -> RunOptions:
    return replace(options, gdb=Address(LOOPBACK, DEFAULT_GDB_PORT))


def _stopped(options: RunOptions, value: str) -> RunOptions:
    return replace(options, stopped=True)


def _no_reboot(options: RunOptions, value: str) -> RunOptions:
    return replace(options, reboot=False)


def _traces(options: RunOptions, value: str) -> RunOptions:
    for word in split_commas(value):
        if word not in TRACES:
            raise UsageError(f"-d {word}: no such trace{hint(word, TRACES)}; there are {', '.join(TRACES)}")
    return replace(options, traces=(*options.traces, *split_commas(value)))


def _rtc(options: RunOptions, value: str) -> RunOptions:
    base = parse_pairs(value, "-rtc", ("base", "clock", "driftfix")).get("base", "utc")
    if base == "utc":
        return replace(options, rtc_base=None)
    if base == "localtime":
        local = datetime.now().astimezone()
        offset = local.utcoffset()
        return replace(options, rtc_base=int(local.timestamp() + (offset.total_seconds() if offset else 0)))
    try:
        moment = datetime.fromisoformat(base).replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"-rtc base={base}: not a date; write utc, localtime or 2006-06-16T16:01:21") from None
    return replace(options, rtc_base=int(moment.timestamp()))


def _processors(options: RunOptions, value: str) -> RunOptions:
    count = split_commas(value)[0].removeprefix("cpus=")
    if count != "1":
        raise UsageError(f"-smp {value}: the machine has one CPU; write -smp 1 or drop it")
    return options


def _endian(big: bool) -> Callable[[RunOptions, str], RunOptions]:
    def apply(options: RunOptions, value: str) -> RunOptions:
        return replace(options, big_endian=big)

    return apply


def _checkpoint_memory(options: RunOptions, value: str) -> RunOptions:
    size = parse_size(value, "--checkpoint-memory")
    if size < 1 << 20:
        raise UsageError(f"--checkpoint-memory {value}: too little to go back with; write 1M or more")
    return replace(options, checkpoint_bytes=size)


def _snapshot_budget(options: RunOptions, value: str) -> RunOptions:
    return replace(options, snapshot_bytes=parse_size(value, "--snapshot-budget"))


def _no_effect(options: RunOptions, value: str) -> RunOptions:
    return options


OPTIONS = (
    Option(("M", "machine"), "NAME", _machine, "the board: malta (default), or bare,file=BOARD.toml"),
    Option(("cpu",), "MODEL", _cpu, "the CPU: 24Kf"),
    Option(("m",), "SIZE", _memory, "RAM, in MiB or with a unit: 256, 256M, 1G (default 128M)"),
    Option(("bios",), "FILE", _image("bios"), "firmware: a raw image for the boot flash, or an ELF file"),
    Option(("kernel",), "FILE", _image("kernel"), "an ELF file to start instead"),
    Option(("initrd",), "FILE", _image("initrd"), "a RAM disk for the kernel"),
    Option(("append",), "TEXT", lambda options, value: replace(options, append=value), "the kernel's command line"),
    Option(("pflash",), "FILE", _image("pflash"), "what the whole flash chip holds"),
    Option(("drive",), "if=pflash,file=F", _drive, "the same in QEMU's long form"),
    Option(("EB", "big-endian"), "", _endian(True), "the guest is big endian (default: what the image is)"),
    Option(("EL", "little-endian"), "", _endian(False), "the guest is little endian"),
    Option(
        ("icount",),
        "shift=N|auto[,sleep=on|off][,align=on|off][,rr=record|replay,rrfile=F[,rrsnapshot=S]]",
        _icount,
        f"virtual time: 2^N ns per instruction (auto: N = {DEFAULT_SHIFT}); record to F, or replay F, "
        "from the snapshot S",
    ),
    Option(("rtc",), "base=utc|localtime|DATE", _rtc, "what the real-time clock shows at power-on"),
    Option(
        ("serial",),
        "stdio|mon:stdio|null|file:F|tcp:HOST:PORT[,server][,nowait]",
        _serial,
        "where the next serial port leads to (the first: mon:stdio)",
    ),
    Option(("gdb",), "tcp:HOST:PORT", _gdb, "listen for GDB; an empty host is the loopback address"),
    Option(("s",), "", _short_gdb, f"the same as -gdb tcp::{DEFAULT_GDB_PORT}"),
    Option(("S",), "", _stopped, "wait for GDB before the first instruction"),
    Option(("no-reboot",), "", _no_reboot, "let a reset by the guest end the run"),
    Option(("d",), "SUBJECT,...", _traces, f"trace to standard error: {', '.join(TRACES)}"),
    Option(("checkpoint-memory",), "SIZE", _checkpoint_memory, "memory for going back quickly (default 224M)"),
    Option(
        ("snapshot-budget",),
        "SIZE",
        _snapshot_budget,
        "disk for going quickly to any moment in later sessions (default 256M; 0: none)",
    ),
    Option(("smp",), "1", _processors),
    Option(("nographic", "nodefaults", "no-user-config", "no-shutdown"), "", _no_effect),
    Option(("monitor", "display", "vga", "vnc", "net", "nic", "parallel", "accel", "name", "boot"), "X", _no_effect),
)
_BY_NAME = {name: option for option in OPTIONS for name in option.names}


@dataclass(frozen=True)
class ParsedLine:
    """A command line, understood.

    Args:
        options: what the run is to be.
        own: values of the options that only this command has, by name, in order.
        operands: words that are not options.
    """

    options: RunOptions
    own: dict[str, list[str]]
    operands: tuple[str, ...]

    def last(self, name: str, default: str | None = None) -> str | None:
        """The latest value of one of the command's own options."""
        return self.own[name][-1] if name in self.own else default


def parse_line(
    words: Sequence[str],
    start: RunOptions | None = None,
    own: Mapping[str, str] | None = None,
    operands: bool = False,
    allowed: Collection[str] | None = None,
) -> ParsedLine:
    """Understand the words after a command.

    Args:
        words: the command line. A lone ``--`` is skipped: it may set QEMU's options apart for the eye.
        start: what holds before the first word.
        own: the command's own options: name without dashes -> name of its value.
        operands: whether words without a dash are operands (False: a mistake).
        allowed: which of OPTIONS the command takes, by name; None: all.

    Raises:
        UsageError: an unknown option, a missing value, or a value that makes no sense.
    """
    options = start or RunOptions()
    own = own or {}
    found_own: dict[str, list[str]] = {}
    found_operands: list[str] = []
    rest = iter(words)
    for word in rest:
        name = word.removeprefix("--") if word.startswith("--") else word.removeprefix("-")
        if word == "--":
            continue
        if name == word or not name:
            if not operands:
                raise UsageError(f"{word!r}: not an option; an image is named with -bios or -kernel")
            found_operands.append(word)
            continue
        option = _BY_NAME.get(name)
        if name not in own and (option is None or (allowed is not None and name not in allowed)):
            if option is not None:
                raise UsageError(f"{word}: the recording says this itself; drop it")
            known = [f"-{known}" for known in (*_BY_NAME, *own)]
            raise UsageError(f"{word}: no such option{hint(f'-{name}', known)}; see --help")
        placeholder = own[name] if name in own else option.value if option is not None else ""
        value = next(rest, None) if placeholder else ""
        if value is None:
            raise UsageError(f"{word}: its value is missing; write {word} {placeholder}")
        if name in own:
            found_own.setdefault(name, []).append(value)
        elif option is not None:
            options = option.apply(options, value)
            options = replace(options, said=options.said | {option.names[0]})
    return ParsedLine(options, found_own, tuple(found_operands))


def help_text(allowed: Collection[str] | None = None) -> str:
    """The options, for ``--help``.

    Args:
        allowed: which, by name; None: all, and those without effect.
    """
    lines = []
    for option in (option for option in OPTIONS if option.help):
        if allowed is not None and not set(option.names) & set(allowed):
            continue
        names = ", ".join(f"--{name}" if "-" in name else f"-{name}" for name in option.names)
        head = f"  {names} {option.value}".rstrip()
        if len(head) <= 28:
            lines.append(f"{head:<30}{option.help}")
        else:
            lines += [head, *textwrap.wrap(option.help, 110, initial_indent=" " * 30, subsequent_indent=" " * 30)]
    if allowed is not None:
        return "\n".join(lines)
    silent = [f"-{name}" for option in OPTIONS if not option.help for name in option.names]
    lines += ["", "Accepted for the sake of QEMU's command lines, without effect:"]
    lines += textwrap.wrap(" ".join(silent), 110, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines)
