"""A guest's frames on a real tap, with the kernel at its other end, in a network of its own that ends with the process:
``unshare -n python -m tests.netdev.ping_by_tap FOLDER``, as root."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from rdbg.netdev.netdev_spec import TapNet
from tests.linux.peer import checksum
from tests.netdev.wires import ARP_REQUEST, GUEST_MAC, Wire, until

OURS, KERNELS = bytes((10, 0, 2, 15)), bytes((10, 0, 2, 2))


def echo_request(to: bytes, number: int, size: int) -> bytes:
    """A ping from the guest."""
    body = struct.pack(">BBHHH", 8, 0, 0, 7, number) + bytes(range(256)) * (size // 256) + bytes(size % 256)
    body = body[:2] + checksum(body).to_bytes(2, "big") + body[4:]
    head = b"\x45\0" + (20 + len(body)).to_bytes(2, "big") + b"\0\1\0\0\x40\x01\0\0" + OURS + KERNELS
    return to + GUEST_MAC + b"\x08\x00" + head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + body


def main(folder: Path) -> None:
    """Make the tap by rdbg, with a script that gives it an address, and ping the kernel through it."""
    script, down = folder / "up", folder / "down"
    script.write_text('#!/bin/sh\nip addr add 10.0.2.2/24 dev "$1" && ip link set "$1" up\n')
    down.write_text(f'#!/bin/sh\necho "$1" > {folder}/taken-down\n')
    for program in (script, down):
        program.chmod(0o755)
    wire = Wire(TapNet("rdbg7", str(script), str(down)))
    wire.send(ARP_REQUEST)
    until(lambda: any(frame[12:14] == b"\x08\x06" and frame[28:32] == KERNELS for frame in wire.heard), wire)
    kernel = next(frame[6:12] for frame in wire.heard if frame[12:14] == b"\x08\x06" and frame[28:32] == KERNELS)
    for number, size in enumerate((8, 56, 1400)):
        request = echo_request(kernel, number, size)
        wire.send(request)
        reply = request[38:]
        # What is short is filled up on the way.
        until(lambda: any(frame[34:35] == b"\0" and frame[38:].startswith(reply) for frame in wire.heard), wire)  # noqa: B023
    wire.close()
    print("pinged")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
