# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Rows of instructions that the core has noted, as text."""

from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

from rdbg.emu.cpu_constants cimport REGISTERS
from rdbg.emu.noting cimport InstructionRow

cdef enum:
    MOST_NAME = 32               # bytes of a register's name
    MOST_ROW = 256 + REGISTERS * (MOST_NAME + 16)

cdef extern from * nogil:
    int lowest_bit "__builtin_ctzll"(uint64_t)
    int count_bits "__builtin_popcountll"(uint64_t)

cdef const char *DIGITS = b"0123456789abcdef"


cdef struct Name:
    uint32_t length
    char text[MOST_NAME]


cdef inline char *put_text(char *out, const char *text, size_t length) noexcept nogil:
    memcpy(out, text, length)
    return out + length


cdef inline char *put_hex(char *out, uint32_t value) noexcept nogil:
    cdef int shift = 0
    while shift < 28 and value >> (shift + 4):
        shift += 4
    while shift >= 0:
        out[0] = DIGITS[(value >> shift) & 15]
        out += 1
        shift -= 4
    return out


cdef inline char *put_decimal(char *out, uint64_t value) noexcept nogil:
    cdef char digits[20]
    cdef int n = 20
    while True:
        n -= 1
        digits[n] = <char>(48 + value % 10)
        value //= 10
        if value == 0:
            break
    return put_text(out, digits + n, 20 - n)


cdef inline char *put_bytes(char *out, const uint8_t *data, uint32_t size) noexcept nogil:
    cdef uint32_t i
    for i in range(size):
        out[0] = DIGITS[data[i] >> 4]
        out[1] = DIGITS[data[i] & 15]
        out += 2
    return out


cdef char *put_tenet(char *out, const InstructionRow *row, const uint32_t *values, const Name *names) noexcept nogil:
    """register=value,...,pc=value and mr/mw=address:bytes."""
    cdef uint64_t changed = row.changed
    cdef const Name *name
    while changed:
        name = &names[lowest_bit(changed)]
        out = put_text(out, name.text, name.length)
        out = put_text(out, b"=0x", 3)
        out = put_hex(out, values[0])
        out = put_text(out, b",", 1)
        values += 1
        changed &= changed - 1
    out = put_text(out, b"pc=0x", 5)
    out = put_hex(out, row.pc)
    if row.size:
        out = put_text(out, b",mw=0x" if row.store else b",mr=0x", 6)
        out = put_hex(out, row.address)
        out = put_text(out, b":", 1)
        out = put_bytes(out, row.data, row.size)
    return put_text(out, b"\n", 1)


cdef char *put_json(char *out, const InstructionRow *row, const uint32_t *values, const Name *names) noexcept nogil:
    cdef uint64_t changed = row.changed
    cdef const Name *name
    out = put_text(out, b'{"icount": ', 11)
    out = put_decimal(out, row.icount)
    out = put_text(out, b', "pc": ', 8)
    out = put_decimal(out, row.pc)
    out = put_text(out, b', "registers": {', 16)
    while changed:
        name = &names[lowest_bit(changed)]
        out = put_text(out, b'"', 1)
        out = put_text(out, name.text, name.length)
        out = put_text(out, b'": ', 3)
        out = put_decimal(out, values[0])
        values += 1
        changed &= changed - 1
        if changed:
            out = put_text(out, b", ", 2)
    out = put_text(out, b'}, "accesses": [', 16)
    if row.size:
        if row.store:
            out = put_text(out, b'{"access": "write", "address": ', 31)
        else:
            out = put_text(out, b'{"access": "read", "address": ', 30)
        out = put_decimal(out, row.address)
        out = put_text(out, b', "data": "', 11)
        out = put_bytes(out, row.data, row.size)
        out = put_text(out, b'"}', 2)
    return put_text(out, b"]}\n", 3)


def instruction_text(const uint8_t[::1] rows, const uint8_t[::1] values, names, bint json):
    """Lines of text, a row in each.

    Args:
        rows, values: as `MachineApi.take_instructions` gives them.
        names: of each register, by the debugger's number.
        json: a JSON object in each line; else Tenet's text.

    Raises:
        ValueError: a name is too long.
    """
    cdef Name known[REGISTERS]
    cdef size_t count = rows.shape[0] // sizeof(InstructionRow)
    cdef const InstructionRow *row = NULL
    cdef const uint32_t *value = NULL
    cdef size_t room = 128 * count + MOST_ROW
    cdef size_t i
    cdef size_t used
    cdef char *start
    cdef char *wider
    cdef char *out
    cdef bytes text
    if count == 0:
        return b""
    for number in range(REGISTERS):
        text = names.get(number, "").encode()
        if len(text) > MOST_NAME:
            raise ValueError(f"the name of register {number} is longer than {MOST_NAME} bytes")
        known[number].length = <uint32_t>len(text)
        memcpy(known[number].text, PyBytes_AsString(text), len(text))
    row = <const InstructionRow*>&rows[0]
    if values.shape[0]:
        value = <const uint32_t*>&values[0]
    start = <char*>malloc(room)
    if start == NULL:
        raise MemoryError
    out = start
    for i in range(count):
        used = out - start
        if room - used < MOST_ROW:
            room *= 2
            wider = <char*>realloc(start, room)
            if wider == NULL:
                free(start)
                raise MemoryError
            start = wider
            out = start + used
        out = put_json(out, row, value, known) if json else put_tenet(out, row, value, known)
        value += count_bits(row.changed)
        row += 1
    try:
        return PyBytes_FromStringAndSize(start, out - start)
    finally:
        free(start)
