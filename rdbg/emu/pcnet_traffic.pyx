# cython: boundscheck=True, wraparound=False
"""Frames on their way between the rings of the Am79C973 and the cable, and what the card asks of itself around each:
that is why this is compiled."""

from libc.stdint cimport uint32_t

from rdbg.emu.pcnet_rings cimport Descriptor, PcnetRings, buffer_size, pair

from rdbg.emu.devices.network.ethernet import crc32_little, padded
from rdbg.emu.devices.network.ethernet import BROADCAST as BROADCAST_ADDRESS
from rdbg.emu.devices.network.ethernet import ADDRESS_SIZE as ETHERNET_ADDRESS_SIZE
from rdbg.emu.devices.network.ethernet import FCS_SIZE as ETHERNET_FCS_SIZE
from rdbg.emu.devices.network.ethernet import MINIMUM_SIZE as ETHERNET_MINIMUM_SIZE
from rdbg.emu.devices.network.pcnet import pcnet_descriptors as d
from rdbg.emu.devices.network.pcnet import pcnet_registers as r

#: Descriptors that are counted to see how much room there is.
RING_LOOKED_AT = 512

cdef Py_ssize_t BUFFER_MAX = d.BUFFER_MAX
cdef Py_ssize_t ADDRESS_SIZE = ETHERNET_ADDRESS_SIZE
cdef Py_ssize_t FCS_SIZE = ETHERNET_FCS_SIZE
cdef Py_ssize_t MINIMUM_SIZE = ETHERNET_MINIMUM_SIZE
cdef bytes BROADCAST = BROADCAST_ADDRESS
cdef bytes NO_FCS_YET = bytes(ETHERNET_FCS_SIZE)

cdef uint32_t OWNED = d.OWNED
cdef uint32_t FAILED = d.FAILED
cdef uint32_t STARTS = d.STARTS
cdef uint32_t ENDS = d.ENDS
cdef uint32_t OVERFLOW = d.OVERFLOW
cdef uint32_t CRC_WRONG = d.CRC_WRONG
cdef uint32_t BUFFER_ERROR = d.BUFFER_ERROR
cdef uint32_t PHYSICAL = d.PHYSICAL
cdef uint32_t HASHED = d.HASHED
cdef uint32_t BROADCAST_MATCH = d.BROADCAST_MATCH
cdef uint32_t ADD_FCS = d.ADD_FCS
cdef uint32_t LAST_INTERRUPT = d.LAST_INTERRUPT
cdef uint32_t MISC_BUFFER = d.MISC_BUFFER
cdef uint32_t MISC_UNDERFLOW = d.MISC_UNDERFLOW
cdef uint32_t MISC_NO_CARRIER = d.MISC_NO_CARRIER
cdef uint32_t COUNT_MASK = d.COUNT_MASK

cdef uint32_t STOP = r.STOP
cdef uint32_t TRANSMIT_DEMAND = r.TRANSMIT_DEMAND
cdef uint32_t TRANSMITTER_ON = r.TRANSMITTER_ON
cdef uint32_t RECEIVER_ON = r.RECEIVER_ON
cdef uint32_t INTERRUPTS_ON = r.INTERRUPTS_ON
cdef uint32_t INTERRUPT = r.INTERRUPT
cdef uint32_t TRANSMIT_INTERRUPT = r.TRANSMIT_INTERRUPT
cdef uint32_t RECEIVE_INTERRUPT = r.RECEIVE_INTERRUPT
cdef uint32_t MISSED = r.MISSED
cdef uint32_t COLLISION_ERROR = r.COLLISION_ERROR
cdef uint32_t ERROR = r.ERROR
cdef uint32_t CSR0_INTERRUPTS = r.CSR0_INTERRUPTS
cdef uint32_t DISABLE_TRANSMIT_STOP = r.DISABLE_TRANSMIT_STOP
cdef uint32_t TRANSMIT_START = r.TRANSMIT_START
cdef uint32_t USER_INTERRUPT = r.USER_INTERRUPT
cdef uint32_t USER_INTERRUPT_COMMAND = r.USER_INTERRUPT_COMMAND
cdef uint32_t DISABLE_POLLING = r.DISABLE_POLLING
cdef uint32_t CSR4_MASKS = r.CSR4_MASKS
cdef uint32_t SUSPEND = r.SUSPEND
cdef uint32_t LAST_TRANSMIT_INTERRUPT = r.LAST_TRANSMIT_INTERRUPT
cdef uint32_t NO_TRANSMIT_OK_INTERRUPT = r.NO_TRANSMIT_OK_INTERRUPT
cdef uint32_t CSR5_ENABLES = r.CSR5_ENABLES
cdef uint32_t CSR5_SYSTEM_ENABLES = r.CSR5_SYSTEM_ENABLES
cdef uint32_t DISABLE_RECEIVER = r.DISABLE_RECEIVER
cdef uint32_t LOOPBACK = r.LOOPBACK
cdef uint32_t NO_FCS = r.NO_FCS
cdef uint32_t INTERNAL = r.INTERNAL
cdef uint32_t NO_PHYSICAL = r.NO_PHYSICAL
cdef uint32_t NO_BROADCAST = r.NO_BROADCAST
cdef uint32_t PROMISCUOUS = r.PROMISCUOUS
cdef uint32_t STYLE_MASK = r.STYLE_MASK
cdef uint32_t MAU_LOOPBACK = r.MAU_LOOPBACK

