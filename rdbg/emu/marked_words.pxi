# Which words of some pages are stored to, while somebody wants to know: these pages are watched meanwhile, so each store to
# them comes by. What is marked may be too much, never too little.

cdef inline void mark_page_words(Cpu *c, uint32_t slot, uint32_t first, uint32_t last) noexcept nogil:
    """Mark the words of bytes of one page.

    Args:
        slot: of the page, plus one; 0: it is none of those.
        first, last: bytes; their pages' numbers do not count. What lies beyond the page's end is not there.
    """
    cdef uint32_t word = (first & (PAGE_BYTES - 1)) >> 2
    cdef uint32_t end = word + (((first & 3) + (last - first)) >> 2)
    if slot:
        for word in range(word, min(end, (PAGE_BYTES >> 2) - 1) + 1):
            c.marking.words[<size_t>(slot - 1) * WORDS_BITS + (word >> 6)] |= <uint64_t>1 << (word & 63)


cdef inline void mark_store(Cpu *c, uint32_t va, Place place, unsigned size) noexcept nogil:
    """The CPU stores to ``va``, or may."""
    mark_page_words(c, c.marking.slot_of_virtual[va >> PAGE_BITS], va, va + size - 1)
    if place.space == SPACE_MEMORY:
        mark_page_words(c, c.marking.slot_of_memory[place.address >> PAGE_BITS], place.address, place.address + size - 1)


cdef void end_marking(Cpu *c) noexcept:
    free(c.marking.slot_of_virtual)
    free(c.marking.slot_of_memory)
    free(c.marking.pages)
    free(c.marking.words)
    memset(&c.marking, 0, sizeof(Marking))


cdef begin_marking(Cpu *c, virtual_pages, memory_pages):
    """See CoreMemory.mark_words."""
    cdef Marking *marking = &c.marking
    cdef uint32_t slot = 0
    cdef uint32_t page
    end_marking(c)
    pages = [*virtual_pages, *memory_pages]
    if not pages:
        return
    if any(page >= c.memory.page_count for page in memory_pages) or any(page >> 20 for page in virtual_pages):
        raise IndexError("a page that is not there")
    marking.slot_of_virtual = <uint32_t*>calloc(1 << 20, sizeof(uint32_t))
    marking.slot_of_memory = <uint32_t*>calloc(c.memory.page_count, sizeof(uint32_t))
    marking.pages = <uint32_t*>calloc(len(pages), sizeof(uint32_t))
    marking.words = <uint64_t*>calloc(len(pages) * WORDS_BITS, sizeof(uint64_t))
    if marking.slot_of_virtual == NULL or marking.slot_of_memory == NULL or marking.pages == NULL or marking.words == NULL:
        end_marking(c)
        raise MemoryError
    marking.virtual_count = <uint32_t>len(virtual_pages)
    marking.count = <uint32_t>len(pages)
    for slot in range(marking.count):
        page = pages[slot]
        marking.pages[slot] = page
        if slot < marking.virtual_count:
            marking.slot_of_virtual[page] = slot + 1
        else:
            marking.slot_of_memory[page] = slot + 1
    marking.on = True


cdef take_marked(Cpu *c):
    """See CoreMemory.take_marked_words."""
    cdef Marking *marking = &c.marking
    if not marking.on:
        return numpy.zeros(0, numpy.uint32), numpy.zeros(0, numpy.uint32)
    rows = numpy.empty((marking.count, WORDS_BITS), numpy.uint64)
    cdef uint64_t[:, ::1] view = rows
    memcpy(&view[0, 0], marking.words, <size_t>8 * WORDS_BITS * marking.count)
    memset(marking.words, 0, <size_t>8 * WORDS_BITS * marking.count)
    cdef uint32_t[::1] pages = numpy.empty(marking.count, numpy.uint32)
    memcpy(&pages[0], marking.pages, 4 * <size_t>marking.count)
    # Bit n of a little-endian number is bit n of its bytes in order.
    slots, words = numpy.nonzero(numpy.unpackbits(
        rows.astype("<u8").view(numpy.uint8).reshape(marking.count, -1), axis=1, bitorder="little"))
    numbers = (numpy.asarray(pages)[slots] << numpy.uint32(PAGE_BITS - 2)) + words.astype(numpy.uint32)
    is_virtual = slots < marking.virtual_count
    return numpy.sort(numbers[is_virtual]), numpy.sort(numbers[~is_virtual])
