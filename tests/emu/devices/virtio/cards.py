"""The cards of a pair, in our words and in QEMU's."""

from __future__ import annotations

from dataclasses import dataclass

from rdbg.emu.spec import Plugged

MAC = bytes.fromhex("525400123456")


@dataclass(frozen=True)
class CardCase:
    """A card.

    Args:
        ours: how it is plugged into our board.
        qemu: QEMU's words, with the device last.
        queues: how many it has.
        config_size: bytes of its configuration space.
    """

    ours: tuple[Plugged, ...]
    qemu: tuple[str, ...]
    queues: int
    config_size: int

    def with_property(self, name: str, value: str) -> CardCase:
        """The same with a property more."""
        first, *more = self.ours
        plugged = Plugged(first.model, first.name, first.slot, first.bus, first.drive, first.nic, first.mac,
                          first.console, (*first.properties, (name, value)))  # fmt: skip
        words = list(self.qemu)
        at = next(index for index, word in enumerate(words) if word.startswith("virtio-"))
        words[at] += f",{name}={value}"
        return CardCase((plugged, *more), tuple(words), self.queues, self.config_size)


BLOCK = CardCase(
    (Plugged("virtio-blk-pci", slot=18, drive="d0"),),
    ("-drive", "file=DISK,if=none,id=d0,format=raw", "-device", "virtio-blk-pci,drive=d0,ioeventfd=off,addr=0x12"),
    1,
    57,
)
NETWORK = CardCase(
    (Plugged("virtio-net-pci", slot=18, nic=0, mac=MAC),),
    (
        "-netdev", "dgram,id=n0,local.type=unix,local.path=FOLDER/there,remote.type=unix,remote.path=FOLDER/here",
        "-device", "virtio-net-pci,netdev=n0,ioeventfd=off,addr=0x12,romfile=,mac=52:54:00:12:34:56",
    ),
    3,
    8,
)  # fmt: skip
RANDOM = CardCase((Plugged("virtio-rng-pci", slot=18),), ("-device", "virtio-rng-pci,ioeventfd=off,addr=0x12"), 1, 0)
CONSOLE = CardCase(
    (Plugged("virtio-serial-pci", slot=18), Plugged("virtconsole", console=0)),
    (
        "-chardev", "socket,id=c0,path=FOLDER/console,server=on,wait=off",
        "-device", "virtio-serial-pci,ioeventfd=off,addr=0x12", "-device", "virtconsole,chardev=c0",
    ),
    64,
    12,
)  # fmt: skip
#: A console, and a port that is none.
PORTS = CardCase(
    (*CONSOLE.ours, Plugged("virtserialport", console=1, properties=(("name", "org.example.0"),))),
    (
        "-chardev", "socket,id=c1,path=FOLDER/port,server=on,wait=off", *CONSOLE.qemu,
        "-device", "virtserialport,chardev=c1,name=org.example.0",
    ),
    64,
    12,
)  # fmt: skip
ALL = {"block": BLOCK, "network": NETWORK, "random": RANDOM, "console": CONSOLE}
