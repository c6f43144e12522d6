# number_sets.pxi: NumberSet: a list of numbers that was read, in memory or in a mapped file, as policies share it.
#
# A file isn't trusted: a head whose sizes aren't those of the file is refused, and
# what stands in its tables can't lead a look-up outside them.

from cpython.buffer cimport PyBUF_SIMPLE

cdef extern from *:
    """
    #ifdef __SSE2__
    static inline void ea_wait(void) { _mm_lfence(); }
    #else
    static inline void ea_wait(void) { __asm__ volatile("" ::: "memory"); }
    #endif
    """
    void ea_wait() nogil        # for all that was begun


cdef class NumberSet:
    """An immutable set of E.164 numbers: singles, ranges and prefixes, each with an end if the list is ``dated``.

    ``text`` has one entry a line: ``+12125550100``, ``+12125000000..+12125099999``
    or ``+1646555*``, then perhaps a date (``2026-12-31``, to the end of that day) or
    a date and time; UTC unless it says otherwise. ``#`` starts a comment; blanks and
    the separators ``-.()`` mean nothing. Raises NumberListError with every bad line
    (at most twenty).
    """

    cdef NumberTable table
    cdef Py_buffer memory       # what the table is mapped from
    cdef readonly bint in_file  # False: it is memory of ours
    cdef uint64_t bytes_held

    def __cinit__(self, text=None, dated: bool = False):
        cdef NumberBuilder builder
        if text is None:
            return
        builder = NumberBuilder(dated)
        padded = bytearray(text) + bytes(SET_PAD)
        builder.feed(padded, len(text), True)
        builder.begin()
        builder.feed(padded, len(text), True)
        builder.finish()
        self.table = builder.table
        self.table.slot, self.table.ranges, self.table.ends = builder.slot, builder.ranges, builder.ends
        self.bytes_held = 64 * (self.table.buckets if self.table.single_count else 0) + 16 * self.table.range_count
        builder.slot = builder.ranges = builder.ends = NULL

    def __dealloc__(self):
        if self.in_file:
            PyBuffer_Release(&self.memory)
        else:
            free(<void *>self.table.slot)
            free(<void *>self.table.ranges)
            free(<void *>self.table.ends)

    @staticmethod
    def mapped(memory, source: bytes):
        """The set in a mapped file that was made from the text of that digest. ValueError when it isn't that, or damaged."""
        cdef NumberSet numbers = NumberSet.__new__(NumberSet)
        cdef SetHead *head
        cdef const uint8_t *base
        cdef uint64_t size, most, at
        PyObject_GetBuffer(memory, &numbers.memory, PyBUF_SIMPLE)
        numbers.in_file = True
        base = <const uint8_t *>numbers.memory.buf
        size = <uint64_t>numbers.memory.len
        if size < SET_HEAD + 64:
            raise ValueError("too short")
        head = <SetHead *>base
        if head.magic != SET_MAGIC:
            raise ValueError("another format")
        if len(source) != 32 or memcmp(head.source, <const char *>source, 32) != 0:
            raise ValueError("of another list")
        # Each is at most the whole file, so that the sum below can't overflow.
        most = size / 8
        if (head.size != size or head.buckets > most or head.lines > most or (head.buckets == 0) == (head.lines == 0)
                or head.ranges > most or head.ends > SET_ENDS or head.line_ends not in (0, head.lines)
                or (head.lines and not 0 < head.key_bits <= SET_KEY_BITS)
                or size != SET_HEAD + head.buckets * 64 + head.lines * 64 + head.line_ends * 32 + head.ranges * 16 + head.ends * 8
                or head.singles > head.buckets * SET_SLOTS + head.lines * LINE_SLOTS
                or head.longest >= head.buckets + head.lines):
            raise ValueError("sizes that don't fit")
        at = SET_HEAD
        if head.lines:
            numbers.table.line = <const uint32_t *>(base + at)
            at += head.lines * 64
            if head.line_ends:
                numbers.table.line_ends = <const uint16_t *>(base + at)
            at += head.line_ends * 32
        else:
            numbers.table.slot = <const uint64_t *>(base + at)
            at += head.buckets * 64
        numbers.table.ranges = <const uint64_t *>(base + at)
        numbers.table.ends = <const uint64_t *>(base + at + head.ranges * 16)
        numbers.table.lines, numbers.table.key_bits = head.lines, <uint32_t>head.key_bits
        numbers.table.buckets, numbers.table.longest = head.buckets, head.longest
        numbers.table.single_count, numbers.table.range_count = head.singles, head.ranges
        numbers.table.end_count = head.ends
        numbers.bytes_held = size
        return numbers

    def __len__(self):
        """Numbers covered; one in a range and alone counts twice."""
        cdef uint64_t i, count = self.table.single_count
        for i in range(self.table.range_count):
            count += self.table.ranges[2 * i + 1] - (self.table.ranges[2 * i] & KEY_MASK) + 1
        return count

    def __contains__(self, digits: str) -> bool:
        """Is the E.164 number (digits, no '+') in the set, whether its entry has ended or not?"""
        return self.has(digits, 0)

    def has(self, digits: str, wall_ns: int) -> bool:
        """Is it in the set at that wall time?"""
        if not digits.isascii() or not digits.isdigit() or len(digits) > 15:
            return False
        return set_has(&self.table, number_pack(int(digits), len(digits)), wall_ns)

    def count(self, numbers: bytes, wall_ns: int = 0, apart: bool = False, ahead: int = 0) -> int:
        """How many of these are in the set: packed numbers, eight bytes each as this machine has them.

        ``apart``: each look-up waits for the one before, as calls that come one by one do. ``ahead``: what so many of them
        read first is fetched before the first is asked, as the engine does for a group of messages.
        """
        cdef const uint8_t *p = <const uint8_t *>numbers
        cdef uint64_t i, k, n = len(numbers) // 8, now = wall_ns, found = 0, group = ahead
        cdef bint wait = apart
        with nogil:
            for i in range(n):
                if group and i % group == 0:
                    for k in range(i, min(i + group, n)):
                        set_prefetch(&self.table, ea_load64(p + 8 * k))
                if wait:
                    ea_wait()
                found += set_has(&self.table, ea_load64(p + 8 * i), now)
        return found

    @property
    def single_count(self) -> int:
        """How many numbers are listed one by one."""
        return self.table.single_count

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.bytes_held

    def ranges(self):
        """The ranges as packed (low, high) pairs, sorted and disjoint."""
        cdef uint64_t i
        return [(number_of_key(self.table.ranges[2 * i]), number_of_key(self.table.ranges[2 * i + 1]))
                for i in range(self.table.range_count)]

    def singles(self):
        """The single numbers, packed, in no order."""
        cdef uint64_t i
        if self.table.single_count == 0:
            return []
        return [number_of_key(key) for i in range(table_places(&self.table)) if (key := table_key(&self.table, i))]

    def overlaps(self, NumberSet other) -> str | None:
        """A number (digits) that both hold, or None."""
        cdef NumberTable *few = &self.table
        cdef NumberTable *many = &other.table
        cdef uint64_t key
        if few.single_count > many.single_count:
            few, many = many, few
        with nogil:
            key = tables_share(few, many)
        return number_text(number_of_key(key)) if key else None


