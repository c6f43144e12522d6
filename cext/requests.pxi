# requests.pxi: do-not-call requests: numbers that no trunk, or one trunk, may call, as commands put them in one by one.
#
# The control plane alone writes, and workers read without a lock: an entry is one
# word, the number's key (51 bits, as in ops/numbers.pxi) with a part of its hash with
# its trunk above, 0 for all trunks. Where it stands follows from that hash too, so a
# look-up asks for the number twice, for all trunks and for one. One trunk's number is
# taken for another's only where the two stand close by and 13 bits agree: never, for all who count. A word that was taken out is
# used again, and no word stands further than REQUEST_REACH from its home: so a look-up has a bound
# whatever was put in and taken out. It never forgets by itself: ends are the control plane's.

cdef enum:
    REQUESTS = 262144       # at most; the table is half empty then
    REQUEST_SLOTS = 524288
    REQUEST_REACH = 64
    REQUEST_GONE = 1        # a word that was taken out; no number has this key


# The word of a request, and its home. Peer 0: all trunks.
cdef inline uint64_t request_word(State *state, uint64_t number, uint32_t peer, uint64_t *home) noexcept nogil:
    cdef uint64_t hash
    hash = ea_mac_words(&state.keys.table, first_word(FOR_REQUEST, peer), number)
    home[0] = hash & (REQUEST_SLOTS - 1)
    return set_key(number) | ((hash >> SET_KEY_BITS or 1) << SET_KEY_BITS if peer else 0)


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


cdef bint request_has(State *state, uint64_t number, uint32_t peer) noexcept nogil:
    cdef uint64_t home = 0, word = request_word(state, number, 0, &home)
    if request_find(&state.requests, word, home) != NULL:
        return True
    word = request_word(state, number, peer, &home)
    return request_find(&state.requests, word, home) != NULL


# False: there is no room for it, which is counted.
cdef bint request_put(State *state, uint64_t number, uint32_t peer) noexcept nogil:
    cdef RequestTable *t = &state.requests
    cdef uint64_t home = 0, word = request_word(state, number, peer, &home), i, found
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


cdef bint request_take(State *state, uint64_t number, uint32_t peer) noexcept nogil:
    cdef RequestTable *t = &state.requests
    cdef uint64_t home = 0, word = request_word(state, number, peer, &home)
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
