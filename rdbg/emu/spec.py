"""The description of a machine: enough to build it again, bit for bit, on another host."""

from __future__ import annotations

from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class Image:
    """A file that the machine starts from.

    Args:
        role: ``bios``, ``kernel``, ``initrd``, ``pflash``, ``board`` (the TOML text of a ``bare`` board),
            ``python FILE`` (the source of one of its peripherals), or ``loader FILE`` (of ``-device loader``).
        path: as the user wrote it; the kernel finds its own in argv[0].
        data: its bytes.
    """

    role: str
    path: str
    data: bytes


@dataclass(frozen=True)
class Semihosting:
    """What a guest may ask of the host with ``sdbbp 1``.

    Args:
        arguments: its argv.
        in_user_mode: programs in user mode may ask too.
        has_input: whether anything can be typed at its console; else that is at its end.
    """

    arguments: tuple[str, ...]
    in_user_mode: bool = False
    has_input: bool = False


@dataclass(frozen=True)
class Drive:
    """A disk or CD-ROM drive, with the size of what is in it; its contents come from elsewhere (`rdbg.emu.disk`).

    Args:
        name: unique in the machine: the user's id, or QEMU's name (``ide0-hd0``, ``ide1-cd0``, ``virtio0``).
        bus: ``ide``, ``virtio`` or ``none`` (a card that names it has it).
        index: its place on the bus: of IDE, two for each channel.
        media: ``disk`` or ``cdrom``.
        size_bytes: a multiple of 512; 0: there is no medium in it.
        read_only: writes are refused.
        serial: number that the drive says of itself; empty: the drive's own.
    """

    name: str
    bus: str
    index: int
    media: str
    size_bytes: int
    read_only: bool = False
    serial: str = ""


#: How QEMU spells a switch among a card's properties.
ON, OFF = ("on", "yes", "true", "y"), ("off", "no", "false", "n")


@dataclass(frozen=True)
class Plugged:
    """A card that is plugged into the board, or a part of such a card, or what is loaded beside its firmware.

    Args:
        model: QEMU's name: ``pcnet``, ``e1000``, ``rtl8139``, ``virtio-net-pci``, ``virtio-blk-pci``,
            ``virtio-rng-pci``, ``virtio-serial-pci``; ``virtconsole`` and ``virtserialport`` are parts of a
            ``virtio-serial-pci``; ``loader`` is in no slot (`rdbg.emu.loaders.loader_device`).
        name: the user's id; empty: none was given.
        slot: PCI device number, 0 to 31; None: the first free one, or it is a part.
        bus: name of the card that it is a part of; empty: of the first that can have it, or it is a card.
        drive: name of the `Drive` that is in it, or None.
        nic: port of its network endpoint, or None: it is no network card.
        mac: a network card's address, 6 bytes, or None: it is none.
        console: port of its console endpoint, or None: it has none.
        properties: the others that were said, as written: (name, value), in order.
    """

    model: str
    name: str = ""
    slot: int | None = None
    bus: str = ""
    drive: str | None = None
    nic: int | None = None
    mac: bytes | None = None
    console: int | None = None
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class MachineSpec:
    """Everything that determines the machine's run but its inputs.

    Args:
        board: ``malta`` or ``bare``.
        cpu: CPU model, a name of `rdbg.emu.cpu_model.CPU_MODELS`.
        big_endian: byte order of the guest.
        ram_bytes: size of RAM in bytes.
        shift: virtual nanoseconds per instruction = 1 << shift.
        images: what it starts from.
        append: kernel command line.
        rtc_base: seconds since 1970-01-01 UTC that the real-time clock shows at power-on.
        sleep: whether an idle CPU lets host time pass (``-icount sleep=on``).
        reboot: whether a reset by the guest starts it again; False: it ends the run (``-no-reboot``).
        semihosting: what it may ask of the host; None: nothing, `sdbbp` is an instruction like others.
        drives: its disks and CD-ROM drives.
        plugged: its cards, in the order in which they are plugged in.
    """

    board: str
    cpu: str
    big_endian: bool
    ram_bytes: int
    shift: int
    images: tuple[Image, ...]
    append: str = ""
    rtc_base: int = 0
    sleep: bool = True
    reboot: bool = True
    semihosting: Semihosting | None = None
    drives: tuple[Drive, ...] = ()
    plugged: tuple[Plugged, ...] = ()

    def image(self, role: str) -> Image | None:
        """The image with that role, or None."""
        return next((image for image in self.images if image.role == role), None)
