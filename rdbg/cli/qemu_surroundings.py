"""What the values of QEMU's options say about what is around the machine: serial ports, monitors, GDB, traces."""

from __future__ import annotations

from dataclasses import replace

from rdbg.cli.option_values import (
    HelpWanted,
    hint,
    is_help,
    listing,
    parse_address,
    split_commas,
)
from rdbg.cli.serial_options import parse_chardev, parse_serial
from rdbg.errors import UsageError
from rdbg.net.tcp_address import LOOPBACK, TcpAddress
from rdbg.serial.serial_spec import Chardev, SerialKind, SerialSpec
from rdbg.session.options import (
    DEFAULT_GDB_PORT,
    RunOptions,
)

TRACES = {
    "rsp": "packets from and to GDB",
    "guest": "what the guest does that no device answers",
    "timeline": "jumps, checkpoints and searches",
}
#: QEMU's names for what is a trace here too.
_TRACE_NAMES = {"guest_errors": "guest", "unimp": "guest"}
#: QEMU's, of the code that runs.
_OF_QEMU = (
    "in_asm",
    "out_asm",
    "op",
    "op_opt",
    "exec",
    "cpu",
    "fpu",
    "int",
    "mmu",
    "nochain",
    "page",
    "plugin",
    "strace",
)
_SERIAL_PORTS = 3
#: Who can have a back end that others have, too.
_SHARING = ("-serial", "-device virtconsole", "-device virtserialport")


def serial(options: RunOptions, value: str) -> RunOptions:
    """``-serial``."""
    if len(options.serials) == _SERIAL_PORTS:
        raise UsageError(f"-serial {value}: the machine has {_SERIAL_PORTS} serial ports; drop one")
    return replace(options, serials=(*options.serials, parse_serial(value)))


def monitor(options: RunOptions, value: str) -> RunOptions:
    """``-monitor``: the monitor's commands without GDB."""
    if is_help(value):
        raise HelpWanted("-monitor takes none, and what -serial takes but file:, udp: and mon:\n")
    if value == "vc":
        return replace(
            options, notices=(*options.notices, "-monitor vc: there are no windows; the run goes on without")
        )
    spec = parse_serial(value, "-monitor")
    if spec.kind is SerialKind.NULL and not spec.chardev:
        return options
    if spec.kind in (SerialKind.FILE, SerialKind.UDP) or spec.escape:
        raise UsageError(
            f"-monitor {value}: nobody can type there; write -monitor stdio, unix:F,server or tcp::PORT,server"
        )
    return replace(options, monitors=(*options.monitors, spec))


def pid_file(options: RunOptions, value: str) -> RunOptions:
    """``-pidfile``."""
    return replace(options, pid_file=value)


def chardev(options: RunOptions, value: str) -> RunOptions:
    """``-chardev``: a back end with a name, for ``-serial chardev:ID``."""
    if is_help(value):
        raise HelpWanted("Available chardev backend types:\nstdio\nnull\nfile\npty\npipe\nsocket\nudp\n")
    made: Chardev = parse_chardev(value)
    if any(other.name == made.name for other in options.chardevs):
        raise UsageError(f"-chardev {value}: a second one with id={made.name}; choose another id")
    return replace(options, chardevs=(*options.chardevs, made))


