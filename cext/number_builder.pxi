# number_builder.pxi: the text of a list of numbers to a table, laid out flat; ops/numbers.pxi says how it is asked.
#
# A list is read twice: once to find what is wrong and to count, once to fill memory
# of just that size. So a long list costs its table and nothing besides. The table
# is memory of the process, or a file that numbering/compiler.py has mapped:
#
#     head        SET_HEAD bytes; sizes only, every offset follows from them
#     buckets     64 bytes each; or
#     lines       64 bytes each, and where single numbers have ends 32 bytes each of these (ops/lines.pxi)
#     ranges      16 bytes each
#     ends        8 bytes each, wall ns
#
# Nothing here opens a file; number_sets.pxi reads what this wrote.

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING

cdef extern from "stdlib.h" nogil:
    void *aligned_alloc(size_t, size_t)

cdef enum:
    SET_HEAD = 192
    SET_PAD = 64            # bytes behind a text that may be read
    SET_WAITING = 32        # numbers whose bucket is being fetched
    SET_LONGEST = 4096      # bytes of a line

cdef uint64_t SET_MAGIC = 0x0231534d554e4145ULL     # "EANUMS1", 2; another layout gets another number
SET_FORMAT = 2
"""Number of the layout of a compiled list; part of the name that its file gets."""

cdef struct SetHead:
    uint64_t magic
    uint8_t digest[32]      # BLAKE2b of all from `source` on, kept by numbering/compiler.py
    uint8_t spare[24]
    uint8_t source[32]      # BLAKE2b of the text that it was made from
    uint64_t size           # of the file
    uint64_t buckets, longest, singles, ranges, ends
    uint64_t lines, key_bits, line_ends
    uint64_t rest[3]

# One written number in [i, end): '+', digits and separators, nothing else. 0 on a fault.
cdef uint64_t number_entry(const uint8_t *p, uint64_t i, uint64_t end) noexcept nogil:
    cdef uint64_t value = 0
    cdef uint32_t digits = 0
    while i < end and p[i] in b" \t-.()":
        i += 1
    if i < end and p[i] == b'+':
        i += 1
    else:
        return 0
    while i < end:
        if 48 <= p[i] <= 57:
            value = value * 10 + (p[i] - 48)
            digits += 1
            if digits > 15 or (digits == 1 and p[i] == b'0'):
                return 0
        elif p[i] not in b" \t-.()":
            return 0
        i += 1
    return number_pack(value, digits) if digits else 0


cdef uint64_t number_of_key(uint64_t key) noexcept nogil:
    cdef uint32_t digits = 0
    key &= KEY_MASK
    while digits < 15 and key >= POW10[digits + 1]:
        digits += 1
    return number_pack(key - POW10[digits], digits)


# Where a date stands behind an entry: at the blank before it; else `end`.
cdef uint64_t entry_end(const uint8_t *p, uint64_t i, uint64_t end) noexcept nogil:
    cdef uint64_t k
    while i + 10 < end:
        if p[i] == b' ' or p[i] == b'\t':
            k = i + 1
            if (parse_digits(p, k, k + 4) == k + 4 and p[k + 4] == b'-' and parse_digits(p, k + 5, k + 7) == k + 7
                    and p[k + 7] == b'-' and parse_digits(p, k + 8, k + 10) == k + 10
                    and (k + 10 == end or p[k + 10] in b" \tT")):
                return i
        i += 1
    return end


class NumberListError(ValueError):
    """A number list with bad lines. ``errors``: (line number from 1, what is wrong), the first twenty."""

    def __init__(self, errors):
        super().__init__(f"{len(errors)} bad line(s)")
        self.errors = errors


