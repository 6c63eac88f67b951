# What Python calls: the machine's memory.

cdef class CoreMemory:
    """The memory of a core's machine, what was touched of it, and who else than the CPU accesses it: `Core.memory`."""

    cdef Core core
    cdef Cpu *c

    def __cinit__(self, Core core not None):
        self.core = core
        self.c = core.c

    def take_touched(self):
        """(written pages, virtual pages written, read, executed) since the last call: sorted numpy arrays; then the
        blocks executed, or None if they were too many; then guest-physical pages of devices that stores may have gone
        to."""
        return take_touched(self.c)

    def take_stale(self):
        """Pages written since the last call, for the digest: a sorted numpy array."""
        return take_stale(self.c)

    def mark_written(self, uint32_t page):
        """A device or the debugger is about to change a page: its translated code goes."""
        if page >= self.c.memory.page_count:
            raise IndexError(f"page {page} of a machine with {self.c.memory.page_count}")
        change_code(self.c, page)

    def mark_virtual(self, uint32_t address):
        """Something else than a store of the CPU writes by a virtual address."""
        cdef Cpu *c = self.c
        if not bit_test_and_set(c.touched.seen_written, address >> PAGE_BITS):
            list_add(&c.touched.written_virtual, address >> PAGE_BITS)

    def mark_words(self, virtual_pages, memory_pages):
        """From now on mark the words of these pages that are stored to; of none: mark no more.

        Args:
            virtual_pages: numbers of virtual pages, whose words count by virtual address.
            memory_pages: numbers of the machine's pages.
        """
        begin_marking(self.c, virtual_pages, memory_pages)

    def mark_change(self, uint32_t first, uint32_t last, through=None):
        """Something else than a store of the CPU writes these bytes of the machine's pages: `MemoryWrites.write`."""
        cdef Cpu *c = self.c
        cdef uint32_t page, va
        if c.marking.on:
            for page in range(first >> PAGE_BITS, min(last >> PAGE_BITS, c.memory.page_count - 1) + 1):
                mark_page_words(c, c.marking.slot_of_memory[page], max(first, page << PAGE_BITS),
                                min(last, (page << PAGE_BITS) | (PAGE_BYTES - 1)))
            if through is not None:
                va = <uint32_t>through
                mark_page_words(c, c.marking.slot_of_virtual[va >> PAGE_BITS], va, va + (last - first))

    def take_marked_words(self):
        """Words that were marked since the last call, ascending: virtual addresses, then bytes of the machine's pages, both
        divided by 4."""
        return take_marked(self.c)

    def read_pages(self, pages):
        """Bytes of pages, one after another."""
        return read_pages(self.c, pages)

    def write_pages(self, pages, data):
        """Put pages back: not a guest's write."""
        write_pages(self.c, pages, data)

    def copy_pages(self, pages, uint8_t[:, ::1] out, rows):
        """Copy each page to a row of ``out``."""
        copy_pages(self.c, pages, out, rows)

    def put_pages(self, pages, const uint8_t[:, ::1] source, rows):
        """Put each page back from a row of ``source``: not a guest's write."""
        put_pages(self.c, pages, source, rows)

    def nonzero_pages(self, uint32_t count):
        """The first ``count`` pages that hold anything but zeros: a sorted numpy array."""
        return nonzero_pages(self.c, count)

    def note_other(self, uint32_t first, uint32_t last, bint reads):
        """Bytes of the machine's pages are about to be changed, or have been read, by something else than an instruction:
        tell watches that are for that.

        Args:
            first, last: bytes of the machine's pages.
            reads: a device has read them; else they change.

        Returns:
            (index of the watch, first address in what it watches, that byte of the machine's pages), or None.
        """
        cdef uint32_t at = 0
        cdef uint32_t low = 0
        cdef int i = note_other(self.c, first, last, ACCESS_DEVICE_READ if reads else ACCESS_CHANGE, &at, &low)
        return None if i < 0 else (i, at, low)

    def mark_behind(self, uint32_t first, uint32_t last, bint store):
        """Something else than an instruction accesses bytes of a backing page: searches by virtual addresses have to know.

        Args:
            first, last: bytes of the machine's pages, on one page.
            store: whether it writes.

        Returns:
            The virtual pages that show it now.
        """
        return pages_behind(self.c, first, last, store)

    def show_backings(self, regions):
        """Say at which guest-physical pages memory may be seen.

        Args:
            regions: of each (first backing page, pages, first guest-physical page).
        """
        show_backings(self.c, regions)

    def dma_read(self, address, size_t size):
        """Bytes of memory for a device, by guest-physical address; None: they are not plain memory, or somebody has to
        be told of the access."""
        return dma_read(self.c, address, size) if 0 <= address <= 0xFFFFFFFF else None

    def dma_write(self, address, data):
        """Write a device's bytes to memory; False, and nothing is written: as for `dma_read`."""
        return dma_write(self.c, address, data) if 0 <= address <= 0xFFFFFFFF else False

    def dma_table(self, uint32_t address, uint32_t most, uint32_t last):
        """A table in memory that a device reads, as entries of 8 bytes: up to the first one in whose second word, in
        the order of little-endian bytes, a bit of ``last`` is set, ``most`` of them; None: as for `dma_read`."""
        return dma_table(self.c, address, most, last)

    def dma_write_pieces(self, list pieces, const uint8_t[::1] data):
        """Write a device's bytes to several places in turn: (address, bytes) of each. False, and nothing is written: as
        for `dma_read`."""
        return dma_write_pieces(self.c, pieces, data)