def resolve_chardevs(options: RunOptions) -> RunOptions:
    """Put the back ends in place of their names; -chardev may come after -serial.

    What a serial port and a monitor share (``mux=on``) is the serial port's: Ctrl-A c goes to the monitor.

    Raises:
        UsageError: there is none of a name, or two would have it that cannot share it.
    """
    by_name = {made.name: made.spec for made in options.chardevs}
    taken: set[str] = set()
    with_monitor = {spec.chardev for spec in options.monitors if spec.chardev}

    def resolved(spec: SerialSpec, option: str) -> SerialSpec:
        if not spec.chardev:
            return spec
        if spec.chardev not in by_name:
            raise UsageError(
                f"{option} chardev:{spec.chardev}: there is no -chardev with that id{hint(spec.chardev, by_name)}"
            )
        found = by_name[spec.chardev]
        if spec.chardev in taken and not (found.shared and option in _SHARING):
            raise UsageError(
                f"{option} chardev:{spec.chardev}: another one has that back end; give each a -chardev of its own"
                " (serial ports and a monitor can share one with mux=on)"
            )
        taken.add(spec.chardev)
        return replace(found, monitored=True) if spec.chardev in with_monitor else found

    console = options.semihosting.console
    if console is not None and console.chardev:
        shared = any(spec.chardev == console.chardev for spec in options.serials)
        found = by_name.get(console.chardev)
        if shared and found is not None and found.kind is not SerialKind.STDIO:
            raise UsageError(
                f"-semihosting-config chardev={console.chardev}: a serial port has it, and only a terminal (stdio) can "
                "be shared; give one another back end"
            )
        console = found if shared else resolved(console, "-semihosting-config")
        options = replace(options, semihosting=replace(options.semihosting, console=console))
    serials = tuple(resolved(spec, "-serial") for spec in options.serials)
    ports = [card for card in options.plugged if card.console is not None]
    consoles = tuple(
        resolved(spec, f"-device {card.model}") for spec, card in zip(options.virtual_consoles, ports, strict=True)
    )
    pairs = zip((*options.serials, *options.virtual_consoles), (*serials, *consoles), strict=True)
    typed_at = {spec.chardev for spec, found in pairs if found.escape}
    monitors = [spec for spec in options.monitors if not spec.chardev or spec.chardev not in typed_at]
    return replace(
        options,
        serials=serials,
        monitors=tuple(resolved(spec, "-monitor") for spec in monitors),
        qmps=tuple(replace(qmp, spec=resolved(qmp.spec, "-qmp")) for qmp in options.qmps),
        virtual_consoles=consoles,
    )


def gdb(options: RunOptions, value: str) -> RunOptions:
    """``-gdb``."""
    if value == "none":
        return replace(options, gdb=None)
    place = split_commas(value)[0]
    if place.startswith("tcp:"):
        place = place.removeprefix("tcp:")
    elif not place.startswith(":"):
        raise UsageError(
            f"-gdb {value}: it says where to listen for GDB, by TCP alone; write -gdb tcp:{LOOPBACK}:{DEFAULT_GDB_PORT}"
            " (which GDB 'rdbg debug' starts says --gdb-program)"
        )
    return replace(options, gdb=parse_address(place, f"-gdb {value}"))


def short_gdb(options: RunOptions, value: str) -> RunOptions:
    """``-s``."""
    return replace(options, gdb=TcpAddress(LOOPBACK, DEFAULT_GDB_PORT))


def listen_any(options: RunOptions, value: str) -> RunOptions:
    """``--listen-any``."""
    return replace(options, listen_any=True)


def stopped(options: RunOptions, value: str) -> RunOptions:
    """``-S``."""
    return replace(options, stopped=True)


def no_defaults(options: RunOptions, value: str) -> RunOptions:
    """``-nodefaults``: no serial port leads anywhere that is not told to, and there is no empty CD-ROM drive and no
    network card."""
    return replace(options, default_serial=False, default_drives=False, default_net=False, display_card=False)


def traces(options: RunOptions, value: str) -> RunOptions:
    """``-d``."""
    if is_help(value):
        raise HelpWanted("Subjects (comma separated):\n" + listing(TRACES))
    subjects = [_TRACE_NAMES.get(word, word) for word in split_commas(value)]
    for word in subjects:
        if word not in TRACES:
            other = "; of a recording, rdbg trace tells what ran" if word in _OF_QEMU else hint(word, TRACES)
            raise UsageError(f"-d {word}: no such trace{other}; there are {', '.join(TRACES)}")
    return replace(options, traces=(*options.traces, *subjects))


def trace_file(options: RunOptions, value: str) -> RunOptions:
    """``-D``."""
    return replace(options, trace_file=value)
