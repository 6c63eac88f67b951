"""Everything the stub understands."""

from __future__ import annotations

from rdbg.stub.client import Feature
from rdbg.stub.extended_packets import EXTENDED
from rdbg.stub.file_packets import FILES
from rdbg.stub.flash_packets import FLASH
from rdbg.stub.handshake import HANDSHAKE, THREADS
from rdbg.stub.memory_packets import MEMORY
from rdbg.stub.monitor_packets import MONITOR
from rdbg.stub.point_packets import POINTS
from rdbg.stub.register_packets import REGISTERS
from rdbg.stub.resume_packets import RESUME, REVERSE
from rdbg.stub.transfer_packets import TRANSFER

FEATURES: tuple[Feature, ...] = (
    HANDSHAKE,
    THREADS,
    REGISTERS,
    MEMORY,
    FLASH,
    POINTS,
    RESUME,
    REVERSE,
    TRANSFER,
    FILES,
    EXTENDED,
    MONITOR,
)
