# deferred.pxi: INVITEs that wait for what can't be decided at once: a signature to verify, an Identity header to make.
#
# Such an INVITE has passed every rule. It is copied into a slot of a fixed arena and
# gets no answer; the control plane takes it (Engine.deferred), and answers with a
# result (Engine.resolve); then the worker that holds it parses it again and it goes
# the rest of its way. Meanwhile the transaction cache says that it waits: its
# copies are answered 100, its CANCEL 200, and itself 487.
#
# A slot's word is {generation, state}. Each step is a compare-and-swap from the
# word that was seen, so a slot that was given up and filled again is never taken
# for the old one:
#
#     FREE -> FILLING -> WAITING -> TAKEN -> ANSWERING -> DECIDED -> FREE
#                           |         |
#                           '---------'--> cancelled, or past its deadline: FREE
#
# One peer has a quarter of the slots at most, so none fills them for others. It
# decides nothing of a call but what a lost answer means.

cdef enum:
    DEFER_FREE = 0
    DEFER_FILLING           # by the worker, or read by it for the last time
    DEFER_WAITING           # its ticket is in the worker's ring
    DEFER_TAKEN             # by the control plane
    DEFER_ANSWERING         # the result is being written
    DEFER_DECIDED
    DEFER_STATES = 7        # mask
    DEFER_SHIFT = 3
    DEFER_STRIDE = DEFER_BYTES + 128
    DEFER_SHARE = 4         # of the slots one peer has at most the fourth part

cdef extern from *:
    """
    /* No answer after so long is one that is lost: certificates are waited for 2 s. */
    #define DEFER_LONGEST 4000000000ull
    #define DEFER_LOOK 50000000ull          /* between two looks at the deadlines */
    """
    uint64_t DEFER_LONGEST, DEFER_LOOK



cdef inline uint8_t *deferred_data(DeferTable *t, uint32_t index) noexcept nogil:
    return t.arena + <size_t>index * DEFER_STRIDE


cdef inline uint64_t deferred_next(uint64_t word, int state) noexcept nogil:
    return word & ~<uint64_t>DEFER_STATES | <uint64_t>state


# A place in the peer's share. False: it has none left.
cdef bint deferred_enter(DeferTable *t, uint16_t slot) noexcept nogil:
    cdef uint64_t count
    while True:
        count = ea_get_relaxed(&t.of_peer[slot])
        if count >= t.share:
            return False
        if ea_swap(&t.of_peer[slot], count, count + 1):
            return True


cdef void deferred_leave(DeferTable *t, uint16_t slot) noexcept nogil:
    cdef uint64_t count
    while True:
        count = ea_get_relaxed(&t.of_peer[slot])
        if count == 0 or ea_swap(&t.of_peer[slot], count, count - 1):
            return


# A slot to fill, or NULL. The worker's own cursor goes round, so a slot rests longest before it is used again.
cdef DeferSlot *deferred_slot(DeferTable *t, Worker *w) noexcept nogil:
    cdef DeferSlot *d
    cdef uint64_t word
    cdef uint32_t i
    for i in range(t.count):
        w.deferred_cursor = w.deferred_cursor + 1 if w.deferred_cursor + 1 < t.count else 0
        d = &t.call[w.deferred_cursor]
        word = ea_get(&d.word)
        if word & DEFER_STATES == DEFER_FREE and ea_swap(
                &d.word, word, word + (<uint64_t>1 << DEFER_SHIFT) | DEFER_FILLING):
            return d
    return NULL


# The INVITE waits. False: there is no room for it, in its peer's share or at all.
cdef bint deferred_put(Screen *s, uint16_t subject, uint8_t asks, bint owned) noexcept nogil:
    cdef DeferTable *t = &s.state.deferred
    cdef Worker *w = s.worker
    cdef DeferSlot *d
    cdef uint32_t index
    if s.m.length > DEFER_BYTES or w.deferred_head - ea_get(&w.deferred_tail) >= t.ring:
        return False
    if not deferred_enter(t, s.peer.slot):
        return False
    d = deferred_slot(t, w)
    if d == NULL:
        deferred_leave(t, s.peer.slot)
        return False
    index = <uint32_t>(d - t.call)
    memcpy(deferred_data(t, index), s.p, s.m.length)
    d.len = s.m.length
    d.key = s.key
    d.time = s.now
    d.source = s.packet.source
    d.local = s.packet.local
    d.listener = s.packet.listener
    d.slot = s.peer.slot
    d.peer_id = s.peer.id
    d.subject_id = s.policy.peers[subject].id
    d.worker = w.index
    d.asks = asks
    d.owned = owned
    d.unproven = s.unproven
    d.pending = s.pending
    d.repeated = s.v.repeated != 0
    d.again = call_again(s)
    d.dated = s.m.present >> H_DATE & 1
    d.value = s.v.value
    d.limit = s.v.limit
    d.monitored = s.v.monitored
    d.refusable = s.v.refusable
    d.finding = s.v.finding
    d.cancelled = 0
    d.reason = 0
    d.verstat = d.told = d.attest = d.callback = 0
    d.values_len = 0
    d.text_len = 0
    s.v.route.target = <uint16_t>index      # for the transaction cache: where CANCEL finds it
    ea_set(&d.word, deferred_next(d.word, DEFER_WAITING))
    w.deferred_ring[w.deferred_head & (t.ring - 1)] = d.word >> DEFER_SHIFT << 16 | index
    ea_set(&w.deferred_head, w.deferred_head + 1)
    w.deferred_new = 1
    return True


