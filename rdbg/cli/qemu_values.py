"""What each of QEMU's options means here: a function for each, from its value to the options of a run.

Those that describe what this machine does not have are of two sorts. Where the guest would miss it (a device), the line
is refused. Where the run is the same without it (a window, a log), it is said in a notice or, if QEMU's users write it
to switch something off, not at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rdbg.cli.option_values import (
    HelpWanted,
    hint,
    is_help,
    listing,
    parse_number,
    parse_pairs,
    parse_size,
    parse_switch,
    split_commas,
)
from rdbg.emu.cpu_model import CPU_MODELS, REFUSED_CPUS
from rdbg.errors import UsageError
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.session.options import (
    DEFAULT_SHIFT,
    IcountOptions,
    ImageFile,
    RecordMode,
    RunOptions,
    SemihostingOptions,
)

BOARDS = {"malta": "MIPS Malta Core LV (default)", "bare": "a board of your own: -M bare,file=BOARD.toml"}
#: Options that are properties of the machine to QEMU, and the images that they name.
_MACHINE_IMAGES = {"kernel": "kernel", "initrd": "initrd", "firmware": "bios"}
_MACHINE_KEYS = ("type", "file", "accel", "usb", "graphics", "mem-merge", "append", *_MACHINE_IMAGES)
_MAX_SHIFT = 10  # as in QEMU


def machine(options: RunOptions, value: str) -> RunOptions:
    """``-M``."""
    if is_help(value):
        raise HelpWanted("Supported machines are:\n" + listing(BOARDS))
    pairs = parse_pairs(value, "-M", _MACHINE_KEYS, first="type")
    board = pairs.get("type", options.board)
    if board not in BOARDS:
        raise UsageError(f"-M {board}: no such machine{hint(board, BOARDS)}; there are {', '.join(BOARDS)}")
    if board == "bare" and "type" in pairs and "file" not in pairs:
        raise UsageError("-M bare: names no description; write -M bare,file=BOARD.toml")
    if board != "bare" and "file" in pairs:
        raise UsageError(f"-M {board}: file= goes with -M bare only")
    if parse_switch(pairs.get("usb", "off"), "-M usb"):
        raise UsageError("-M usb=on: there is nothing to plug into its USB; write usb=off or drop it")
    if "accel" in pairs:
        accelerator(options, pairs["accel"])
    options = replace(options, board=board)
    for key, role in _MACHINE_IMAGES.items():
        options = _add_image(options, role, pairs[key]) if key in pairs else options
    options = append(options, pairs["append"]) if "append" in pairs else options
    return _add_image(options, "board", pairs["file"]) if "file" in pairs else options


def accelerator(options: RunOptions, value: str) -> RunOptions:
    """``-accel``: the CPU is emulated, whatever is said of threads and buffers."""
    if is_help(value):
        raise HelpWanted("Accelerators supported:\ntcg\n")
    names = split_commas(value)[0].split(":")
    if "tcg" not in names:
        raise UsageError(f"-accel {value}: the CPU is emulated; write -accel tcg or drop it")
    return options


def memory(options: RunOptions, value: str) -> RunOptions:
    """``-m``."""
    pairs = parse_pairs(value, "-m", ("size", "slots", "maxmem"), first="size")
    size = parse_size(pairs.get("size", ""), "-m")
    if size == 0 or size % 4096:
        raise UsageError(f"-m {value}: RAM comes in pages of 4096 bytes; write for example -m 256M")
    return replace(options, ram_bytes=size)


def cpu(options: RunOptions, value: str) -> RunOptions:
    """``-cpu``."""
    if is_help(value):
        raise HelpWanted("".join(f"MIPS '{name}'\n" for name in CPU_MODELS))
    names = ", ".join(CPU_MODELS)
    missing = {name.lower(): reason for name, reason in REFUSED_CPUS.items()}.get(value.lower())
    if missing is not None:
        raise UsageError(f"-cpu {value}: {missing}; there are {names}")
    known = {name.lower(): name for name in CPU_MODELS}
    if value.lower() not in known:
        raise UsageError(f"-cpu {value}: no such CPU{hint(value, CPU_MODELS)}; there are {names}")
    return replace(options, cpu=known[value.lower()])


def _add_image(options: RunOptions, role: str, path: str) -> RunOptions:
    if any(image.role == role for image in options.images):
        raise UsageError(f"{path}: a second {role} image; one is enough")
    return replace(options, images=(*options.images, ImageFile(role, path)))


def image(role: str) -> Callable[[RunOptions, str], RunOptions]:
    """``-kernel``, ``-bios``, ``-initrd``, ``-pflash``."""
    return lambda options, value: _add_image(options, role, value)


def icount(options: RunOptions, value: str) -> RunOptions:
    """``-icount``."""
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


def no_reboot(options: RunOptions, value: str) -> RunOptions:
    """``-no-reboot``."""
    return replace(options, reboot=False)


def semihosting(options: RunOptions, value: str) -> RunOptions:
    """``-semihosting``."""
    return replace(options, semihosting=replace(options.semihosting, enabled=True))


def semihosting_config(options: RunOptions, value: str) -> RunOptions:
    """``-semihosting-config``."""
    option = "-semihosting-config"
    if is_help(value):
        raise HelpWanted("semihosting-config options:\narg\nchardev\nenable\ntarget\nuserspace\n")
    parts = split_commas(value)
    words = tuple(part.removeprefix("arg=") for part in parts if part.startswith("arg="))
    rest = ",".join(part.replace(",", ",,") for part in parts if not part.startswith("arg="))
    keys = ("enable", "target", "chardev", "userspace", "arg")
    pairs = parse_pairs(rest, option, keys) if rest else {}
    target = pairs.get("target", "auto")
    if target == "gdb":
        raise UsageError(
            f"{option} target=gdb: what a GDB answers could not be replayed without it; write target=native, and GDB "
            "shows the console"
        )
    if target not in ("native", "auto"):
        raise UsageError(f"{option} target={target}: no such target; there are native and auto")
    console = options.semihosting.console
    if "chardev" in pairs:
        console = SerialSpec(SerialKind.NULL, chardev=pairs["chardev"])
    made = SemihostingOptions(
        enabled=parse_switch(pairs.get("enable", "on"), f"{option} enable"),
        arguments=options.semihosting.arguments + words,
        in_user_mode=parse_switch(pairs.get("userspace", "off"), f"{option} userspace"),
        console=console,
    )
    return replace(options, semihosting=made)


def no_shutdown(options: RunOptions, value: str) -> RunOptions:
    """``-no-shutdown``."""
    return replace(options, shutdown=False)


#: What may be said of each event; watchdog and panic, which no device of the machine has, are not looked at.
_ACTIONS = {
    "reboot": ("reset", "shutdown"),
    "shutdown": ("poweroff", "pause"),
    "panic": ("pause", "shutdown", "exit-failure", "none"),
    "watchdog": ("reset", "shutdown", "poweroff", "inject-nmi", "pause", "debug", "none"),
}


def action(options: RunOptions, value: str) -> RunOptions:
    """``-action``."""
    pairs = parse_pairs(value, "-action", _ACTIONS)
    for event, wanted in pairs.items():
        if wanted not in _ACTIONS[event]:
            raise UsageError(f"-action {event}={wanted}: no such action; there are {', '.join(_ACTIONS[event])}")
    if "reboot" in pairs:
        options = replace(options, reboot=pairs["reboot"] == "reset")
    if "shutdown" in pairs:
        options = replace(options, shutdown=pairs["shutdown"] == "poweroff")
    return options


def rtc(options: RunOptions, value: str) -> RunOptions:
    """``-rtc``: the clock is driven by virtual time, whatever clock= says: anything else could not be replayed."""
    pairs = parse_pairs(value, "-rtc", ("base", "clock", "driftfix"))
    for key, known in (("clock", ("host", "rt", "vm")), ("driftfix", ("none", "slew"))):
        if pairs.get(key, known[0]) not in known:
            raise UsageError(f"-rtc {key}={pairs[key]}: not known; write one of {', '.join(known)}")
    base = pairs.get("base", "utc")
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
    return replace(options, rtc_base=int(moment.timestamp()), said=options.said | {"rtc date"})


def processors(options: RunOptions, value: str) -> RunOptions:
    """``-smp``."""
    keys = ("cpus", "maxcpus", "sockets", "dies", "clusters", "cores", "threads")
    for key, count in parse_pairs(value, "-smp", keys, first="cpus").items():
        if parse_number(count, f"-smp {key}", 1, 1 << 16) != 1:
            raise UsageError(f"-smp {value}: the machine has one CPU; write -smp 1 or drop it")
    return options


def endian(big: bool) -> Callable[[RunOptions, str], RunOptions]:
    """``-EB``, ``-EL``."""
    return lambda options, value: replace(options, big_endian=big)


def checkpoint_memory(options: RunOptions, value: str) -> RunOptions:
    """``--checkpoint-memory``."""
    size = parse_size(value, "--checkpoint-memory")
    if size < 1 << 20:
        raise UsageError(f"--checkpoint-memory {value}: too little to go back with; write 1M or more")
    return replace(options, checkpoint_bytes=size)


def snapshot_budget(options: RunOptions, value: str) -> RunOptions:
    """``--snapshot-budget``."""
    return replace(options, snapshot_bytes=parse_size(value, "--snapshot-budget"))


def idle_work(options: RunOptions, value: str) -> RunOptions:
    """``--idle-work``."""
    return replace(options, idle_work=parse_switch(value, "--idle-work"))


def append(options: RunOptions, value: str) -> RunOptions:
    """``-append``."""
    options = replace(options, append=value)
    consoles = [
        word.partition(",")[0].removeprefix("console=") for word in value.split() if word.startswith("console=")
    ]
    if consoles and all(re.fullmatch(r"tty\d+", name) for name in consoles):
        notice = f"-append console={consoles[-1]}: that is a screen, and there is none; console=ttyS0 is the terminal"
        options = replace(options, notices=(*options.notices, notice))
    return options


def no_effect(options: RunOptions, value: str) -> RunOptions:
    """An option that changes nothing here."""
    return options


def switched_off(option: str, missing: str) -> Callable[[RunOptions, str], RunOptions]:
    """An option that is fine as long as it wants nothing.

    Args:
        option: with its dash.
        missing: what to tell who wants something.
    """

    def apply(options: RunOptions, value: str) -> RunOptions:
        if is_help(value):
            raise HelpWanted(f"{option}: {missing}; there is only none\n")
        if value in ("none", "null", "off"):
            return options
        return replace(options, notices=(*options.notices, f"{option} {value}: {missing}; the run goes on without"))

    return apply


def refused(option: str, missing: str) -> Callable[[RunOptions, str], RunOptions]:
    """An option without which the guest would find another machine than was asked for."""

    def apply(options: RunOptions, value: str) -> RunOptions:
        if is_help(value):
            raise HelpWanted(f"{option}: {missing}\n")
        raise UsageError(f"{option} {value}: {missing}; drop it".replace(" :", ":"))

    return apply
