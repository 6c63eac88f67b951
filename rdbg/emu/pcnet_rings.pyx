# cython: boundscheck=True, wraparound=False
"""Descriptors of the Am79C973 in memory, and the two rings that they form (its data sheet, chapter 'Descriptors').

A ring's index counts down from its length to 1; descriptor ``length - index`` is the current one. Rings are looked at
several times for each frame: that is why this is compiled, and why memory is asked first whether it is plain.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from rdbg.emu.devices.network.pcnet import pcnet_descriptors as d
from rdbg.emu.devices.network.pcnet import pcnet_registers as r

cdef enum:
    WIDE = 16                    # bytes of a descriptor that are read and written
    NARROW = 8

cdef uint32_t OWNED = d.OWNED
cdef uint32_t COUNT_MASK = d.COUNT_MASK
cdef uint32_t ONES = d.ONES
cdef uint32_t BUFFER_MAX = d.BUFFER_MAX
cdef uint32_t SWAPPED_STYLE = d.SWAPPED_STYLE

cdef Py_ssize_t CURRENT_RX = r.CURRENT_RX
cdef Py_ssize_t NEXT_RX = r.NEXT_RX
cdef Py_ssize_t AFTER_NEXT_RX = r.AFTER_NEXT_RX
cdef Py_ssize_t RX_COUNT = r.RX_COUNT
cdef Py_ssize_t RX_STATUS = r.RX_STATUS
cdef Py_ssize_t NEXT_COUNT = r.NEXT_COUNT
cdef Py_ssize_t NEXT_STATUS = r.NEXT_STATUS
cdef Py_ssize_t RX_INDEX = r.RX_INDEX
cdef Py_ssize_t RX_LENGTH = r.RX_LENGTH
cdef Py_ssize_t CURRENT_TX = r.CURRENT_TX
cdef Py_ssize_t PREVIOUS_TX = r.PREVIOUS_TX
cdef Py_ssize_t TX_COUNT = r.TX_COUNT
cdef Py_ssize_t TX_STATUS = r.TX_STATUS
cdef Py_ssize_t TX_INDEX = r.TX_INDEX
cdef Py_ssize_t TX_LENGTH = r.TX_LENGTH
cdef Py_ssize_t SOFTWARE_STYLE = r.SOFTWARE_STYLE
cdef uint32_t SIZE32 = r.SIZE32
cdef uint32_t STYLE_MASK = r.STYLE_MASK


cdef uint32_t buffer_size(const Descriptor *entry) noexcept nogil:
    """Bytes in a descriptor's buffer, 1 to 4096."""
    return BUFFER_MAX - (entry.length & COUNT_MASK)


cdef inline uint32_t word(const uint8_t *at) noexcept nogil:
    return at[0] | at[1] << 8 | at[2] << 16 | <uint32_t>at[3] << 24


cdef inline void put_word(uint8_t *at, uint32_t value) noexcept nogil:
    at[0], at[1], at[2], at[3] = value & 0xFF, value >> 8 & 0xFF, value >> 16 & 0xFF, value >> 24


cdef Descriptor parsed(uint32_t bits, const uint8_t *at, bint is_transmit) noexcept nogil:
    """A descriptor as it lies in memory.

    Args:
        bits: the software style.
        at: its bytes.
        is_transmit: of which ring.
    """
    cdef Descriptor entry
    cdef uint32_t first = word(at)
    cdef uint32_t last
    entry.length = at[4] | at[5] << 8
    if bits & SIZE32:
        entry.status = at[6] | at[7] << 8
        entry.buffer, entry.message = first, word(at + 8)
        entry.reserved = word(at + 12)
        if bits & STYLE_MASK == SWAPPED_STYLE:
            entry.buffer, entry.message = entry.message, entry.buffer
        return entry
    last = at[6] | at[7] << 8
    entry.buffer = first & 0xFFFFFF
    entry.status = first >> 16 & 0xFF00
    entry.message = last << 16 if is_transmit else last
    entry.reserved = 0
    return entry


cdef inline bint is_sound(const Descriptor *entry) noexcept nogil:
    """Whether what is there can be a receive descriptor."""
    return entry.length & ONES == ONES and not entry.message & ONES


cdef uint32_t pair(list csr, Py_ssize_t number) except? 0xFFFFFFFFU:
    return <uint32_t>csr[number] | <uint32_t>csr[number + 1] << 16


cdef inline int set_pair(list csr, Py_ssize_t number, uint32_t value) except -1:
    csr[number] = value & 0xFFFF
    csr[number + 1] = value >> 16
    return 0


