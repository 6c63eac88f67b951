"""The formats that disk images have, told from how a file begins."""

from __future__ import annotations

#: What rdbg reads.
FORMATS = ("raw", "qcow2")
QCOW2_MAGIC = b"QFI\xfb"
#: Formats that QEMU has and rdbg has not, by what a file begins with.
_OTHERS = {
    b"KDMV": "vmdk",
    b"# Disk DescriptorFile": "vmdk",
    b"vhdxfile": "vhdx",
    b"conectix": "vpc",
    b"QED\0": "qed",
    b"<<< ": "vdi",
    b"LUKS\xba\xbe": "luks",
    b"koly": "dmg",
}


def probe_format(start: bytes) -> str:
    """The format of an image that begins so; what is not known is ``raw``."""
    if start.startswith(QCOW2_MAGIC):
        return "qcow2"
    return next((name for magic, name in _OTHERS.items() if start.startswith(magic)), "raw")
