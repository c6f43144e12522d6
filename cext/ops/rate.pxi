# ops/rate.pxi: limits by GCRA, on hashed cells (sources) and on indexed cells (peers), and marks.
#
# A limit lets one event pass every `step`, and a burst of tolerance / step
# (ITU-T I.371, the virtual scheduling form). A hashed cell is one word: 24 bits
# of tag, 40 bits of theoretical arrival time in units of 1.024 us, so that one
# compare-and-swap updates it. A cell whose time has passed is empty: taking it
# loses nothing. A full bucket is the caller's to judge; nothing live is evicted.
# A mark is a cell that only says "until then".

cdef enum:
    RATE_PASS = 0
    RATE_OVER = 1
    RATE_FULL = 2
    CELL_SHIFT = 10         # ns to cell units
    SWEEP = 8               # buckets a wake of 32 MiB: at one wake a second, all take eighteen hours
    CELL_TAG_SHIFT = 40
    MARK_USES = 15          # low bits of a mark's time, 16 us

cdef extern from *:
    """
    #define CELL_TIME_MASK ((1ull << 40) - 1)
    /* No limit or mark reaches further ahead: a cell that seems to is one left from before the clock of 40 bits wrapped. */
    #define CELL_AHEAD (8ull * 3600 * 1000000)
    /* A call a minute ago was before the flood that comes now. */
    #define CALLER_RECENT (60000000000ull >> 10)
    """
    uint64_t CELL_TIME_MASK, CELL_AHEAD, CALLER_RECENT


# Units from now until the cell's time; 0 when it has passed.
cdef inline uint64_t cell_ahead(uint64_t word, uint64_t now) noexcept nogil:
    cdef uint64_t ahead = ((word & CELL_TIME_MASK) - now) & CELL_TIME_MASK
    return ahead if ahead <= CELL_AHEAD else 0


cdef inline uint64_t *cell_bucket(CellTable *t, uint64_t hash) noexcept nogil:
    return t.cell + (hash & t.mask) * CELLS


cdef inline uint64_t cell_tag(uint64_t hash) noexcept nogil:
    # Never 0, so that a zeroed cell matches nobody.
    return (hash >> CELL_TAG_SHIFT) | 1


# The first cell with this tag (in place) and its word, or CELLS. Of two with one tag, the
# first is the live one: a new cell is taken from the front.
cdef inline int cell_find(uint64_t *bucket, uint64_t tag, uint64_t *word) noexcept nogil:
    cdef int i
    for i in range(CELLS):
        word[0] = ea_get_relaxed(&bucket[i])
        if (word[0] ^ tag) >> CELL_TAG_SHIFT == 0:
            return i
    return CELLS


# The first cell whose time has passed and its word, or CELLS.
cdef inline int cell_free(uint64_t *bucket, uint64_t now, uint64_t *word) noexcept nogil:
    cdef int i
    for i in range(CELLS):
        word[0] = ea_get_relaxed(&bucket[i])
        if cell_ahead(word[0], now) == 0:
            return i
    return CELLS


# How much of its limit `hash` has used, in nanoseconds.
cdef uint64_t rate_used(CellTable *t, uint64_t hash, uint64_t now_ns) noexcept nogil:
    cdef uint64_t word
    if cell_find(cell_bucket(t, hash), cell_tag(hash) << CELL_TAG_SHIFT, &word) == CELLS:
        return 0
    return cell_ahead(word, now_ns >> CELL_SHIFT) << CELL_SHIFT


# Counts one event of `hash` against the limit.
cdef int rate_take(CellTable *t, uint64_t hash, uint64_t now_ns, Limit *limit) noexcept nogil:
    cdef uint64_t used
    return rate_count(t, hash, now_ns, limit, &used)


# The same; how much was used before, in nanoseconds, goes into `used`.
cdef int rate_count(CellTable *t, uint64_t hash, uint64_t now_ns, Limit *limit, uint64_t *used) noexcept nogil:
    cdef uint64_t *bucket = cell_bucket(t, hash)
    cdef uint64_t tag = cell_tag(hash) << CELL_TAG_SHIFT, now = now_ns >> CELL_SHIFT
    cdef uint64_t step = limit.step >> CELL_SHIFT, tolerance = limit.tolerance >> CELL_SHIFT
    cdef uint64_t word, ahead
    cdef int i, tries
    used[0] = 0
    if step == 0:
        step = 1
    for tries in range(4):
        i = cell_find(bucket, tag, &word)
        ahead = cell_ahead(word, now) if i < CELLS else 0
        if ahead == 0:
            i = cell_free(bucket, now, &word)
            if i == CELLS:
                t.full += 1
                return RATE_FULL
        else:
            used[0] = ahead << CELL_SHIFT
            if ahead + step > tolerance and ahead + step > step:
                return RATE_OVER
        if ea_swap(&bucket[i], word, tag | ((now + ahead + step) & CELL_TIME_MASK)):
            return RATE_PASS
    # Four lost races in one bucket: others of this very cell were counted meanwhile.
    return RATE_OVER


# The same on a peer's own word, in nanoseconds. Returns how far the limit is used, in `used`.
cdef bint rate_take_own(uint64_t *cell, uint64_t now, Limit *limit) noexcept nogil:
    cdef uint64_t old, arrival
    while True:
        old = ea_get_relaxed(cell)
        arrival = (old if old > now else now) + limit.step
        if arrival - now > limit.tolerance:
            return False
        if ea_swap(cell, old, arrival):
            return True


