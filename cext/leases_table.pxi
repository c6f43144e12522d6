# leases_table.pxi: the table of leases: its lock, the counters that go with it, and who collects what has expired.
#
# A peer's number of calls moves with `live` of an entry and with nothing else,
# under the lock of the entry's bucket. Who doesn't get a lock in bounded time
# leaves the lease to its expiry. What ends a lease is leases.pxi's to say.

cdef enum:
    LEASE_OUT = 0           # from the trunk: what concurrent_calls limits
    LEASE_IN = 1            # towards the trunk
    LEASE_EMERGENCY = 2     # from the trunk in the lane
    LEASE_SPINS = 2000
    LEASE_NAPS = 40
    LEASE_SLICE = 16        # buckets swept with one batch at most: at a batch each ms, the usual table in a second
    LEASE_LOOKED = 65536    # buckets of the largest table that is looked through before a refusal

cdef enum:                  # what became of a lease_take
    LEASE_TAKEN = 0
    LEASE_OVER = 1
    LEASE_LOST = 2          # no room or no lock: this call goes uncounted
    LEASE_JOINED = 3        # it is of a call that was counted before

cdef extern from *:
    """
    #define LEASE_DONE 0x80000000u
    #define LEASE_NO_TAG 0xffffffffu
    #define LEASE_EARLY 200000000000ull
    #define LEASE_UP (4ull * 3600 * 1000000000)
    #define LEASE_ENDED 33000000000ull
    #define LEASE_TURN 4000000000ull        /* in which every bucket is swept */
    #define LEASE_NO_LIMIT (~0ull)
    """
    uint32_t LEASE_DONE, LEASE_NO_TAG
    uint64_t LEASE_EARLY, LEASE_UP, LEASE_ENDED, LEASE_TURN, LEASE_NO_LIMIT


STORY_SHARE = sizeof(LeaseStory) / <double>sizeof(Lease)


cdef inline LeaseBucket *lease_bucket(LeaseTable *t, uint64_t key) noexcept nogil:
    return t.bucket + (key >> 20 & t.mask)


cdef inline void lease_prefetch(LeaseTable *t, uint64_t key) noexcept nogil:
    EA_PREFETCH(lease_bucket(t, key))


# The rest, when the bucket's first line is there and tells where a new call's lease will be.
cdef inline void lease_prefetch_free(LeaseTable *t, uint64_t key) noexcept nogil:
    cdef LeaseBucket *b = lease_bucket(t, key)
    cdef int i = ea_find_word(b.key, 0, LEASE_WAYS, 1, 0)
    if i < LEASE_WAYS:
        EA_PREFETCH(&b.lease[i])
        EA_PREFETCH(lease_story(t, &b.lease[i]))


cdef inline LeaseStory *lease_story(LeaseTable *t, Lease *e) noexcept nogil:
    return &t.story[(<uint8_t *>e - <uint8_t *>t.bucket) >> 6]


# Takes a lock of leases or of what goes with them. False: not in bounded time, which is counted.
cdef bint lock_take(uint64_t *lock, uint64_t *contended) noexcept nogil:
    cdef int i
    if EA_LIKELY(ea_swap(lock, 0, 1)):
        return True
    for i in range(LEASE_SPINS + LEASE_NAPS):
        if ea_get_relaxed(lock) == 0 and ea_swap(lock, 0, 1):
            return True
        if i >= LEASE_SPINS:
            ea_pause(50000)         # its holder lost the core
    ea_count(contended, 1)
    return False


cdef inline bint lease_lock(LeaseTable *t, LeaseBucket *b) noexcept nogil:
    return lock_take(&b.lock, &t.contended)


cdef inline void lease_unlock(LeaseBucket *b) noexcept nogil:
    ea_set(&b.lock, 0)


# One call more, unless the limit is reached.
cdef bint calls_add(uint64_t *count, uint64_t limit) noexcept nogil:
    cdef uint64_t old
    while True:
        old = ea_get_relaxed(count)
        if old >= limit:
            return False
        if ea_swap(count, old, old + 1):
            return True


cdef void calls_drop(uint64_t *count) noexcept nogil:
    cdef uint64_t old
    while True:
        old = ea_get_relaxed(count)
        if ea_swap(count, old, old - 1):
            return


cdef inline uint64_t *lease_count(State *state, Lease *e) noexcept nogil:
    return &state.peers[e.slot].calls[e.kind]


# A lease that expired before `now` ended then: nobody knows when its call did.
cdef void lease_free(State *state, LeaseBucket *b, int i, uint64_t now) noexcept nogil:
    if b.lease[i].live:
        calls_drop(lease_count(state, &b.lease[i]))
        b.lease[i].live = 0
        if EA_UNLIKELY(b.lease[i].toll != 0):
            toll_end(state, &b.lease[i], now if now < b.lease[i].expiry else b.lease[i].expiry)
    ea_set_relaxed(&b.key[i], 0)