# CANCEL of a call that waits. False: it waits no more.
cdef bint deferred_cancel(Screen *s, uint16_t index) noexcept nogil:
    cdef DeferTable *t = &s.state.deferred
    cdef DeferSlot *d
    cdef Worker *holder
    cdef uint64_t word
    if index >= t.count:
        return False
    d = &t.call[index]
    word = ea_get(&d.word)
    if not DEFER_WAITING <= <int>(word & DEFER_STATES) <= DEFER_DECIDED or d.key != s.key:
        return False
    holder = &s.state.workers[d.worker]
    ea_set(&d.cancelled, word >> DEFER_SHIFT)
    if ea_get(&d.word) >> DEFER_SHIFT != word >> DEFER_SHIFT:
        return False
    deferred_wake(holder)
    return True


# The worker looks at what it holds: at once if it sleeps, else behind its batch.
cdef void deferred_wake(Worker *w) noexcept nogil:
    cdef uint64_t one = 1
    ea_set(&w.deferred_ready, 1)
    write(w.wake, &one, 8)


# Is there something to resume, or time to look whether there is?
cdef bint deferred_due(Worker *w, uint64_t now) noexcept nogil:
    if w.waiting == 0:
        return False
    if ea_get(&w.deferred_ready) or now - w.deferred_looked >= DEFER_LOOK:
        ea_set(&w.deferred_ready, 0)
        w.deferred_looked = now
        return True
    return False


# Makes the slot this worker's to read for the last time, if it is its turn: answered, cancelled, or too late.
cdef bint deferred_ripe(DeferSlot *d, Worker *w, uint64_t now, bint *decided, bint *cancelled) noexcept nogil:
    cdef uint64_t word = ea_get(&d.word)
    cdef int state = <int>(word & DEFER_STATES)
    if d.worker != w.index or not DEFER_WAITING <= state <= DEFER_DECIDED or state == DEFER_ANSWERING:
        return False
    decided[0] = state == DEFER_DECIDED
    cancelled[0] = ea_get(&d.cancelled) == word >> DEFER_SHIFT
    if not decided[0] and not cancelled[0] and now - d.time < DEFER_LONGEST:
        return False
    return ea_swap(&d.word, word, deferred_next(word, DEFER_FILLING))


cdef void deferred_free(DeferTable *t, DeferSlot *d) noexcept nogil:
    deferred_leave(t, d.slot)
    ea_set(&d.word, deferred_next(d.word, DEFER_FREE))


cdef bint deferred_init(DeferTable *t, uint64_t bytes) noexcept nogil:
    t.count = <uint32_t>(bytes / (DEFER_STRIDE + sizeof(DeferSlot)))
    if t.count > DEFER_MOST:
        t.count = DEFER_MOST
    t.share = t.count // DEFER_SHARE or 1
    t.ring = 1
    while t.ring < t.count:
        t.ring *= 2
    t.full = 0
    t.bytes = <uint64_t>t.count * (DEFER_STRIDE + sizeof(DeferSlot))
    t.arena = <uint8_t *>ea_table_alloc(<size_t>t.count * DEFER_STRIDE)
    t.call = <DeferSlot *>ea_table_alloc(t.count * sizeof(DeferSlot))
    t.of_peer = <uint64_t *>ea_table_alloc((MAX_PEERS + 1) * 8)
    return t.arena != NULL and t.call != NULL and t.of_peer != NULL


cdef void deferred_done(DeferTable *t) noexcept nogil:
    munmap(t.arena, <size_t>t.count * DEFER_STRIDE)
    munmap(t.call, t.count * sizeof(DeferSlot))
    munmap(t.of_peer, (MAX_PEERS + 1) * 8)