cdef Py_ssize_t MODE = r.MODE
cdef Py_ssize_t LADR = r.LADR
cdef Py_ssize_t PADR = r.PADR
cdef Py_ssize_t NEXT_RX = r.NEXT_RX
cdef Py_ssize_t CURRENT_RX = r.CURRENT_RX
cdef Py_ssize_t AFTER_NEXT_RX = r.AFTER_NEXT_RX
cdef Py_ssize_t CURRENT_TX = r.CURRENT_TX
cdef Py_ssize_t RX_STATUS = r.RX_STATUS
cdef Py_ssize_t TX_LENGTH = r.TX_LENGTH
cdef Py_ssize_t MISSED_FRAMES = r.MISSED_FRAMES
cdef Py_ssize_t MISCELLANEOUS = r.MISCELLANEOUS
cdef Py_ssize_t SOFTWARE_STYLE = r.SOFTWARE_STYLE


cdef inline bint is_halted(list csr) except -1:
    """Stopped or suspended."""
    return <uint32_t>csr[0] & STOP != 0 or <uint32_t>csr[5] & SUSPEND != 0


cdef inline int set_bits(list csr, Py_ssize_t number, uint32_t bits) except -1:
    csr[number] = <uint32_t>csr[number] | bits
    return 0


cdef inline int clear_bits(list csr, Py_ssize_t number, uint32_t bits) except -1:
    csr[number] = <uint32_t>csr[number] & ~bits
    return 0


def drives_interrupt(list csr not None):
    """Set CSR0's interrupt bit as the other bits say, and give whether the card drives its interrupt pin."""
    cdef uint32_t status = <uint32_t>csr[0] & ~INTERRUPT
    cdef uint32_t test = csr[4]
    cdef uint32_t extended = csr[5]
    cdef bint is_on = status & INTERRUPTS_ON != 0
    cdef bint level = False
    if (status & ~<uint32_t>csr[3] & CSR0_INTERRUPTS or test >> 1 & ~test & CSR4_MASKS
            or extended >> 1 & extended & CSR5_ENABLES):
        level = is_on
        status |= INTERRUPT
    if test & USER_INTERRUPT_COMMAND and is_on:
        csr[4] = test & ~USER_INTERRUPT_COMMAND | USER_INTERRUPT
        status |= INTERRUPT
        level = True
    if extended >> 1 & extended & CSR5_SYSTEM_ENABLES:
        status |= INTERRUPT
        level = True
    csr[0] = status
    return level


