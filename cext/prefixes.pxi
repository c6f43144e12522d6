# prefixes.pxi: Prefixes: prefixes of E.164 numbers with a value each, as policies hold them. Read-only once made.

cdef class Prefixes:
    """What the longest prefix of a number says. ``entries``: digits ("": of every number) to a value of 1 to 8191."""

    cdef PrefixTable table
    cdef uint64_t count

    def __cinit__(self, entries):
        cdef uint64_t size = 2, key, at
        self.count = len(entries)
        # Half empty: a look-up ends after a word or two, and there is always an empty one.
        while size < 2 * self.count + 2:
            size *= 2
        self.table.slot = <uint64_t *>calloc(size, 8)
        if self.table.slot == NULL:
            raise MemoryError
        self.table.mask = size - 1
        for digits, value in entries.items():
            if len(digits) > 15 or not 1 <= value < 1 << 64 - PREFIX_KEY_BITS or not (digits + "0").isdecimal():
                raise ValueError(f"no prefix: {digits!r}: {value!r}")
            key = POW10[<uint32_t><int>len(digits)] + <uint64_t>int(digits or "0")
            at = prefix_at(&self.table, key)
            while self.table.slot[at]:
                at = (at + 1) & self.table.mask
            self.table.slot[at] = key | <uint64_t><int>value << PREFIX_KEY_BITS
            self.table.lengths |= <uint32_t>1 << <int>len(digits)
            first = int((digits + "000")[:3])
            for lead in range(first, first + (1000, 100, 10, 1)[min(len(digits), 3)]):
                self.table.lead[<int>lead >> 6] |= <uint64_t>1 << (<int>lead & 63)

    def __dealloc__(self):
        free(self.table.slot)

    def __len__(self):
        """Prefixes held."""
        return self.count

    def find(self, digits: str) -> int:
        """The value of the longest prefix of an E.164 number (digits, no '+'; "": a number that can't be read); 0: none."""
        if len(digits) > 15 or not (digits + "0").isdecimal():
            return 0
        return <int>prefix_find(&self.table, number_pack(int(digits or "0"), len(digits)))
