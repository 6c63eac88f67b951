"""What ``-qmp``, ``-qmp-pretty``, ``-mon`` and ``-name`` say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rdbg.cli.option_values import HelpWanted, hint, is_help, parse_pairs, parse_switch, split_commas
from rdbg.cli.serial_options import parse_serial
from rdbg.errors import UsageError
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.session.options import QmpOption, RunOptions

#: What can carry bytes both ways.
_KINDS = (SerialKind.TCP, SerialKind.UNIX, SerialKind.STDIO, SerialKind.PTY, SerialKind.PIPE)
_MODES = ("readline", "control")
_CURE = "write -qmp unix:F,server,nowait or -qmp tcp::PORT,server,nowait"


def qmp(pretty: bool) -> Callable[[RunOptions, str], RunOptions]:
    """``-qmp`` and ``-qmp-pretty``: where programs can drive the run."""
    option = "-qmp-pretty" if pretty else "-qmp"

    def apply(options: RunOptions, value: str) -> RunOptions:
        if is_help(value):
            raise HelpWanted(f"{option} takes none, stdio, pty, chardev:ID, tcp:, unix: and pipe: as -serial does\n")
        spec = parse_serial(value, option)
        if spec.kind is SerialKind.NULL and not spec.chardev:
            return options
        if (spec.kind not in _KINDS or spec.escape) and not spec.chardev:
            raise UsageError(f"{option} {value}: no program can speak QMP there; {_CURE}")
        return replace(options, qmps=(*options.qmps, QmpOption(spec, pretty)))

    return apply


def mon(options: RunOptions, value: str) -> RunOptions:
    """``-mon chardev=ID[,mode=readline|control][,pretty=on]``: ``-monitor`` and ``-qmp`` in QEMU's long form."""
    if value == "none":
        return options
    pairs = parse_pairs(value, "-mon", ("id", "chardev", "mode", "pretty"), first="chardev")
    mode = pairs.get("mode", "readline")
    if mode not in _MODES:
        raise UsageError(f"-mon mode={mode}: there is no such mode{hint(mode, _MODES)}; write readline or control")
    if not pairs.get("chardev"):
        raise UsageError("-mon: names no back end; add chardev=ID, and -chardev ...,id=ID")
    pretty = parse_switch(pairs.get("pretty", "off"), "-mon pretty")
    spec = SerialSpec(SerialKind.NULL, chardev=pairs["chardev"])
    if mode == "readline":
        if pretty:
            raise UsageError("-mon pretty=on goes with mode=control")
        return replace(options, monitors=(*options.monitors, spec))
    return replace(options, qmps=(*options.qmps, QmpOption(spec, pretty)))


def name(options: RunOptions, value: str) -> RunOptions:
    """``-name NAME`` or ``guest=NAME``: what QMP's ``query-name`` says. What else QEMU takes there has no effect."""
    first = split_commas(value)[0]
    key, _, given = first.partition("=")
    return replace(options, name=given if key == "guest" else options.name if given else first)
