# ops/lines.pxi: single numbers of a long list, at four bytes each: what their place says isn't said again.
#
# A key is mixed by a law that can be undone, into as many bits as the list's longest
# key has. The upper ones are its line, one cache line; of the lower ones 32 stand
# there. Lines from which a number may have gone on to another, when it was full,
# are so few that no two mixed keys in reach of each other share those 32 bits: the
# builder takes this form only where that holds, and the older one else.
#
#     word 0      how many numbers stand here (4 bits); bit 16 + k: one of kind k went on to the next line
#     words 1-15  numbers, in no order
#
# A table may be a mapped file: nothing in it leads outside it.

cdef enum:
    LINE_WORDS = 16
    LINE_SLOTS = 15
    LINE_LOAD = 12              # numbers of a line, on average
    LINE_REACH = 64             # lines that a number must be able to go on

cdef extern from *:
    """
    /* Which words of a line are this one: bit i is word i. */
    static inline uint32_t ea_line_find(const uint32_t *line, uint32_t word)
    {
    #ifdef __SSE2__
        const __m128i *p = (const __m128i *)line;
        const __m128i wanted = _mm_set1_epi32((int)word);
        __m128i low = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_loadu_si128(p), wanted),
                                      _mm_cmpeq_epi32(_mm_loadu_si128(p + 1), wanted));
        __m128i high = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_loadu_si128(p + 2), wanted),
                                       _mm_cmpeq_epi32(_mm_loadu_si128(p + 3), wanted));
        return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(low, high));
    #else
        uint32_t found = 0;
        for (int i = 0; i < 16; i++)
            found |= (uint32_t)(line[i] == word) << i;
        return found;
    #endif
    }
    #define EA_LINE_A 0x9e3779b97f4a7c15ull
    #define EA_LINE_A_BACK 0xf1de83e19937733dull
    #define EA_LINE_B 0xd6e8feb86659fd93ull
    #define EA_LINE_B_BACK 0xcfee444d8b59a89bull
    #define EA_LOWEST(mask) ((uint32_t)__builtin_ctz(mask))
    """
    uint32_t ea_line_find(const uint32_t *, uint32_t) nogil
    uint32_t EA_LOWEST(uint32_t) nogil
    uint64_t EA_LINE_A, EA_LINE_A_BACK, EA_LINE_B, EA_LINE_B_BACK


# A key of `bits` bits to another, each to its own. The list is the operator's, not the attacker's: fixed factors do.
cdef inline uint64_t line_mixed(uint64_t key, uint32_t bits) noexcept nogil:
    cdef uint64_t mask = (<uint64_t>1 << bits) - 1
    cdef uint32_t half = (bits + 1) / 2
    key = key * EA_LINE_A & mask
    key = (key ^ key >> half) * EA_LINE_B & mask
    return key ^ key >> half


cdef uint64_t line_unmixed(uint64_t mixed, uint32_t bits) noexcept nogil:
    cdef uint64_t mask = (<uint64_t>1 << bits) - 1
    cdef uint32_t half = (bits + 1) / 2
    mixed = (mixed ^ mixed >> half) * EA_LINE_B_BACK & mask
    return (mixed ^ mixed >> half) * EA_LINE_A_BACK & mask


cdef inline uint64_t line_home(uint64_t mixed, uint32_t bits, uint64_t lines) noexcept nogil:
    return ea_high(mixed << (64 - bits), lines)


cdef inline uint32_t line_used(const uint32_t *line) noexcept nogil:
    return (<uint32_t>2 << (line[0] & 15)) - 2


cdef inline uint32_t line_kind(uint64_t mixed) noexcept nogil:
    return 16 + (<uint32_t>(mixed >> 8) & 15)


# The end of a number that is listed by itself, as an index; -1: it isn't.
cdef inline int line_end(const NumberTable *t, uint64_t key) noexcept nogil:
    cdef uint64_t mixed, at, left = t.longest
    cdef const uint32_t *line
    cdef uint32_t found
    if key >> t.key_bits:
        return -1
    mixed = line_mixed(key, t.key_bits)
    at = line_home(mixed, t.key_bits, t.lines)
    while True:
        line = t.line + at * LINE_WORDS
        found = ea_line_find(line, <uint32_t>mixed) & line_used(line)
        if found:
            return t.line_ends[at * LINE_WORDS + EA_LOWEST(found)] if t.line_ends != NULL else 0
        if EA_LIKELY(line[0] >> line_kind(mixed) & 1 == 0) or left == 0:
            return -1
        left -= 1
        at += 1
        if at == t.lines:
            at = 0


# The key in word i of a line; 0: none stands there.
cdef uint64_t line_key(const NumberTable *t, uint64_t at, uint32_t i) noexcept nogil:
    cdef const uint32_t *line = t.line + at * LINE_WORDS
    cdef uint64_t first, mixed, behind
    if not line_used(line) >> i & 1:
        return 0
    mixed = line[i]
    if t.key_bits > 32:
        # The least that a number may be whose line is as far back as any went on.
        behind = at - t.longest if at >= t.longest else at + t.lines - t.longest
        first = line_first(behind, t.key_bits, t.lines)
        mixed = first + (mixed - first & 0xffffffffULL)
        mixed &= (<uint64_t>1 << t.key_bits) - 1
    return line_unmixed(mixed, t.key_bits)


# The least mixed key of a line: lines are found by the high part of a product, so the quotient is rounded up.
cdef uint64_t line_first(uint64_t at, uint32_t bits, uint64_t lines) noexcept nogil:
    cdef uint64_t first = <uint64_t>(<double>at / <double>lines * <double>(<uint64_t>1 << bits))
    while first and line_home(first, bits, lines) >= at:
        first -= 1
    while line_home(first, bits, lines) < at:
        first += 1
    return first