# Remembers `hash` for `lifetime`; False when its bucket is full.
cdef bint mark_set(CellTable *t, uint64_t hash, uint64_t now_ns, uint64_t lifetime_ns) noexcept nogil:
    cdef uint64_t *bucket = cell_bucket(t, hash)
    cdef uint64_t tag = cell_tag(hash), now = now_ns >> CELL_SHIFT
    cdef uint64_t word, old = 0, mark = tag << CELL_TAG_SHIFT | ((now + (lifetime_ns >> CELL_SHIFT)) & CELL_TIME_MASK)
    cdef int i, free, tries
    for tries in range(4):
        free = -1
        for i in range(CELLS):
            word = ea_get_relaxed(&bucket[i])
            if cell_ahead(word, now) == 0:
                if free < 0:
                    free = i
                    old = word
            elif word >> CELL_TAG_SHIFT == tag:
                free = i
                old = word
                break
        if free < 0:
            t.full += 1
            return False
        if ea_swap(&bucket[free], old, mark):
            return True
    return False


# Remembers `hash` for `lifetime` in a table where the mark that ends first gives way. One
# that has half of its life left stays as it is, so that a caller's every call writes nothing;
# one that is renewed begins as old as one that counts.
cdef void mark_renew(CellTable *t, uint64_t hash, uint64_t now_ns, uint64_t lifetime_ns) noexcept nogil:
    cdef uint64_t *bucket = cell_bucket(t, hash)
    cdef uint64_t tag = cell_tag(hash) << CELL_TAG_SHIFT, now = now_ns >> CELL_SHIFT
    cdef uint64_t life = lifetime_ns >> CELL_SHIFT, word, other, ahead, least
    cdef int i, place = cell_find(bucket, tag, &word)
    if place < CELLS:
        if 2 * cell_ahead(word, now) >= life:
            return
        if cell_ahead(word, now):
            life -= CALLER_RECENT
    else:
        place = cell_free(bucket, now, &word)
    if place == CELLS:
        least = ~<uint64_t>0
        for i in range(CELLS):
            other = ea_get_relaxed(&bucket[i])
            ahead = cell_ahead(other, now)
            if ahead < least:
                place = i
                word = other
                least = ahead
        t.full += 1
    ea_swap(&bucket[place], word, tag | ((now + life) & CELL_TIME_MASK))


# Is `hash` marked? With `take`, the first to ask has it.
cdef bint mark_live(CellTable *t, uint64_t hash, uint64_t now_ns, bint take) noexcept nogil:
    cdef uint64_t *bucket = cell_bucket(t, hash)
    cdef uint64_t tag = cell_tag(hash), now = now_ns >> CELL_SHIFT, word
    cdef int i
    for i in range(CELLS):
        word = ea_get_relaxed(&bucket[i])
        if word >> CELL_TAG_SHIFT == tag and cell_ahead(word, now):
            return ea_swap(&bucket[i], word, 0) if take else True
    return False


# A lifetime for mark_set after which `hash` is marked for `uses` asks of mark_use: they are counted in the low bits of its time.
cdef inline uint64_t mark_span(uint64_t now_ns, uint64_t lifetime_ns, uint64_t uses) noexcept nogil:
    cdef uint64_t now = now_ns >> CELL_SHIFT
    return ((now + (lifetime_ns >> CELL_SHIFT) & ~<uint64_t>MARK_USES | uses) - now) << CELL_SHIFT


# Is `hash` marked, and not used up? This is one more use.
cdef bint mark_use(CellTable *t, uint64_t hash, uint64_t now_ns) noexcept nogil:
    cdef uint64_t *bucket = cell_bucket(t, hash)
    cdef uint64_t word
    cdef int i, tries
    for tries in range(4):
        i = cell_find(bucket, cell_tag(hash) << CELL_TAG_SHIFT, &word)
        if i == CELLS or cell_ahead(word, now_ns >> CELL_SHIFT) == 0 or word & MARK_USES == 0:
            return False
        if ea_swap(&bucket[i], word, word - 1):
            return True
    return False


# Empties the cells of a few buckets whose time has passed. A pump does it at every
# wake, so every bucket is seen long before the clock of 40 bits (13 days) comes round
# and would make an old cell look live again.
cdef void cells_sweep(CellTable *t, uint64_t turn, uint64_t now_ns) noexcept nogil:
    cdef uint64_t buckets = SWEEP * (t.mask / (1 << 19) + 1), i, word
    cdef uint64_t *cell = t.cell + (turn * buckets & t.mask) * CELLS
    for i in range(buckets * CELLS):
        word = ea_get_relaxed(&cell[i])
        if word and cell_ahead(word, now_ns >> CELL_SHIFT) == 0:
            ea_swap(&cell[i], word, 0)


cdef bint cells_init(CellTable *t, uint64_t bytes) noexcept nogil:
    cdef uint64_t buckets = 1
    while buckets * 2 * CELLS * 8 <= bytes:
        buckets *= 2
    t.mask = buckets - 1
    t.bytes = buckets * CELLS * 8
    t.full = 0
    t.cell = <uint64_t *>ea_table_alloc(t.bytes)
    return t.cell != NULL


cdef uint64_t cells_live(CellTable *t, uint64_t now_ns) noexcept nogil:
    cdef uint64_t i, live = 0
    for i in range((t.mask + 1) * CELLS):
        if cell_ahead(ea_get_relaxed(&t.cell[i]), now_ns >> CELL_SHIFT):
            live += 1
    return live
