"""A packet capture in pcap's format (draft-ietf-opsawg-pcap), as QEMU's filter-dump writes it."""

from __future__ import annotations

import struct

from rdbg.errors import RdbgError
from rdbg.netdev.network_plan import PacketDump

_MAGIC, _VERSION, _ETHERNET = 0xA1B2C3D4, (2, 4), 1


class PcapFile:
    """The file of a `PacketDump`.

    Raises:
        RdbgError: it cannot be written.
    """

    def __init__(self, spec: PacketDump) -> None:
        self.spec = spec
        self.failure = ""  #: why it is not whole, in a line; empty: it is
        try:
            self._file = open(spec.path, "wb", buffering=0)
        except OSError as error:
            raise RdbgError(f"-object filter-dump: {spec.path}: cannot write it: {error.strerror}") from error
        self._write(struct.pack("<IHHiIII", _MAGIC, *_VERSION, 0, 0, spec.longest, _ETHERNET))

    def add(self, nanoseconds: int, frame: bytes) -> None:
        """Add a frame.

        Args:
            nanoseconds: when, after 1970-01-01 UTC.
            frame: Ethernet, without FCS.
        """
        if self.failure:
            return
        kept = frame[: self.spec.longest]
        seconds, rest = divmod(nanoseconds, 1_000_000_000)
        self._write(struct.pack("<IIII", seconds & 0xFFFF_FFFF, rest // 1000, len(kept), len(frame)) + kept)

    def close(self) -> None:
        """Close it."""
        self._file.close()

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            self.failure = f"{self.spec.path}: packets are missing from here: {error.strerror}"
