"""``info pci``: what stands on the PCI bus, in QEMU 7.2's words."""

from __future__ import annotations

from collections.abc import Mapping

from rdbg.emu.devices.pci import INTERRUPT_LINE, Bar, PciFunction

_CLASSES = {
    0x0100: "SCSI controller",
    0x0101: "IDE controller",
    0x0180: "Storage controller",
    0x0200: "Ethernet controller",
    0x0280: "Network controller",
    0x0600: "Host bridge",
    0x0601: "ISA bridge",
    0x0680: "Bridge",
    0x0780: "Communication controller",
    0x0C03: "USB controller",
}
_NOWHERE = (1 << 64) - 1


def pci_report(functions: Mapping[tuple[int, int], PciFunction], names: Mapping[int, str]) -> str:
    """The table.

    Args:
        functions: by slot and function.
        names: ids that users gave to cards, by slot.
    """
    lines = []
    for (slot, number), function in sorted(functions.items()):
        identity = function.identity
        kind = identity.class_code >> 8
        lines.append(f"  Bus  0, device {slot:3}, function {number}:")
        what = _CLASSES.get(kind, f"Class {kind:04}")
        lines.append(f"    {what}: PCI device {identity.vendor:04x}:{identity.device:04x}")
        lines.append(f"      PCI subsystem {identity.subsystem & 0xFFFF:04x}:{identity.subsystem >> 16:04x}")
        if identity.interrupt_pin:
            pin = chr(ord("A") + identity.interrupt_pin - 1)
            lines.append(f"      IRQ {function.register(INTERRUPT_LINE, 1)}, pin {pin}")
        lines += [_bar(bar, place) for bar, place in zip(function.bars, function.places, strict=True)]
        lines.append(f'      id "{names.get(slot, "")}"')
    return "".join(f"{line}\n" for line in lines)


def _bar(bar: Bar, place: int | None) -> str:
    first = _NOWHERE if place is None else place
    last = first + bar.size - 1 & _NOWHERE
    if bar.kind == "io":
        return f"      BAR{bar.index}: I/O at {first:#06x} [{last:#06x}]."
    kind = f"{64 if bar.wide else 32} bit{' prefetchable' if bar.prefetchable else ''} memory"
    return f"      BAR{bar.index}: {kind} at {first:#010x} [{last:#010x}]."