cdef class PcnetRings:
    """Both rings, where the registers say.

    Args:
        registers: of the card.
        card: reads and writes memory.
        function: of the card on the PCI bus: whether it may.
        system: says which memory is plain.
    """

    def __init__(self, registers, card, function, system):
        self._registers = registers
        self._card = card
        self._function = function
        self._system = system

    cdef uint32_t _bits(self) except? 0xFFFFFFFFU:
        """The software style and the width of addresses."""
        return (<list>self._registers.bcr)[SOFTWARE_STYLE]

    cdef uint32_t physical(self, list csr, uint32_t address) except? 0xFFFFFFFFU:
        """The address on the bus: 24-bit addresses have their high byte from CSR2."""
        return address if self._bits() & SIZE32 else address | (<uint32_t>csr[2] & 0xFF00) << 16

    # --- memory ------------------------------------------------------------------------------
    cdef bytes read(self, uint32_t address, uint32_t size):
        """Bytes of memory, as the card reads them."""
        cdef bytes data = None
        if self._function.is_master:
            data = self._system.dma_read_plain(address, size)
        if data is None:
            data = self._card.dma_read(address, size)
        if <uint32_t>len(data) != size:
            raise ValueError(f"{len(data)} bytes of {size} were read")
        return data

    cdef int write(self, uint32_t address, bytes data) except -1:
        """Write to memory, as the card does it."""
        if not (self._function.is_master and self._system.dma_write_plain(address, data)):
            self._card.dma_write(address, data)
        return 0

    # --- descriptors -------------------------------------------------------------------------
    cdef Descriptor load(self, uint32_t address, bint is_transmit) except *:
        """The descriptor at a physical address."""
        cdef uint32_t bits = self._bits()
        cdef bytes data = self.read(address, WIDE if bits & SIZE32 else NARROW)
        return parsed(bits, <const uint8_t*>data, is_transmit)

    cdef int store(self, uint32_t address, const Descriptor *value, bint is_transmit) except -1:
        """Write a descriptor back."""
        cdef uint32_t bits = self._bits()
        cdef uint8_t data[WIDE]
        cdef uint32_t first = value.buffer
        cdef uint32_t last = value.message
        data[4], data[5] = value.length & 0xFF, value.length >> 8 & 0xFF
        if bits & SIZE32:
            if bits & STYLE_MASK == SWAPPED_STYLE:
                first, last = last, first
            data[6], data[7] = value.status & 0xFF, value.status >> 8 & 0xFF
            put_word(data + 8, last)
            put_word(data + 12, value.reserved)
        else:
            first = first & 0xFFFFFF | (value.status & 0xFF00) << 16
            if is_transmit:
                last >>= 16
            data[6], data[7] = last & 0xFF, last >> 8 & 0xFF
        put_word(data, first)
        self.write(address, data[:WIDE] if bits & SIZE32 else data[:NARROW])
        return 0

    cdef Descriptor _look(self, uint32_t address) except *:
        """The descriptor at a physical address, read once by each poll."""
        cdef int i
        cdef Descriptor entry
        for i in range(self._seen_count):
            if self._seen[i].address == address:
                return self._seen[i].entry
        entry = self.load(address, False)
        if self._seen_count < MOST_SEEN:
            self._seen[self._seen_count] = Seen(address, entry)
            self._seen_count += 1
        return entry

    # --- reception ---------------------------------------------------------------------------
    cdef uint32_t _step(self) except? 0xFFFFFFFFU:
        """Bytes from one descriptor to the next."""
        return WIDE if self._bits() & STYLE_MASK else NARROW

    cdef uint32_t _receive_address(self, list csr, int64_t index) except? 0xFFFFFFFFU:
        """Physical address of the receive descriptor at an index; below 1 it goes on at the ring's other end."""
        cdef int64_t length = csr[RX_LENGTH]
        if index < 1:
            index = index % length
            if index == 0:
                index = length
        return <uint32_t>(self.receive_base + (length - index) * self._step())

    cdef int poll_receive(self) except -1:
        """Look at the current receive descriptor and the two after it."""
        cdef list csr = self._registers.csr
        cdef uint32_t current, following, after, address, step, size
        cdef int64_t index
        cdef Descriptor entry
        cdef bint sound
        cdef bytes data
        cdef int i
        self._seen_count = 0
        set_pair(csr, CURRENT_RX, 0)
        if self.receive_base:
            index = csr[RX_INDEX]
            current = self._receive_address(csr, index)
            step = self._step()
            size = WIDE if self._bits() & SIZE32 else NARROW
            if 2 < index <= <int64_t>csr[RX_LENGTH] and <uint64_t>current + 2 * step + size <= 1ULL << 32:
                data = self.read(current, 2 * step + size)      # all three lie together
                for i in range(3):
                    self._seen[i] = Seen(current + i * step, parsed(self._bits(), <const uint8_t*>data + i * step, False))
                self._seen_count = 3
            entry = self._look(current)
            if is_sound(&entry):
                following = self._receive_address(csr, index - 1)
                after = self._receive_address(csr, index - 2)
                entry = self._look(following)
                sound = is_sound(&entry)
                if not sound or following == current:
                    following = 0
                entry = self._look(after)
                if not (is_sound(&entry) and sound) or after == current:
                    after = 0
                set_pair(csr, CURRENT_RX, current)
                set_pair(csr, NEXT_RX, following)
                set_pair(csr, AFTER_NEXT_RX, after)
        self._note(csr, CURRENT_RX, RX_COUNT, RX_STATUS)
        self._note(csr, NEXT_RX, NEXT_COUNT, NEXT_STATUS)
        return 0

    cdef int _note(self, list csr, Py_ssize_t place, Py_ssize_t count, Py_ssize_t status) except -1:
        """Show what a descriptor says in registers."""
        cdef uint32_t address = pair(csr, place)
        cdef Descriptor found
        if address:
            found = self._look(self.physical(csr, address))
            csr[count], csr[status] = found.length & COUNT_MASK, found.status
        else:
            csr[count] = csr[status] = 0
        return 0

    cdef int find_receive(self) except -1:
        """Go on to the next receive descriptor that the card owns, if there is one."""
        cdef list csr = self._registers.csr
        cdef int64_t length = csr[RX_LENGTH]
        cdef int64_t index = <int64_t>csr[RX_INDEX] - 1
        cdef int64_t tried
        for tried in range(length - 1):
            if index <= 1:
                index = length
            if self.load(<uint32_t>(self.receive_base + (length - index) * self._step()), False).status & OWNED:
                csr[RX_INDEX] = index
                self.poll_receive()
                return 0
            index -= 1
        return 0

    cdef int advance_receive(self, int count) except -1:
        """Leave some descriptors behind."""
        cdef list csr = self._registers.csr
        cdef int i
        for i in range(count):
            csr[RX_INDEX] = csr[RX_LENGTH] if csr[RX_INDEX] <= 1 else csr[RX_INDEX] - 1
        return 0

    def owned_receive(self, uint32_t most):
        """How many receive descriptors the card owns.

        Args:
            most: descriptors to look at.
        """
        cdef list csr = self._registers.csr
        cdef uint32_t count, step, at, i
        cdef uint32_t owned = 0
        cdef bytes data
        if not self.receive_base:
            return 0
        count = min(<uint32_t>csr[RX_LENGTH], most)
        step = self._step()
        at = 7 if self._bits() & SIZE32 else 3               # of the byte with the bit
        data = self.read(self.receive_base, count * step)
        for i in range(count):
            owned += (<const uint8_t*>data)[i * step + at] >> 7
        return owned

    # --- transmission ------------------------------------------------------------------------
    cdef bint poll_transmit(self) except -1:
        """Look at the current transmit descriptor; gives whether the card owns it."""
        cdef list csr = self._registers.csr
        cdef uint32_t address
        cdef Descriptor found
        self._seen_count = 0
        set_pair(csr, CURRENT_TX, 0)
        if self.transmit_base:
            address = <uint32_t>(
                self.transmit_base + (<int64_t>csr[TX_LENGTH] - <int64_t>csr[TX_INDEX]) * <int64_t>self._step())
            if address:
                found = self._look(address)
                if found.length & ONES == ONES:
                    set_pair(csr, PREVIOUS_TX, 0)
                    csr[PREVIOUS_TX + 2], csr[PREVIOUS_TX + 3] = csr[TX_COUNT], csr[TX_STATUS]
                    set_pair(csr, CURRENT_TX, address)
        self._note(csr, CURRENT_TX, TX_COUNT, TX_STATUS)
        return <uint32_t>csr[TX_STATUS] & OWNED != 0

    cdef int advance_transmit(self) except -1:
        """Leave a descriptor behind."""
        cdef list csr = self._registers.csr
        csr[TX_INDEX] = csr[TX_LENGTH] if csr[TX_INDEX] <= 1 else csr[TX_INDEX] - 1
        return 0