# Places of a table where single numbers may stand, and the key in one of them; 0: none.
cdef inline uint64_t table_places(const NumberTable *t) noexcept nogil:
    return t.lines * LINE_WORDS if t.lines else t.buckets * SET_SLOTS


cdef inline uint64_t table_key(const NumberTable *t, uint64_t i) noexcept nogil:
    return line_key(t, i / LINE_WORDS, <uint32_t>(i % LINE_WORDS)) if t.lines else t.slot[i] & KEY_MASK


# The key of a number that both tables hold, or 0.
cdef uint64_t tables_share(const NumberTable *few, const NumberTable *many) noexcept nogil:
    cdef uint64_t i = 0, k = 0, low, key
    if few.single_count:
        for i in range(table_places(few)):
            key = table_key(few, i)
            if key and (set_lists(many, key) or set_has_range(many, key, 0)):
                return key
    # Both lists of ranges are sorted: one walk along the two.
    i = 0
    while i < few.range_count and k < many.range_count:
        low = max(few.ranges[2 * i] & KEY_MASK, many.ranges[2 * k] & KEY_MASK)
        if low <= min(few.ranges[2 * i + 1], many.ranges[2 * k + 1]):
            return low
        if few.ranges[2 * i + 1] < many.ranges[2 * k + 1]:
            i += 1
        else:
            k += 1
    if few.range_count and many.single_count:
        for i in range(table_places(many)):
            key = table_key(many, i)
            if key and set_has_range(few, key, 0):
                return key
    return 0


def number_text(number: int) -> str:
    """The digits of a packed number."""
    return f"{number & ((1 << 54) - 1):0{number >> 54 & 31}d}"
