"""A packet capture in pcap's format (draft-ietf-opsawg-pcap), as QEMU's filter-dump writes it."""

from __future__ import annotations

import os
import struct

from rdbg.host.outlet import Outlet, open_outlet
from rdbg.netdev.network_plan import PacketDump

_MAGIC, _VERSION, _ETHERNET = 0xA1B2C3D4, (2, 4), 1
#: Bytes that wait for who reads a FIFO; the guest does not wait for him.
_MOST_PENDING = 16 << 20
_PATIENCE = 1.0  #: seconds that such a reader is given in the end


class PcapFile:
    """The file of a `PacketDump`, or a FIFO that somebody reads.

    Raises:
        RdbgError: it cannot be written.
    """

    def __init__(self, spec: PacketDump) -> None:
        self.spec = spec
        self._handle = open_outlet(spec.path, f"-object filter-dump: {spec.path}")
        self._outlet: Outlet | None = Outlet(self._handle)
        self._overtaken = False
        self._write(struct.pack("<IHHiIII", _MAGIC, *_VERSION, 0, 0, spec.longest, _ETHERNET))

    def add(self, nanoseconds: int, frame: bytes) -> None:
        """Add a frame.

        Args:
            nanoseconds: when, after 1970-01-01 UTC.
            frame: Ethernet, without FCS.
        """
        kept = frame[: self.spec.longest]
        seconds, rest = divmod(nanoseconds, 1_000_000_000)
        self._write(struct.pack("<IIII", seconds & 0xFFFF_FFFF, rest // 1000, len(kept), len(frame)) + kept)

    def flush(self) -> None:
        """Write what waits."""
        if self._outlet is not None:
            self._outlet.flush()

    @property
    def failure(self) -> str:
        """Why it is not whole, in a line; empty: it is."""
        error = None if self._outlet is None else self._outlet.failure
        reason = "its reader is too slow" if self._overtaken else "" if error is None else error.strerror
        return f"{self.spec.path}: packets are missing from here: {reason}" if reason else ""

    def close(self) -> None:
        """Close it. What waits for a reader does so for a second yet."""
        if self._outlet is not None:
            self._outlet.drain(_PATIENCE)
            self._outlet = None
            os.close(self._handle)

    def _write(self, data: bytes) -> None:
        if self._outlet is None or self._overtaken:
            return
        if self._outlet.pending + len(data) > _MOST_PENDING:
            self._overtaken = True
        else:
            self._outlet.write(data)
