# Records of a CPU's state: packed and unpacked by a table that cpu_record.py's description gives.

cdef enum:
    MOST_RECORD_FIELDS = 2048


cdef struct SavedField:
    uint32_t offset              # bytes from the record's start
    uint32_t member              # bytes from the start of a Saved
    uint32_t size                # bytes
    uint64_t bits                # those that can be set
    uint64_t most                # the largest value


cdef SavedField SAVED_FIELDS[MOST_RECORD_FIELDS]
cdef uint32_t saved_field_count = 0
RECORD_FIELDS = list(record_fields())[1:]        # behind the version
cdef uint32_t RECORD_VERSION = VERSION
cdef Py_ssize_t RECORD_BYTES = CPU_RECORD.sizeof()


cdef list member_sizes(value, str name):
    """(name, bytes) of each number in a struct, as `record_fields` names them: the struct's bits are all set, so that a
    number's width shows in its value."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        return [(name, value.bit_length() // 8)]
    return [row for part, inner in parts for row in member_sizes(inner, f"{name}.{part}" if name else str(part))]


cdef dict find_members(value, str name, size_t at, size_t size):
    """name -> (offset, bytes) of each number in a struct that stands at ``at`` and has ``size`` bytes: each number is at a
    multiple of its own size."""
    members = {}
    end = at + size
    for part, width in member_sizes(value, name):
        at = (at + width - 1) & ~<size_t>(width - 1)
        members[part] = (at, width)
        at += width
    if (at + 7) & ~<size_t>7 != end:
        raise ImportError(f"rdbg.emu.core has other gaps between the members of its {name} than C compilers leave")
    return members


cdef bind_record():
    """Find where struct Saved keeps each field of the description, and that it has no other."""
    global saved_field_count
    cdef Saved ones
    cdef size_t registers = <size_t>(<uint8_t*>&ones.registers - <uint8_t*>&ones)
    memset(&ones, 0xFF, sizeof(Saved))
    members = find_members(ones.guest, "guest", 0, sizeof(Guest))
    members.update(find_members(ones.registers, "registers", registers, sizeof(Registers)))
    described = {field.name: field.size for field in RECORD_FIELDS}
    if {name: size for name, (_, size) in members.items()} != described or len(described) > MOST_RECORD_FIELDS:
        raise ImportError("rdbg.emu.core was built for other CPU records than rdbg.emu.cpu_record describes: build it again")
    for field in RECORD_FIELDS:
        SAVED_FIELDS[saved_field_count] = SavedField(
            field.offset, members[field.name][0], field.size, field.bits, field.most)
        saved_field_count += 1


bind_record()


cdef bytes pack_saved(const Saved *saved):
    """The record of a state."""
    cdef bytes record = PyBytes_FromStringAndSize(NULL, RECORD_BYTES)
    cdef uint8_t *raw = record
    cdef const uint8_t *members = <const uint8_t*>saved
    cdef const SavedField *field
    cdef uint32_t i, word
    cdef uint64_t wide
    word = htole32(RECORD_VERSION)
    memcpy(raw, &word, 4)
    for i in range(saved_field_count):
        field = &SAVED_FIELDS[i]
        if field.size == 4:
            word = htole32((<const uint32_t*>(members + field.member))[0])
            memcpy(raw + field.offset, &word, 4)
        else:
            wide = htole64((<const uint64_t*>(members + field.member))[0])
            memcpy(raw + field.offset, &wide, 8)
    return record


cdef unpack_saved(bytes record, Saved *saved):
    """The state of a record; returns what is wrong with that, in words, or None."""
    cdef const uint8_t *raw = record
    cdef uint8_t *members = <uint8_t*>saved
    cdef const SavedField *field
    cdef uint32_t word = 0
    cdef uint64_t value = 0
    cdef uint32_t i
    if len(record) >= 4:
        memcpy(&word, raw, 4)
    if len(record) != RECORD_BYTES or le32toh(word) != RECORD_VERSION:
        return (f"has version {le32toh(word)} and {len(record)} bytes, and this rdbg reads version {RECORD_VERSION} of "
                f"{RECORD_BYTES} bytes: it was made by another version of rdbg; record again")
    memset(saved, 0, sizeof(Saved))
    for i in range(saved_field_count):
        field = &SAVED_FIELDS[i]
        if field.size == 4:
            memcpy(&word, raw + field.offset, 4)
            value = le32toh(word)
            (<uint32_t*>(members + field.member))[0] = <uint32_t>value
        else:
            memcpy(&value, raw + field.offset, 8)
            value = le64toh(value)
            (<uint64_t*>(members + field.member))[0] = value
        if value & ~field.bits or value > field.most:
            return damaged_part(RECORD_FIELDS[i].name, value)
    return None


cdef damaged_part(str name, uint64_t value):
    return f"is damaged: its {name} cannot be {value:#x}; delete it, or take a good copy of the recording"


cdef impossible_part(const Cpu *c, uint64_t icount, const Saved *saved):
    """What of a state this CPU cannot have, though each field by itself could be; None: all can be. Whatever else stands
    there is 32 bits of a register that any guest may have written, and the code that uses it masks it."""
    cdef const Guest *guest = &saved.guest
    cdef uint64_t now
    cdef uint32_t i
    # Virtual time stays below 2^62 ns, so that no sum of two times overflows.
    if icount >> (62 - c.machine.shift):
        return damaged_part("icount", icount)
    if guest.tlb_count < c.machine.model.tlb_entries:
        return damaged_part("guest.tlb_count", guest.tlb_count)
    if guest.cp0.wired >= c.machine.model.tlb_entries:
        return damaged_part("guest.cp0.wired", guest.cp0.wired)
    if not is_page_mask(guest.cp0.pagemask):
        return damaged_part("guest.cp0.pagemask", guest.cp0.pagemask)
    for i in range(TLB_SLOTS):
        if not is_page_mask(guest.tlb[i].mask):
            return damaged_part(f"guest.tlb.{i}.mask", guest.tlb[i].mask)
        if i >= guest.tlb_count and (guest.tlb[i].vpn2 or guest.tlb[i].mask or guest.tlb[i].asid or guest.tlb[i].is_global
                                     or guest.tlb[i].lo0 or guest.tlb[i].lo1):
            return damaged_part("guest.tlb_count", guest.tlb_count)
    if saved.registers.gpr[0]:
        return damaged_part("registers.gpr.0", saved.registers.gpr[0])
    if not guest.cp0.cause & CAUSE_DC:
        # Each match that was missed takes a turn of a loop.
        now = (icount << c.machine.shift) + guest.bias_ns
        if guest.compare_ns > now + 2 * count_round_ns(c) or guest.compare_ns + 16 * count_round_ns(c) < now:
            return damaged_part("guest.compare_ns", guest.compare_ns)
    return None