cdef class NumberBuilder:
    """Reads the text of a number list, twice, into a table: feed it all, ``begin``, feed it all again, ``finish``."""

    cdef NumberTable table
    cdef uint64_t *slot
    cdef uint32_t *words
    cdef uint16_t *line_ends
    cdef uint64_t key_most      # of single numbers: all bits that any of them has
    cdef uint64_t reach         # how many lines a number may go on
    cdef bint ended             # some single number has an end
    cdef readonly bint crowded  # a number found no line in reach
    cdef public bint plain      # buckets, however long the list
    cdef uint64_t *ranges
    cdef uint64_t *ends
    cdef Py_buffer memory       # where the table goes, when it isn't our own
    cdef bint mapped, dated, filling, changed
    cdef uint64_t line, single_room, range_room
    cdef uint64_t waiting[SET_WAITING]
    cdef uint64_t taken
    cdef uint64_t until[SET_ENDS]
    cdef uint64_t end_count
    cdef uint64_t last_index
    cdef bytes last_end
    cdef dict index_of
    cdef list errors

    def __cinit__(self, dated: bool = False):
        self.dated = dated
        self.errors = []
        self.index_of = {}
        self.last_end = b""
        self.end_count = 1
        self.until[0] = ~<uint64_t>0

    def __dealloc__(self):
        if self.mapped:
            PyBuffer_Release(&self.memory)
        else:
            free(self.slot)
        free(self.ranges)
        free(self.ends)

    def feed(self, bytearray text, n: int, last: bool) -> int:
        """Reads the whole lines in the first ``n`` bytes, and returns how many bytes they are; ``last``: all of them."""
        cdef const uint8_t *p = <const uint8_t *>PyByteArray_AS_STRING(text)
        cdef const uint8_t *stop
        cdef uint64_t i = 0, size = n, end
        if size + SET_PAD > <uint64_t>len(text):
            raise ValueError("no room behind the text")
        while True:
            with nogil:
                i = self.plain_lines(p, i, size)
            stop = <const uint8_t *>memchr(p + i, b'\n', size - i) if i < size else NULL
            if i == size or (stop == NULL and not last and size - i <= SET_LONGEST):
                break
            end = <uint64_t>(stop - p) if stop != NULL else size
            self.line += 1
            if end - i > SET_LONGEST:
                self.errors.append((self.line, f"longer than {SET_LONGEST} bytes"))
                raise NumberListError(self.errors)
            self.entry(p, i, end)
            if len(self.errors) == LIST_ERRORS:
                raise NumberListError(self.errors)
            i = min(end + 1, size)
        if last and self.errors:
            raise NumberListError(self.errors)
        return i

    # Lines that hold "+" and up to 15 digits: all of a long list. Up to one that is another, or has no end yet.
    cdef uint64_t plain_lines(self, const uint8_t *p, uint64_t i, uint64_t n) noexcept nogil:
        cdef const uint8_t *stop
        cdef uint64_t digits
        cdef int64_t value
        while i < n:
            stop = <const uint8_t *>memchr(p + i, b'\n', n - i)
            if stop == NULL or stop == p + i or p[i] != b'+':
                break
            digits = <uint64_t>(stop - p) - i - 1
            if digits and stop[-1] == b'\r':
                digits -= 1
            if digits == 0 or digits > 15 or p[i + 1] == b'0':
                break
            value = ea_digits(p + i + 1, digits)
            if value < 0:
                break
            self.line += 1
            self.add_single(<uint64_t>value + POW10[digits])
            i = <uint64_t>(stop - p) + 1
        return i

    # Any line.
    cdef entry(self, const uint8_t *p, uint64_t i, uint64_t end):
        cdef const uint8_t *stop = <const uint8_t *>memchr(p + i, b'#', end - i)
        cdef uint64_t dots, low, high, scale, index = 0
        cdef uint32_t digits
        if stop != NULL:
            end = <uint64_t>(stop - p)
        while end > i and p[end - 1] in b" \t\r":
            end -= 1
        while i < end and p[i] in b" \t":
            i += 1
        if i == end:
            return
        dots = entry_end(p, i, end)
        if dots != end:
            index = self.end_index((<const char *>p)[dots + 1:end])
            end = dots
            while end > i and p[end - 1] in b" \t":
                end -= 1
        dots = i
        while dots + 1 < end and not (p[dots] == b'.' and p[dots + 1] == b'.'):
            dots += 1
        if dots + 1 < end:
            low = number_entry(p, i, dots)
            high = number_entry(p, dots + 2, end)
            if low == 0 or high == 0:
                self.wrong("a range is written +LOW..+HIGH, both E.164")
            elif number_len(low) != number_len(high):
                self.wrong("both ends of a range need the same number of digits")
            elif low > high:
                self.wrong("the range ends before it starts")
            else:
                self.add_range(set_key(low), set_key(high), index)
        elif end > i and p[end - 1] == b'*':
            low = number_entry(p, i, end - 1)
            if low == 0:
                self.wrong("a prefix is written +DIGITS*")
            else:
                for digits in range(max(number_len(low), 4), 16):
                    scale = POW10[digits - number_len(low)]
                    high = POW10[digits] + number_value(low) * scale
                    self.add_range(high, high + scale - 1, index)
        else:
            low = number_entry(p, i, end)
            if low == 0:
                self.wrong("no E.164 number: write + and up to 15 digits")
            else:
                self.add_single(set_key(low) | index << SET_KEY_BITS)

    cdef wrong(self, what):
        self.errors.append((self.line, what))

    # Which of the ends a date is: ends that many entries share take no room in them.
    cdef uint64_t end_index(self, bytes text) except? 0:
        if text == self.last_end:
            return self.last_index
        try:
            until = _network_end(text.decode("ascii", "replace").strip())
        except (ValueError, OverflowError):
            self.wrong(f"{text.decode('ascii', 'replace')!r} is no date: write 2026-12-31 or 2026-12-31T18:00Z")
            return 0
        if not self.dated:
            self.wrong("an entry of this list has no end: take the date away")
            return 0
        index = self.index_of.get(until)
        if index is None:
            if self.end_count == SET_ENDS:
                self.wrong(f"more than {SET_ENDS - 1} different ends in one list: write days, not times of day")
                return 0
            index = self.end_count
            self.index_of[until] = index
            self.until[self.end_count] = until
            self.end_count += 1
        self.last_end, self.last_index = text, index
        return self.last_index

    cdef void add_single(self, uint64_t word) noexcept nogil:
        cdef uint64_t at = self.taken % SET_WAITING, first
        if not self.filling:
            self.single_room += 1
            self.key_most |= word & KEY_MASK
            self.ended = self.ended or word >> SET_KEY_BITS != 0
            return
        if self.taken >= self.single_room:
            self.changed = True
            return
        # Its bucket is fetched while others are read.
        first = self.waiting[at]
        if self.table.lines:
            EA_PREFETCH(self.words + self.home(word & KEY_MASK) * LINE_WORDS)
        else:
            EA_PREFETCH(self.slot + set_home(&self.table, set_hash(word & KEY_MASK)) * SET_SLOTS)
        self.waiting[at] = word
        self.taken += 1
        if self.taken > SET_WAITING:
            self.put(first)

    cdef void put(self, uint64_t word) noexcept nogil:
        cdef uint64_t key = word & KEY_MASK, hashed = set_hash(key), bucket = set_home(&self.table, hashed), far = 0
        cdef uint64_t *slot
        cdef int i
        if self.table.lines:
            self.put_line(key, <uint16_t>(word >> SET_KEY_BITS & (SET_ENDS - 1)))
            return
        while True:
            slot = self.slot + bucket * SET_SLOTS
            for i in range(SET_SLOTS):
                if slot[i] == 0:
                    slot[i] = word
                    self.table.single_count += 1
                    self.table.longest = max(self.table.longest, far)
                    return
                if (slot[i] ^ key) & KEY_MASK == 0:
                    # Of a number that is listed twice the longer lasting entry holds.
                    if self.until[word >> SET_KEY_BITS] > self.until[slot[i] >> SET_KEY_BITS & (SET_ENDS - 1)]:
                        slot[i] = word | (slot[i] & <uint64_t>1 << 63)
                    return
            slot[set_kind(hashed)] |= <uint64_t>1 << 63
            far += 1
            bucket += 1
            if bucket == self.table.buckets:
                bucket = 0

    cdef uint64_t home(self, uint64_t key) noexcept nogil:
        # A key that is longer than all of the first reading is the list's, which changed.
        return line_home(line_mixed(key & (<uint64_t>1 << self.table.key_bits) - 1, self.table.key_bits),
                         self.table.key_bits, self.table.lines)

    cdef void put_line(self, uint64_t key, uint16_t end) noexcept nogil:
        cdef uint64_t mixed, at, far = 0
        cdef uint32_t *line
        cdef uint16_t *ends
        cdef uint32_t found
        if key >> self.table.key_bits:
            self.changed = True
            return
        mixed = line_mixed(key, self.table.key_bits)
        at = line_home(mixed, self.table.key_bits, self.table.lines)
        while True:
            line = self.words + at * LINE_WORDS
            ends = self.line_ends + at * LINE_WORDS
            found = ea_line_find(line, <uint32_t>mixed) & line_used(line)
            if found:
                # Of a number that is listed twice the longer lasting entry holds.
                if self.ended and self.until[end] > self.until[ends[EA_LOWEST(found)]]:
                    ends[EA_LOWEST(found)] = end
                return
            if line[0] & 15 < LINE_SLOTS:
                line[0] += 1
                line[line[0] & 15] = <uint32_t>mixed
                if self.ended:
                    ends[line[0] & 15] = end
                self.table.single_count += 1
                self.table.longest = max(self.table.longest, far)
                return
            line[0] |= <uint32_t>1 << line_kind(mixed)
            far += 1
            if far > self.reach:
                self.crowded = True
                return
            at += 1
            if at == self.table.lines:
                at = 0

    # Lines, where a list is so long that few numbers share 32 bits of their mixed keys; else none.
    cdef void choose(self) noexcept nogil:
        cdef uint64_t lines = self.single_room / LINE_LOAD + 1, width
        cdef uint32_t bits = 1
        self.table.lines = self.table.buckets = 0
        while self.key_most >> bits:
            bits += 1
        width = ((<uint64_t>1 << bits) - 1) / lines + 1
        # So far to both sides no two mixed keys have the same lower 32 bits.
        self.reach = lines - 1
        if bits > 32:
            self.reach = ((<uint64_t>1 << 32) / width - 1) / 2 if width < <uint64_t>1 << 32 else 0
        self.table.key_bits = bits
        if self.single_room and not self.plain and lines > LINE_REACH and self.reach >= LINE_REACH:
            self.table.lines = lines
            self.reach = min(self.reach, lines - 1)
        else:
            # At most four of five slots are taken.
            self.table.buckets = self.single_room * 5 / (4 * SET_SLOTS) + 1

    cdef uint64_t table_bytes(self) noexcept nogil:
        return self.table.buckets * 64 + self.table.lines * (96 if self.ended else 64)

    cdef void add_range(self, uint64_t low, uint64_t high, uint64_t end) noexcept nogil:
        if not self.filling:
            self.range_room += 1
        elif self.table.range_count == self.range_room:
            self.changed = True
        else:
            self.ranges[2 * self.table.range_count] = low | end << SET_KEY_BITS
            self.ranges[2 * self.table.range_count + 1] = high
            self.table.range_count += 1

    def room(self) -> int:
        """Bytes of head and buckets: what ``begin`` wants to have for a table that isn't the process's own."""
        self.choose()
        return SET_HEAD + self.table_bytes()

    def begin(self, memory=None) -> None:
        """All was read once; now to fill. ``memory``: zeros for head and buckets; None: memory of the process."""
        if memory is None:
            self.plain = True       # short, and asked in other ways too
        self.choose()
        if memory is not None:
            PyObject_GetBuffer(memory, &self.memory, PyBUF_WRITABLE)
            self.mapped = True
            if <uint64_t>self.memory.len < SET_HEAD + self.table_bytes():
                raise ValueError("too little memory")
            self.slot = <uint64_t *>(<uint8_t *>self.memory.buf + SET_HEAD)
            self.words = <uint32_t *>self.slot
            self.line_ends = <uint16_t *>(self.words + self.table.lines * LINE_WORDS)
        elif self.single_room:
            self.slot = <uint64_t *>aligned_alloc(64, self.table.buckets * 64)
            if self.slot == NULL:
                raise MemoryError
            memset(self.slot, 0, self.table.buckets * 64)
        if self.range_room:
            self.ranges = <uint64_t *>malloc(self.range_room * 16)
            if self.ranges == NULL:
                raise MemoryError
        self.line = 0
        self.filling = True

    def finish(self, source: bytes = bytes(32)) -> None:
        """All was read twice: puts the rest in its place. ValueError if it wasn't the same both times."""
        cdef uint64_t i
        cdef SetHead *head
        for i in range(min(self.taken, <uint64_t>SET_WAITING)):
            self.put(self.waiting[(self.taken + i) % SET_WAITING] if self.taken > SET_WAITING else self.waiting[i])
        if self.changed or self.taken != self.single_room or self.table.range_count != self.range_room:
            raise ValueError("the list changed while it was read")
        if self.crowded:
            raise ValueError("its numbers lie too close for lines")
        self.merge()
        if self.end_count > 1:
            self.ends = <uint64_t *>malloc(self.end_count * 8)
            if self.ends == NULL:
                raise MemoryError
            memcpy(self.ends, self.until, self.end_count * 8)
        self.table.end_count = self.end_count
        if self.mapped:
            head = <SetHead *>self.memory.buf
            memset(head, 0, SET_HEAD)
            head.magic = SET_MAGIC
            memcpy(head.source, <const char *>source, 32)
            head.buckets, head.longest = self.table.buckets, self.table.longest
            head.singles, head.ranges = self.table.single_count, self.table.range_count
            head.ends = 0 if self.ends == NULL else self.end_count
            head.lines, head.key_bits = self.table.lines, self.table.key_bits
            head.line_ends = self.table.lines if self.ended else 0
            head.size = SET_HEAD + self.table_bytes() + head.ranges * 16 + head.ends * 8
            PyBuffer_Release(&self.memory)
            self.mapped = False
            self.slot = NULL
            self.words = NULL

    def tail(self):
        """What a file has behind its buckets, piece by piece."""
        cdef uint64_t at = 0, n
        while at < self.table.range_count:
            n = min(self.table.range_count - at, <uint64_t>65536)
            yield (<const char *>(self.ranges + 2 * at))[:n * 16]
            at += n
        if self.ends != NULL:
            yield (<const char *>self.ends)[:self.end_count * 8]

    # Ranges that overlap become ranges that don't: where several do, the one that lasts longest has it.
    cdef merge(self):
        cdef uint64_t n = self.table.range_count, i
        cdef uint64_t *to = self.ranges
        cdef Span *heap
        cdef bint sorted_ = True
        if n == 0:
            return
        for i in range(1, n):
            if (self.ranges[2 * i] & KEY_MASK) < (self.ranges[2 * i - 2] & KEY_MASK):
                sorted_ = False
                break
        if not sorted_:
            with nogil:
                qsort(self.ranges, n, 16, range_compare)
        heap = <Span *>malloc(n * sizeof(Span)) if self.end_count > 1 else <Span *>malloc(sizeof(Span))
        if heap == NULL:
            raise MemoryError
        # Without ends nothing is cut in two, so what comes out never overtakes what goes in.
        if self.end_count > 1:
            to = <uint64_t *>malloc(2 * n * 16)
            if to == NULL:
                free(heap)
                raise MemoryError
        with nogil:
            if self.end_count > 1:
                self.table.range_count = ranges_sweep(self.ranges, n, self.until, heap, to)
            else:
                self.table.range_count = ranges_join(self.ranges, n)
        free(heap)
        if to != self.ranges:
            free(self.ranges)
            self.ranges = to
