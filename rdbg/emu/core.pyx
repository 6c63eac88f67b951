# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: embedsignature=True
"""The CPU: Unicorn running the guest deprivileged, with everything privileged done here.

One class, `Core`, in layers (core_*.pxi) over functions that know no Python (the other .pxi files: unicorn, state, decode,
mmu, exceptions, cp0, traps, agent, blocks, device_place, mmio,
watch_blocks, straight_line, run, calibrate). docs/cpu.md explains the design.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

import numpy

cdef extern from "endian.h" nogil:
    uint32_t htole32(uint32_t)
    uint64_t htole64(uint64_t)
    uint32_t le32toh(uint32_t)
    uint64_t le64toh(uint64_t)

from cpython.bytes cimport PyBytes_FromStringAndSize

from rdbg.emu.bus import BusError
from rdbg.emu.cpu_record import CPU_RECORD, VERSION, record_fields
from rdbg.errors import RdbgError

include "unicorn.pxi"
include "state.pxi"
include "decode.pxi"
include "mmu.pxi"
include "exceptions.pxi"
include "cp0.pxi"
include "traps.pxi"
include "blocks.pxi"
include "agent.pxi"
include "device_place.pxi"
include "mmio.pxi"
include "watch_blocks.pxi"
include "straight_line.pxi"
include "run.pxi"
include "calibrate.pxi"
include "saved_cpu.pxi"
include "core_engine.pxi"
include "core_registers.pxi"
include "core_memory.pxi"
include "core_state.pxi"
include "core_host.pxi"
include "core_running.pxi"

WHY_NAMES = {
    WHY_LIMIT: "limit", WHY_PAUSE: "paused", WHY_BREAKPOINT: "breakpoint", WHY_WATCH: "watchpoint",
    WHY_IDLE: "idle", WHY_SHUTDOWN: "shutdown", WHY_AMBIGUOUS: "ambiguous",
}
MAPPING_MEMORY = MAP_MEMORY
MAPPING_IO = MAP_IO
MAPPING_PARTIAL = MAP_PARTIAL
MAPPING_READ = MAP_READ
MAPPING_WRITE = MAP_WRITE
NEVER = FOREVER
MEMORY_MAX = <uint32_t>SCRATCH_PAGE


cdef class Core(Running):
    """A MIPS32 core over a machine's memory.

    Args:
        memory: writable buffer that holds all backings one after another, a multiple of 4096 bytes.
        model: what CPU it is, a `CpuModel`.
        big_endian: the guest's byte order.
        shift: virtual nanoseconds per instruction = 1 << shift.
        count_period_ns: nanoseconds per tick of Count.
        timer_line: hardware interrupt line (0 to 5) of the Compare timer.
        host: object with ``classify(page)``, ``io_read(address, size)``, ``io_stable(address, size)``,
            ``io_idle_store(address, size, value)``,
            ``io_write(address, size, value)``,
            ``events(icount) -> next icount`` and ``idle(icount, compare_ns) -> bool``.

    Raises:
        RdbgError: Unicorn is not as this code knows it.
    """