cdef class PcnetTraffic:
    """The receiver and the transmitter.

    Args:
        registers: of the card.
        rings: of the card.
        line: the card: whether its cable is plugged in, and the way out.
    """

    cdef object _registers
    cdef PcnetRings _rings
    cdef object _line
    cdef public bytearray buffer         # the last frame, and what longer ones before it left behind it
    cdef bint _is_sending
    cdef bint _is_loop                   # a frame of its own is received:
    cdef bint _loop_adds_fcs             # whether an FCS is to be added to it

    def __init__(self, registers, PcnetRings rings not None, line):
        self._registers = registers
        self._rings = rings
        self._line = line
        self.buffer = bytearray(BUFFER_MAX)

    cdef uint32_t _style(self) except? 0xFFFFFFFFU:
        return <uint32_t>(<list>self._registers.bcr)[SOFTWARE_STYLE] & STYLE_MASK

    def poll(self):
        """Look at both rings, and send what is there."""
        cdef list csr = self._registers.csr
        if <uint32_t>csr[0] & RECEIVER_ON:
            self._rings.poll_receive()
        self._poll_transmit(csr)

    cdef int _poll_transmit(self, list csr) except -1:
        if <uint32_t>csr[0] & TRANSMIT_DEMAND or (
                <uint32_t>csr[0] & TRANSMITTER_ON and not <uint32_t>csr[4] & DISABLE_POLLING
                and self._rings.poll_transmit()):
            self.transmit()
        return 0

    # --- reception ---------------------------------------------------------------------------
    def room(self):
        """How many frames the guest has given memory for, while the card looks at the ring by itself: else it does not
        see that the guest returns a descriptor, and one frame may come to be lost."""
        cdef list csr = self._registers.csr
        if is_halted(csr) or not <uint32_t>csr[0] & RECEIVER_ON or <uint32_t>csr[4] & DISABLE_POLLING:
            return 1
        return self._rings.owned_receive(RING_LOOKED_AT)

    def receive(self, bytes frame not None):
        """Take a frame, drop it where the card is off or its filter says so, count it as missed without room."""
        cdef list csr = self._registers.csr
        cdef uint32_t mode = csr[MODE]
        cdef bint looks
        cdef int match
        if mode & DISABLE_RECEIVER or is_halted(csr) or not frame or (mode & LOOPBACK and not self._is_loop):
            return
        if len(frame) < MINIMUM_SIZE:
            frame = padded(frame)
        match = self._match(csr, frame)
        looks = <uint32_t>csr[0] & RECEIVER_ON != 0
        if match >= 0:
            self._rings.poll_receive()
            if not <uint32_t>csr[RX_STATUS] & OWNED and self._rings.receive_base:
                self._rings.find_receive()
            if <uint32_t>csr[RX_STATUS] & OWNED:
                self._deliver(csr, frame, <uint32_t>match)
                looks = True
            else:
                set_bits(csr, 0, MISSED)
                csr[MISSED_FRAMES] = <uint32_t>csr[MISSED_FRAMES] + 1 & 0xFFFF
        if looks:
            self._rings.poll_receive()
        self._poll_transmit(csr)

    cdef int _match(self, list csr, bytes frame) except -2:
        """Which filter lets a frame in, as the status bit that says so (0: promiscuous mode); -1: none."""
        cdef uint32_t mode = csr[MODE]
        cdef const unsigned char *destination = frame
        cdef uint32_t bit, i
        cdef bint is_own = True
        if mode & PROMISCUOUS:
            return 0
        for i in range(3):
            is_own &= <uint32_t>csr[PADR + i] == (destination[2 * i] | destination[2 * i + 1] << 8)
        if is_own and not mode & NO_PHYSICAL:
            return <int>PHYSICAL
        if not mode & NO_BROADCAST and frame[:ADDRESS_SIZE] == BROADCAST:
            return <int>BROADCAST_MATCH
        if destination[0] & 1:
            bit = crc32_little(frame[:ADDRESS_SIZE]) >> 26
            if <uint32_t>csr[LADR + (bit >> 4)] >> (bit & 15) & 1:
                return <int>HASHED
        return -1

    cdef int _deliver(self, list csr, bytes frame, uint32_t match) except -1:
        """Put a frame with its FCS into up to three buffers."""
        cdef bint is_wrong = False
        cdef bytes data = self._with_fcs(csr, frame, &is_wrong)
        cdef bytes left
        cdef uint32_t current = pair(csr, CURRENT_RX)
        cdef uint32_t following
        cdef int used = 1
        cdef Py_ssize_t place
        cdef Descriptor entry = self._rings.load(self._rings.physical(csr, current), False)
        entry.status |= STARTS
        left = self._fill(csr, current, &entry, data)
        for place in (NEXT_RX, AFTER_NEXT_RX):
            following = pair(csr, place)
            if not left or not following:
                break
            entry = self._rings.load(self._rings.physical(csr, following), False)
            if not entry.status & OWNED:
                break
            current = following
            left = self._fill(csr, current, &entry, left)
            used += 1
        entry = self._rings.load(self._rings.physical(csr, current), False)
        if left:
            entry.status |= OVERFLOW | BUFFER_ERROR | FAILED
        else:
            entry.message = entry.message & ~COUNT_MASK | <uint32_t>len(data)
            entry.status = entry.status & ~(PHYSICAL | HASHED | BROADCAST_MATCH) | ENDS | match
            if is_wrong:
                entry.status |= CRC_WRONG | FAILED
        self._rings.store(self._rings.physical(csr, current), &entry, False)
        set_bits(csr, 0, RECEIVE_INTERRUPT)
        self._rings.advance_receive(used)
        return 0

    cdef bytes _fill(self, list csr, uint32_t address, Descriptor *entry, bytes data):
        """Put what fits into a descriptor's buffer and give it to the guest; gives what is left."""
        cdef uint32_t count = buffer_size(entry)
        cdef bytes left = b""
        if <uint32_t>len(data) > count:
            left = data[count:]
            data = data[:count]
        self._rings.write(self._rings.physical(csr, entry.buffer), data)
        entry.status &= ~OWNED
        self._rings.store(self._rings.physical(csr, address), entry, False)
        return left

    cdef bytes _with_fcs(self, list csr, bytes frame, bint *is_wrong):
        """A frame as it is stored, and whether its FCS is wrong. Off the cable frames come without one: zeros stand for
        it. A frame of the card itself has one if it was added; if not, what follows it in the buffer stands for it."""
        cdef bytearray buffer = self.buffer
        cdef Py_ssize_t size = len(frame)
        cdef bytes data, sequence
        if not self._is_loop:
            data = (frame if size <= BUFFER_MAX - FCS_SIZE else frame[: BUFFER_MAX - FCS_SIZE]) + NO_FCS_YET
            buffer[: len(data)] = data
            return data
        sequence = crc32_little(bytes(buffer[:size])).to_bytes(4, "big")
        if self._loop_adds_fcs or not <uint32_t>csr[MODE] & NO_FCS or size < MINIMUM_SIZE + FCS_SIZE:
            buffer[size : size + FCS_SIZE] = sequence
            return bytes(buffer[: size + FCS_SIZE])
        is_wrong[0] = bytes(buffer[size : size + FCS_SIZE]) != sequence
        return bytes(buffer[:size])

    # --- transmission ------------------------------------------------------------------------
    cpdef transmit(self):
        """Send what the transmit ring holds: each descriptor once at most."""
        cdef list csr = self._registers.csr
        if self._is_sending:
            return
        if not <uint32_t>csr[0] & TRANSMITTER_ON:
            clear_bits(csr, 0, TRANSMIT_DEMAND)
            return
        self._is_sending = True
        try:
            self._send_ring(csr)
        finally:
            self._is_sending = False

    cdef int _send_ring(self, list csr) except -1:
        cdef Py_ssize_t filled = -1                  # bytes of the frame so far; -1: outside of one
        cdef uint32_t started = 0
        cdef uint32_t place
        cdef bint adds_fcs = False
        cdef Descriptor entry
        cdef Py_ssize_t tried
        for tried in range(<Py_ssize_t>csr[TX_LENGTH]):
            if self._rings.poll_transmit():
                place = self._rings.physical(csr, pair(csr, CURRENT_TX))
                entry = self._rings.load(place, True)
                if entry.status & STARTS:
                    filled, started = 0, place
                    if self._style() != 1:
                        adds_fcs = entry.status & ADD_FCS != 0
                filled = self._send_buffer(csr, &entry, filled, adds_fcs)
                self._finish(csr, &entry)
            elif filled >= 0:
                entry = self._rings.load(started, True)
                entry.message |= MISC_BUFFER | MISC_UNDERFLOW
                entry.status = (entry.status | FAILED) & ~OWNED
                self._rings.store(started, &entry, True)
                set_bits(csr, 0, TRANSMIT_INTERRUPT)
                if not <uint32_t>csr[3] & DISABLE_TRANSMIT_STOP:
                    clear_bits(csr, 0, TRANSMITTER_ON)
                    return 0
            else:
                return 0
        return 0

    cdef Py_ssize_t _send_buffer(self, list csr, Descriptor *entry, Py_ssize_t filled, bint adds_fcs) except -2:
        """A descriptor's part of a frame, and at its end the frame; gives how much of the frame is there."""
        cdef uint32_t mode = csr[MODE]
        cdef Py_ssize_t end = filled + buffer_size(entry)
        cdef bint is_inside
        cdef bytes frame
        if not self._line.link_up:
            is_inside = mode & INTERNAL != 0 or <uint32_t>(<list>self._registers.bcr)[MISCELLANEOUS] & MAU_LOOPBACK != 0
            if not (mode & LOOPBACK and is_inside):
                entry.message |= MISC_NO_CARRIER
                entry.status |= FAILED
                set_bits(csr, 0, ERROR | COLLISION_ERROR)
                return -1
        if filled < 0 or end > BUFFER_MAX - FCS_SIZE:
            return -1
        self.buffer[filled:end] = self._rings.read(self._rings.physical(csr, entry.buffer), buffer_size(entry))
        if not entry.status & ENDS:
            return end
        frame = bytes(self.buffer[:end])
        if mode & LOOPBACK:
            if self._style() == 1:
                adds_fcs = not entry.status & ADD_FCS
            self._is_loop, self._loop_adds_fcs = True, adds_fcs
            self._line.loop_back(frame)
            self._is_loop = False
        else:
            self._line.send(frame)
        clear_bits(csr, 0, TRANSMIT_DEMAND)
        set_bits(csr, 4, TRANSMIT_START)
        return -1

    cdef int _finish(self, list csr, Descriptor *entry) except -1:
        """Give the current transmit descriptor back to the guest."""
        entry.status &= ~OWNED
        self._rings.store(self._rings.physical(csr, pair(csr, CURRENT_TX)), entry, True)
        if not <uint32_t>csr[5] & NO_TRANSMIT_OK_INTERRUPT or (
                <uint32_t>csr[5] & LAST_TRANSMIT_INTERRUPT and entry.status & LAST_INTERRUPT):
            set_bits(csr, 0, TRANSMIT_INTERRUPT)
        self._rings.advance_transmit()
        return 0
