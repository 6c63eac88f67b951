# What the compiled parts of the Am79C973 know of each other: its rings and descriptors, in rdbg/emu/pcnet_rings.pyx.

from libc.stdint cimport int64_t, uint32_t

cdef enum:
    MOST_SEEN = 8                # descriptors that one poll looks at, and more


cdef struct Descriptor:
    uint32_t buffer              # address of its buffer, 24 or 32 bits
    uint32_t length              # two's complement of the buffer's size in bytes, with ones in the high four bits
    uint32_t status              # 16 bits
    uint32_t message             # length of a received message, or what else is to be said of a transmission
    uint32_t reserved            # the fourth word


cdef struct Seen:
    uint32_t address
    Descriptor entry


cdef uint32_t buffer_size(const Descriptor *entry) noexcept nogil
cdef uint32_t pair(list csr, Py_ssize_t number) except? 0xFFFFFFFFU


cdef class PcnetRings:
    cdef object _registers
    cdef object _card
    cdef object _function
    cdef object _system
    cdef public uint32_t receive_base    # physical address; 0: none
    cdef public uint32_t transmit_base
    cdef Seen _seen[MOST_SEEN]           # what the poll under way has read: each descriptor once
    cdef int _seen_count

    cdef uint32_t physical(self, list csr, uint32_t address) except? 0xFFFFFFFFU
    cdef bytes read(self, uint32_t address, uint32_t size)
    cdef int write(self, uint32_t address, bytes data) except -1
    cdef Descriptor load(self, uint32_t address, bint is_transmit) except *
    cdef int store(self, uint32_t address, const Descriptor *value, bint is_transmit) except -1
    cdef int poll_receive(self) except -1
    cdef int find_receive(self) except -1
    cdef int advance_receive(self, int count) except -1
    cdef bint poll_transmit(self) except -1
    cdef int advance_transmit(self) except -1

    cdef uint32_t _bits(self) except? 0xFFFFFFFFU
    cdef Descriptor _look(self, uint32_t address) except *
    cdef uint32_t _step(self) except? 0xFFFFFFFFU
    cdef uint32_t _receive_address(self, list csr, int64_t index) except? 0xFFFFFFFFU
    cdef int _note(self, list csr, Py_ssize_t place, Py_ssize_t count, Py_ssize_t status) except -1