cdef void lease_sweep_bucket(State *state, LeaseBucket *b, uint64_t now) noexcept nogil:
    cdef uint64_t keys = 0
    cdef int i
    cdef bint due = False
    for i in range(LEASE_WAYS):
        keys |= ea_get_relaxed(&b.key[i])
    if EA_LIKELY(keys == 0):
        return
    for i in range(LEASE_WAYS):
        if ea_get_relaxed(&b.key[i]) and ea_get_relaxed(&b.lease[i].expiry) <= now:
            due = True
    if due and lease_lock(&state.leases, b):
        for i in range(LEASE_WAYS):
            if b.key[i] and b.lease[i].expiry <= now:
                lease_free(state, b, i, now)
        lease_unlock(b)


cdef void leases_sweep_all(State *state, uint64_t now) noexcept nogil:
    cdef uint64_t i
    for i in range(state.leases.mask + 1):
        lease_sweep_bucket(state, &state.leases.bucket[i], now)


# Collects what has expired: of each LEASE_TURN that passed the whole table, but no more than `most` buckets at once.
cdef void leases_sweep(State *state, uint64_t now, uint64_t most) noexcept nogil:
    cdef LeaseTable *t = &state.leases
    cdef uint64_t was = ea_get_relaxed(&t.swept), passed = now - was, due, at, i
    if now <= was or passed < 1000000 or not ea_swap(&t.swept, was, now):
        return
    if passed > LEASE_TURN:
        passed = LEASE_TURN
    due = (t.mask + 1) * (passed >> 10) / (LEASE_TURN >> 10) + 1
    if due > most:
        due = most
    while True:
        at = ea_get_relaxed(&t.cursor)
        if ea_swap(&t.cursor, at, at + due):
            break
    for i in range(due):
        lease_sweep_bucket(state, &t.bucket[at + i & t.mask], now)


# Before a call is refused: what has expired meanwhile counts no more. In bounds, so
# that refusals stay cheap: the usual table every 0.1 s at most, a giant one never.
cdef void leases_look(State *state, uint64_t now) noexcept nogil:
    cdef LeaseTable *t = &state.leases
    cdef uint64_t was = ea_get_relaxed(&t.looked)
    if t.mask >= LEASE_LOOKED or now <= was or now - was < (t.mask + 1) * 6000:
        return
    if ea_swap(&t.looked, was, now):
        leases_sweep_all(state, now)


# A slot that another trunk has now: what the one before left there is no call of it.
cdef void leases_purge(State *state, uint16_t slot, uint32_t peer_id) noexcept nogil:
    cdef LeaseBucket *b
    cdef uint64_t i
    cdef int k
    for i in range(state.leases.mask + 1):
        b = &state.leases.bucket[i]
        while not lease_lock(&state.leases, b):
            pass
        for k in range(LEASE_WAYS):
            if b.key[k] and b.lease[k].slot == slot and b.lease[k].peer_id != peer_id:
                b.lease[k].toll = 0     # toll_forget does away with all of that slot's
                lease_free(state, b, k, 0)
        lease_unlock(b)


cdef bint leases_init(LeaseTable *t, uint64_t bytes) noexcept nogil:
    cdef uint64_t buckets = 1
    while buckets * 2 * sizeof(LeaseBucket) <= bytes:
        buckets *= 2
    memset(t, 0, sizeof(LeaseTable))
    t.mask = buckets - 1
    t.bytes = buckets * sizeof(LeaseBucket)
    t.bucket = <LeaseBucket *>ea_table_alloc(t.bytes)
    t.story_bytes = t.bytes / sizeof(Lease) * sizeof(LeaseStory)
    t.story = <LeaseStory *>ea_table_alloc(t.story_bytes)
    return t.bucket != NULL and t.story != NULL


cdef uint64_t leases_live(LeaseTable *t, uint64_t now) noexcept nogil:
    cdef uint64_t i, live = 0
    cdef int k
    for i in range(t.mask + 1):
        for k in range(LEASE_WAYS):
            if ea_get_relaxed(&t.bucket[i].key[k]) and t.bucket[i].lease[k].live:
                live += ea_get_relaxed(&t.bucket[i].lease[k].expiry) > now
    return live


# What a wake of a pump is good for besides.
cdef void state_sweep(State *state, uint64_t turn, uint64_t now) noexcept nogil:
    cells_sweep(&state.rates, turn, now)
    cells_sweep(&state.marks, turn, now)
    cells_sweep(&state.strikes, turn, now)
    cells_sweep(&state.callers, turn, now)
    leases_sweep(state, now, state.leases.mask + 1)
