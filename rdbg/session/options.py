"""What a user asks of a run, once the command line is understood."""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from pathlib import Path

from rdbg.emu.spec import Plugged
from rdbg.net.tcp_address import TcpAddress
from rdbg.netdev.network_plan import NetworkPlan, PacketDump
from rdbg.quick_dataclass import dataclass
from rdbg.serial.serial_spec import Chardev, SerialKind, SerialSpec
from rdbg.session.drive_options import DriveLine, DriveOptions
from rdbg.session.network_options import CardOption, GlobalProperty, NetdevOption

#: Virtual nanoseconds per instruction are 1 << this, unless -icount says otherwise. QEMU's shift=auto starts
#: here too and then follows the host's clock, which no replay could repeat; here it stays.
DEFAULT_SHIFT = 3

DEFAULT_RAM_BYTES = 128 << 20
DEFAULT_CHECKPOINT_BYTES = 224 << 20  # less than 256 MB with the first state and the index
DEFAULT_SNAPSHOT_BYTES = 256 << 20
DEFAULT_GDB_PORT = 1234


class RecordMode(Enum):
    """What ``-icount rr=`` says."""

    NONE = "none"
    RECORD = "record"
    REPLAY = "replay"


@dataclass(frozen=True)
class IcountOptions:
    """The value of ``-icount``.

    Args:
        shift: virtual nanoseconds per instruction = 1 << shift.
        sleep: whether an idle CPU lets host time pass.
        mode: record, replay or neither.
        journal: the file to record to or replay from (``rrfile``).
        snapshot: name of the snapshot that recording starts from (``rrsnapshot``), or None.
    """

    shift: int = DEFAULT_SHIFT
    sleep: bool = True
    mode: RecordMode = RecordMode.NONE
    journal: Path | None = None
    snapshot: str | None = None


@dataclass(frozen=True)
class QmpOption:
    """One end at which programs speak QMP.

    Args:
        spec: where it is.
        pretty: messages are spread over lines.
    """

    spec: SerialSpec
    pretty: bool = False


@dataclass(frozen=True)
class SemihostingOptions:
    """``-semihosting`` and ``-semihosting-config``.

    Args:
        enabled: whether the guest may call the host.
        arguments: its argv; empty: the kernel's name and what ``-append`` says.
        in_user_mode: programs in user mode may call too.
        console: where its console leads to; None: what is printed goes to standard error, and nothing can be typed.
    """

    enabled: bool = False
    arguments: tuple[str, ...] = ()
    in_user_mode: bool = False
    console: SerialSpec | None = None


@dataclass(frozen=True)
class ImageFile:
    """A file that the machine starts from, as named on the command line.

    Args:
        role: as in `rdbg.emu.spec.Image`.
        path: as the user wrote it.
    """

    role: str
    path: str


@dataclass(frozen=True)
class RunOptions:
    """Everything that a command line of ``rdbg run`` can say.

    Args:
        board: ``malta`` or ``bare``.
        cpu: CPU model.
        big_endian: byte order of the guest; None: as the image says.
        ram_bytes: size of RAM.
        images: files that the machine starts from.
        drive_lines: options that describe drives, in their order.
        drives: what they come to once all are known.
        claimed_drives: names of those with the bus ``none`` that cards have.
        snapshot: nothing that the guest writes goes to an image.
        default_drives: the board has the drives that it has by default.
        append: kernel command line.
        rtc_base: seconds since 1970-01-01 UTC at power-on; None: the host's time now.
        icount: see there.
        serials: one back end for each serial port; empty: the first is the terminal, if ``default_serial``.
        default_serial: see there.
        chardevs: back ends that serial ports may name.
        monitors: ends at which rdbg itself is typed to.
        qmps: ends at which programs speak QMP.
        name: what the user calls the guest, or empty.
        netdevs: back ends of networks, by -netdev, -nic and -net.
        nics: cards, by -nic.
        net_nics: cards, by -net.
        devices: cards, by -device.
        loaders: what is loaded beside the firmware, by -device loader.
        globals: what holds for all devices of a model, by -global.
        dumps: captures of packets.
        default_net: the board has the network that it has by default.
        display_card: cards have the slots that they have beside QEMU's graphics card.
        plugged: what the cards come to once all is known.
        network_plan: what the networks come to.
        virtual_consoles: one back end for each console card.
        pid_file: file for the process number, or None.
        gdb: where to listen for GDB, or None.
        listen_any: GDB may come from other hosts.
        stopped: do not start the guest before GDB says so.
        reboot: whether a reset by the guest starts it again; False: it ends the run.
        semihosting: what the guest may ask of the host.
        shutdown: whether rdbg ends with the guest; False: it stays there until the user ends it.
        traces: subjects to trace.
        trace_file: where to; None: standard error.
        notices: lines for the user about what was asked for in vain.
        checkpoint_bytes: bound of the memory for checkpoints.
        snapshot_bytes: bound of what periodic snapshots take in a recording's store; 0: none are made.
        idle_work: copies of the process look at the past while nobody asks anything.
        said: which options were given, by their first name, ``shift`` if -icount names a number, ``rtc date`` if -rtc
            names a date. A replay refuses those that contradict the recording; defaults contradict nothing.
    """

    board: str = "malta"
    cpu: str = "24Kf"
    big_endian: bool | None = None
    ram_bytes: int = DEFAULT_RAM_BYTES
    images: tuple[ImageFile, ...] = ()
    drive_lines: tuple[DriveLine, ...] = ()
    drives: tuple[DriveOptions, ...] = ()
    claimed_drives: frozenset[str] = frozenset()
    snapshot: bool = False
    default_drives: bool = True
    append: str = ""
    rtc_base: int | None = None
    icount: IcountOptions = field(default_factory=IcountOptions)
    serials: tuple[SerialSpec, ...] = ()
    default_serial: bool = True
    chardevs: tuple[Chardev, ...] = ()
    monitors: tuple[SerialSpec, ...] = ()
    qmps: tuple[QmpOption, ...] = ()
    name: str = ""
    netdevs: tuple[NetdevOption, ...] = ()
    nics: tuple[CardOption, ...] = ()
    net_nics: tuple[CardOption, ...] = ()
    devices: tuple[CardOption, ...] = ()
    loaders: tuple[Plugged, ...] = ()
    globals: tuple[GlobalProperty, ...] = ()
    dumps: tuple[PacketDump, ...] = ()
    default_net: bool = True
    display_card: bool = True
    plugged: tuple[Plugged, ...] = ()
    network_plan: NetworkPlan = NetworkPlan()
    virtual_consoles: tuple[SerialSpec, ...] = ()
    pid_file: str | None = None
    gdb: TcpAddress | None = None
    listen_any: bool = False
    stopped: bool = False
    reboot: bool = True
    semihosting: SemihostingOptions = field(default_factory=SemihostingOptions)
    shutdown: bool = True
    traces: tuple[str, ...] = ()
    trace_file: str | None = None
    notices: tuple[str, ...] = ()
    checkpoint_bytes: int = DEFAULT_CHECKPOINT_BYTES
    snapshot_bytes: int = DEFAULT_SNAPSHOT_BYTES
    idle_work: bool = True
    said: frozenset[str] = frozenset()


def silent_replay(recording: str | Path) -> RunOptions:
    """A replay for those who only ask: nothing of it is printed.

    Args:
        recording: its journal.
    """
    return RunOptions(
        icount=IcountOptions(mode=RecordMode.REPLAY, journal=Path(recording)), serials=(SerialSpec(SerialKind.NULL),)
    )
