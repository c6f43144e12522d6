# requests.pxi: do-not-call requests: numbers that no trunk, or one trunk, may call, as commands put them in one by one.
#
# The control plane alone writes, and workers read without a lock: an entry is one
# word, the number's key (51 bits, as in ops/numbers.pxi) with a sum of its trunk
# above, 0 for all trunks. Where it stands follows from both, so a look-up asks for
# the number twice, once with each. A number of one trunk is taken for another's with
# a chance of 2^-13 where the two sums also put it beside. A word that was taken out is
# used again, and no word stands further than REQUEST_REACH from its home: so a look-up has a bound
# whatever was put in and taken out. It never forgets by itself: ends are the control plane's.

cdef enum:
    REQUESTS = 262144       # at most; the table is half empty then
    REQUEST_SLOTS = 524288
    REQUEST_REACH = 64
    REQUEST_GONE = 1        # a word that was taken out; no number has this key


# The word of a request, and its home. Peer 0: all trunks.
cdef inline uint64_t request_word(RequestTable *t, uint64_t number, uint32_t peer, uint64_t *home) noexcept nogil:
    cdef uint64_t key = set_key(number), scope = 0
    if peer:
        scope = <uint64_t>peer * 0xd6e8feb86659fd93ULL >> 51 or 1
    home[0] = set_hash(key ^ t.secret ^ <uint64_t>peer << 20) >> 24 & (REQUEST_SLOTS - 1)
    return key | scope << SET_KEY_BITS


cdef inline uint64_t *request_find(RequestTable *t, uint64_t word, uint64_t home) noexcept nogil:
    cdef uint64_t *at
    cdef uint64_t i, found
    for i in range(REQUEST_REACH):
        at = &t.slot[home + i & (REQUEST_SLOTS - 1)]
        found = ea_get_relaxed(at)
        if found == word:
            return at
        if found == 0:
            break
    return NULL


cdef bint request_has(RequestTable *t, uint64_t number, uint32_t peer) noexcept nogil:
    cdef uint64_t home = 0, word = request_word(t, number, 0, &home)
    if request_find(t, word, home) != NULL:
        return True
    word = request_word(t, number, peer, &home)
    return request_find(t, word, home) != NULL


# False: there is no room for it, which is counted.
cdef bint request_put(RequestTable *t, uint64_t number, uint32_t peer) noexcept nogil:
    cdef uint64_t home = 0, word = request_word(t, number, peer, &home), i, found
    cdef uint64_t *at
    if request_find(t, word, home) != NULL:
        return True
    if t.count < REQUESTS:
        for i in range(REQUEST_REACH):
            at = &t.slot[home + i & (REQUEST_SLOTS - 1)]
            found = ea_get_relaxed(at)
            if found <= REQUEST_GONE:
                ea_set_relaxed(at, word)
                ea_set_relaxed(&t.count, t.count + 1)
                return True
    t.full += 1
    return False


cdef bint request_take(RequestTable *t, uint64_t number, uint32_t peer) noexcept nogil:
    cdef uint64_t home = 0, word = request_word(t, number, peer, &home)
    cdef uint64_t *at = request_find(t, word, home)
    if at == NULL:
        return False
    ea_set_relaxed(at, REQUEST_GONE)
    ea_set_relaxed(&t.count, t.count - 1)
    return True


cdef bint requests_init(RequestTable *t) noexcept nogil:
    t.bytes = REQUEST_SLOTS * 8
    t.slot = <uint64_t *>ea_table_alloc(t.bytes)
    return t.slot != NULL
