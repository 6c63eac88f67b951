"""QEMU's spelling of a run's options.

A table and a loop of our own instead of argparse: QEMU takes the word after an option as its value whatever it looks
like (``-append -v``), spells long options with one dash or two, and has ``-s`` beside ``-serial``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from rdbg.cli import device_values, netdev_values, qmp_options
from rdbg.cli import drive_values as drives
from rdbg.cli import qemu_surroundings as around
from rdbg.cli import qemu_values as values
from rdbg.cli.card_models import CARD_NAMES, card_model
from rdbg.cli.command_page import WIDTH, Choices, option_entries
from rdbg.cli.config_file import read_config
from rdbg.cli.drive_cards import place_drives
from rdbg.cli.global_values import apply_globals, global_property
from rdbg.cli.loader_values import place_loaders
from rdbg.cli.option_values import hint
from rdbg.cli.plugging import resolve_devices
from rdbg.emu.cpu_model import CPU_MODELS
from rdbg.errors import UsageError
from rdbg.quick_dataclass import dataclass
from rdbg.session.options import DEFAULT_GDB_PORT, DEFAULT_SHIFT, RunOptions


@dataclass(frozen=True)
class Option:
    """One option of ``rdbg run``.

    Args:
        names: its spellings, without dashes.
        value: name of its value in the help text; empty: it takes none.
        apply: gives the options with it added.
        help: what it does; empty: accepted because QEMU's users write it, without effect here.
        choices: what its value may be, where `value` does not say so.
    """

    names: tuple[str, ...]
    value: str
    apply: Callable[[RunOptions, str], RunOptions]
    help: str = ""
    choices: Choices | None = None

    @property
    def spellings(self) -> tuple[str, ...]:
        """Its spellings, with dashes, as the help writes them: QEMU takes one or two for each."""
        return tuple(f"--{name}" if "-" in name else f"-{name}" for name in self.names)


def _read_config(options: RunOptions, value: str) -> RunOptions:
    """``-readconfig``: options that stand in a file."""
    for section in read_config(value):
        option = _BY_NAME[section.option]
        try:
            options = option.apply(options, section.value)
        except UsageError as error:
            raise UsageError(f"-readconfig {value}:{section.line}: {error}") from None
        options = replace(options, said=options.said | {option.names[0]})
    return options


OPTIONS = (
    Option(
        ("M", "machine"),
        "NAME[,file=F]",
        values.machine,
        "the board: malta (default), or bare,file=BOARD.toml",
        lambda: values.BOARDS,
    ),
    Option(
        ("cpu",),
        "MODEL",
        values.cpu,
        f"the CPU: {', '.join(CPU_MODELS)} (default: 24Kf)",
        lambda: dict.fromkeys(CPU_MODELS, "a CPU"),
    ),
    Option(("m",), "SIZE", values.memory, "RAM, in MiB or with a unit: 256, 256M, 1G (default 128M)"),
    Option(("bios",), "FILE", values.image("bios"), "firmware: a raw image for the boot flash, or an ELF file"),
    Option(("kernel",), "FILE", values.image("kernel"), "an ELF file to start instead"),
    Option(("initrd",), "FILE", values.image("initrd"), "a RAM disk for the kernel"),
    Option(("append",), "TEXT", values.append, "the kernel's command line"),
    Option(("pflash",), "FILE", values.image("pflash"), "what the whole flash chip holds"),
    *(
        Option((f"hd{letter}",), "FILE", drives.shorthand(index, "disk"), f"the image of IDE drive {index}")
        for index, letter in enumerate("abcd")
    ),
    Option(("cdrom",), "FILE", drives.shorthand(2, "cdrom"), "what is in the CD-ROM drive, IDE drive 2"),
    Option(
        ("drive",),
        "file=F[,if=ide|virtio|none|pflash] [,format=raw|qcow2][,index=N][,media=disk|cdrom] [,snapshot=on|off]"
        "[,readonly=on|off] [,cache=MODE][,id=ID][,serial=S]",
        drives.drive,
        "a drive with an image; if=none: a -device names it, if=pflash: the whole flash chip",
    ),
    Option(
        ("blockdev",),
        "driver=file|raw|qcow2,node-name=N [,filename=F|file=NODE][,read-only=on|off]",
        drives.blockdev,
        "the same in QEMU's longer form, also as JSON; a -device names it",
    ),
    Option(("snapshot",), "", drives.snapshot, "write to no image: what the guest writes goes with the run"),
    Option(("EB", "big-endian"), "", values.endian(True), "the guest is big endian (default: what the image is)"),
    Option(("EL", "little-endian"), "", values.endian(False), "the guest is little endian"),
    Option(
        ("icount",),
        "shift=N|auto[,sleep=on|off][,align=on|off] [,rr=record|replay,rrfile=F[,rrsnapshot=S]]",
        values.icount,
        f"virtual time: 2^N ns per instruction (auto: N = {DEFAULT_SHIFT}); record to F, or replay F, "
        "from the snapshot S",
    ),
    Option(("rtc",), "base=utc|localtime|DATE", values.rtc, "what the real-time clock shows at power-on"),
    Option(
        ("serial",),
        "stdio|null|file:F|pty|pipe:F|chardev:ID |tcp:HOST:PORT|telnet:HOST:PORT|unix:F [,server][,nowait] "
        "|udp:HOST:PORT[@HOST:PORT]",
        around.serial,
        "where the next serial port leads to (the first: mon:stdio); mon: before it: the monitor is behind Ctrl-A c",
    ),
    Option(
        ("chardev",),
        "stdio|null|file|pty|pipe|socket|udp,id=ID [,path=F][,append=on][,host=H,port=P][,server=on|off] [,wait=on|off]"
        "[,mux=on|off][,logfile=F[,logappend=on]]",
        around.chardev,
        "a back end with a name; mux=on: serial ports and -mon share it; path=F is a file's; a socket has host=H,port=P"
        " or path=F; logfile=F has all that leaves",
    ),
    Option(
        ("monitor",),
        "stdio|pty|pipe:F|unix:F|tcp:HOST:PORT|telnet:HOST:PORT[,...]|none",
        around.monitor,
        "where the monitor can be typed at without GDB (also: Ctrl-A c under -serial mon:stdio)",
    ),
    Option(
        ("qmp",),
        "unix:F|tcp:HOST:PORT|stdio|pty|pipe:F[,...]|none",
        qmp_options.qmp(pretty=False),
        "where programs drive the run by QEMU's machine protocol (QMP)",
    ),
    Option(("qmp-pretty",), "unix:F|tcp:HOST:PORT[,...]", qmp_options.qmp(pretty=True), "the same, for eyes"),
    Option(
        ("mon",),
        "chardev=ID[,mode=readline|control][,pretty=on]",
        qmp_options.mon,
        "-monitor or -qmp (mode=control) at a -chardev",
    ),
    Option(("name",), "NAME", qmp_options.name, "what QMP's query-name says"),
    Option(
        ("nic",),
        "user|tap|bridge|socket|none [,model=CARD][,mac=M][,KEY=VALUE...]",
        netdev_values.nic,
        "a network card and its back end (default, as QEMU's: a pcnet with -nic user)",
    ),
    Option(
        ("netdev",),
        "user|tap|bridge|socket|stream|dgram|hubport,id=ID [,KEY=VALUE...]",
        netdev_values.netdev,
        "a back end for network cards, as QEMU's; user: hostfwd=tcp::8080-:80 leads from the host into the guest",
    ),
    Option(("net",), "nic|user|tap|socket|none[,KEY=VALUE...]", netdev_values.net, "the same in QEMU's old form"),
    Option(
        ("device",),
        "CARD[,netdev=ID][,drive=ID][,KEY=VALUE...]",
        device_values.device,
        "plug a card in; -device help lists them, -device CARD,help says what can be said of one; "
        "loader,file=F[,addr=A] or loader,addr=A,data=N,data-len=L: that is in memory at reset, and with cpu-num=0 the "
        "CPU starts there",
        lambda: {name: f"{card_model(name).category.lower()} device" for name in CARD_NAMES},
    ),
    Option(
        ("global",),
        "CARD.PROPERTY=VALUE",
        global_property,
        "what holds for every device of that name that does not say it itself",
    ),
    Option(
        ("object",),
        "filter-dump,id=ID,netdev=ID,file=F",
        device_values.made_object,
        "write the packets of a back end to F, for Wireshark (of a recording: rdbg dump --pcap)",
    ),
    Option(
        ("readconfig",),
        "FILE",
        _read_config,
        'options from a file of QEMU\'s form: sections such as [drive "ID"] with lines KEY = "VALUE"',
    ),
    Option(("pidfile",), "FILE", around.pid_file, "write the process number there; it goes when the run ends"),
    Option(("gdb",), "tcp:HOST:PORT", around.gdb, "listen for GDB; no host is loopback, another wants --listen-any"),
    Option(("s",), "", around.short_gdb, f"the same as -gdb tcp::{DEFAULT_GDB_PORT}"),
    Option(("listen-any",), "", around.listen_any, "listen on every address, not loopback alone: -gdb and -serial"),
    Option(("S",), "", around.stopped, "wait for GDB before the first instruction"),
    Option(("no-reboot",), "", values.no_reboot, "let a reset by the guest end the run"),
    Option(
        ("semihosting",), "", values.semihosting, "sdbbp 1 calls the host (MIPS UHI): exit code, console, arguments"
    ),
    Option(
        ("semihosting-config",),
        "[enable=on|off][,target=native|auto] [,chardev=ID][,userspace=on|off] [,arg=WORD[,arg=...]]",
        values.semihosting_config,
        "the same; chardev: the console (without: standard error), userspace: also from user mode, arg: argv",
    ),
    Option(("no-shutdown",), "", values.no_shutdown, "stay when the guest has ended the run, until the user ends it"),
    Option(
        ("action",),
        "reboot=reset|shutdown [,shutdown=poweroff|pause]",
        values.action,
        "the same in QEMU's long form: reboot=shutdown is -no-reboot, shutdown=pause is -no-shutdown",
    ),
    Option(
        ("nodefaults",),
        "",
        around.no_defaults,
        "nothing is there that no option names: no network, no CD-ROM drive, no console",
    ),
    Option(
        ("d",),
        "SUBJECT,...",
        around.traces,
        f"trace to standard error: {', '.join(around.TRACES)}",
        lambda: around.TRACES,
    ),
    Option(("D",), "FILE", around.trace_file, "trace to this file instead"),
    Option(("checkpoint-memory",), "SIZE", values.checkpoint_memory, "memory for going back quickly (default 224M)"),
    Option(
        ("snapshot-budget",),
        "SIZE",
        values.snapshot_budget,
        "disk for going quickly to any moment in later sessions (default 256M; 0: none)",
    ),
    Option(
        ("idle-work",),
        "on|off",
        values.idle_work,
        "whether spare cores look at the past while GDB stands still (default on)",
    ),
    Option(("vga",), "none", device_values.vga),
    Option(("smp",), "1", values.processors),
    Option(("accel",), "tcg", values.accelerator),
    Option(
        ("nographic", "no-user-config", "mem-prealloc", "no-fd-bootchk"),
        "",
        values.no_effect,
    ),
    Option(
        ("uuid", "boot", "L", "k", "msg", "overcommit", "mem-path", "audiodev", "seed", "sandbox"),
        "X",
        values.no_effect,
    ),
    *(
        Option((name,), "none", values.switched_off(f"-{name}", missing))
        for name, missing in {
            "display": "there is no screen",
            "vnc": "there is no screen",
            "parallel": "there is no parallel port",
        }.items()
    ),
)
#: What QEMU has and this machine has not: refused with the reason.
_REFUSED = {
    "usbdevice": ("X", "nothing can be plugged into its USB"),
    "usb": ("", "there is nothing to plug into its USB"),
    **dict.fromkeys(("fda", "fdb", "sd", "mtdblock"), ("X", "there is no such drive; -hda and -drive show images")),
    "plugin": ("X", "QEMU's plugins are not there; rdbg trace, profile and coverage tell of recordings"),
    "sdl": ("", "there is no screen"),
    "curses": ("", "there is no screen"),
    "soundhw": ("X", "there is no sound card"),
    "redir": ("X", "-nic user,hostfwd=tcp::PORT-:PORT leads from the host into the guest"),
    "virtfs": ("X", "there is no 9p device; -drive file=fat:rw:DIR shows a folder"),
    "fsdev": ("X", "there is no 9p device; -drive file=fat:rw:DIR shows a folder"),
    "dtb": ("X", "the machine's boot loader passes no device tree"),
    "loadvm": ("X", "a run starts at power-on; snapshots are there in GDB: monitor loadvm"),
    "trace": ("X", "QEMU's trace points are not there; see -d help"),
    "singlestep": ("", "single steps are GDB's: stepi, reverse-stepi"),
    "enable-kvm": ("", "the CPU is emulated"),
    "daemonize": ("", "rdbg stays in the foreground; use your shell's &"),
    "incoming": ("X", "there is no migration"),
    "watchdog": ("X", "there is no watchdog device"),
}
_BY_NAME = {name: option for option in OPTIONS for name in option.names} | {
    name: Option((name,), value, values.refused(f"-{name}", reason)) for name, (value, reason) in _REFUSED.items()
}
#: What is said before the names of those without effect.
WITHOUT_EFFECT = "Accepted for the sake of QEMU's command lines, without effect:"
#: Options that a replay may repeat though the recording says it all: they change nothing.
HARMLESS = tuple(name for option in OPTIONS if not option.help for name in option.names)


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
        HelpWanted: a value was ``help``.
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
        # record has --snapshot NAME beside QEMU's -snapshot: where QEMU's takes no value, one dash is QEMU's.
        is_own = name in own and (option is None or bool(option.value) or word.startswith("--"))
        if not is_own and (option is None or (allowed is not None and name not in allowed)):
            if option is not None:
                raise UsageError(f"{word}: the recording says this itself; drop it")
            known = [f"-{known}" for known in (*_BY_NAME, *own)]
            raise UsageError(f"{word}: no such option{hint(f'-{name}', known)}; see --help")
        placeholder = own[name] if is_own else option.value if option is not None else ""
        value = next(rest, None) if placeholder else ""
        if value is None:
            raise UsageError(f"{word}: its value is missing; write {word} {placeholder}")
        if is_own:
            found_own.setdefault(name, []).append(value)
        elif option is not None:
            options = option.apply(options, value)
            options = replace(options, said=options.said | {option.names[0]})
    if allowed is None:  # else the recording says what is plugged in
        options = resolve_devices(drives.resolve_drives(place_drives(place_loaders(apply_globals(options)))))
    return ParsedLine(around.resolve_chardevs(options), found_own, tuple(found_operands))


def machine_options(allowed: Collection[str] | None = None) -> tuple[Option, ...]:
    """The options that do something.

    Args:
        allowed: which, by name; None: all.
    """
    return tuple(option for option in OPTIONS if option.help and (allowed is None or set(option.names) & set(allowed)))


def help_text(allowed: Collection[str] | None = None) -> str:
    """The options, for ``--help``.

    Args:
        allowed: which, by name; None: all, and those without effect.
    """
    lines = option_entries(machine_options(allowed))
    if allowed is None:
        silent = " ".join(f"-{name}" for name in HARMLESS)
        lines += ["", WITHOUT_EFFECT]
        lines += textwrap.wrap(silent, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines)
