# toll.pxi: what calls to dear prefixes have used up: calls, minutes and money of a trunk, a class of prefixes and a caller.
#
# A meter is a budget of a day that refills all the time: what was used drains by the
# limit a day, so after a quiet day it is empty, and no 24 hours take more than twice
# the limit. Minutes run from the 2xx to the end of the lease. A call that is up is in
# the meter as it runs, by sums alone: n calls that began at times whose sum is S have
# run n * now - S, so nothing walks over calls. What has run becomes `used` when the
# lease ends, by BYE or by expiry.
#
# Dear calls are few, so one lock guards all meters; it is taken last, never around another. Who
# doesn't get it in bounded time counts nothing, which is counted. A caller whose
# bucket holds only callers with calls up goes uncounted, which is counted; the trunk's meters have
# the call all the same. Nothing here ends a call.

cdef enum:
    TOLL_WHOLE = 0          # places of a trunk's meters: all its dear calls
    TOLL_OFF = 1            # those begun outside its business hours
    TOLL_FIRST_CLASS = 2    # and those of each class
    TOLL_TICK = 26          # ns to ticks of 67 ms: 32 bits of them are nine years
    TOLL_CALLS = 0
    TOLL_MINUTES = 1
    TOLL_MONEY = 2

cdef extern from *:
    """
    #define TOLL_DAY 86400e9
    #define TOLL_TICK_MINUTES (67108864.0 / 60e9)
    """
    const double TOLL_DAY, TOLL_TICK_MINUTES


cdef inline bint toll_lock(TollTable *t) noexcept nogil:
    return lock_take(&t.lock, &t.contended)


cdef inline void toll_unlock(TollTable *t) noexcept nogil:
    ea_set(&t.lock, 0)


cdef inline double toll_positive(double value) noexcept nogil:
    return value if value > 0 else 0


# What is used of a measure at that time, calls that are up among it.
cdef double toll_level(TollMeter *m, int measure, uint64_t now) noexcept nogil:
    cdef double passed = <double>(now - m.at) if now > m.at else 0, tick = <double>(now >> TOLL_TICK)
    cdef double used = toll_positive(m.used[measure] - m.limit[measure] * passed / TOLL_DAY)
    if measure == TOLL_MINUTES:
        used += toll_positive((m.up * tick - m.since) * TOLL_TICK_MINUTES)
    elif measure == TOLL_MONEY:
        used += toll_positive((m.price * tick - m.price_since) * TOLL_TICK_MINUTES)
    return used


# Drains what the time that passed has given back. A lease that expired ends before the meter was last used: that is no time to go back to.
cdef void toll_settle(TollMeter *m, uint64_t now) noexcept nogil:
    cdef double passed = <double>(now - m.at)
    cdef int k
    if now <= m.at:
        return
    for k in range(TOLL_MEASURES):
        m.used[k] = toll_positive(m.used[k] - m.limit[k] * passed / TOLL_DAY)
    m.at = now


# A reload may have other limits: what was used by then drained by the old ones.
cdef void toll_limits(TollMeter *m, const double *limit, uint64_t now) noexcept nogil:
    toll_settle(m, now)
    memcpy(m.limit, limit, sizeof(m.limit))


# ---- callers ----

cdef inline TollCaller *toll_bucket(State *state, uint32_t peer, uint64_t number) noexcept nogil:
    cdef uint64_t hash = ea_mac_words(&state.keys.table, first_word(FOR_TOLL, peer), number)
    return state.toll.caller + (hash & (TOLL_CALLERS / TOLL_WAYS - 1)) * TOLL_WAYS


# The caller's entry, or NULL. Under the lock.
cdef TollCaller *toll_caller(State *state, uint32_t peer, uint64_t number) noexcept nogil:
    cdef TollCaller *c = toll_bucket(state, peer, number)
    cdef int i
    for i in range(TOLL_WAYS):
        if c[i].number == number and c[i].peer_id == peer:
            return &c[i]
    return NULL


# How much of its budgets the caller has used, of 1.
cdef double toll_share(TollCaller *c, uint64_t now) noexcept nogil:
    cdef double most = 0, share
    cdef int k
    for k in range(TOLL_MEASURES):
        share = toll_level(&c.meter, k, now) / c.meter.limit[k] if c.meter.limit[k] > 0 else 0
        if share > most:
            most = share
    return most


# The same, made where there is none: who has used least of those without a call up gives way. NULL: none has.
cdef TollCaller *toll_caller_make(State *state, Peer *peer, uint64_t number, uint64_t now) noexcept nogil:
    cdef TollCaller *found = toll_caller(state, peer.id, number)
    cdef TollCaller *c
    cdef double share, least = 0
    cdef int i
    if found != NULL:
        return found
    c = toll_bucket(state, peer.id, number)
    for i in range(TOLL_WAYS):
        if c[i].meter.held:
            continue
        share = toll_share(&c[i], now) if c[i].number else -1
        if found == NULL or share < least:
            found = &c[i]
            least = share
    if found == NULL or least > 0:
        state.toll.full += 1
    if found != NULL:
        memset(found, 0, sizeof(TollCaller))
        found.number = number
        found.peer_id = peer.id
        found.slot = peer.slot
        found.meter.at = now
    return found


# ---- calls ----

# The meters that a call of that class counts in, into `meters`; how many. Under the lock.
cdef int toll_meters(State *state, uint16_t slot, uint8_t cls, bint off, uint16_t caller, TollMeter **meters) noexcept nogil:
    cdef TollTrunk *t = &state.toll.trunk[slot]
    cdef int n = 2
    meters[0] = &t.meter[TOLL_WHOLE]
    meters[1] = &t.meter[TOLL_FIRST_CLASS + cls - 1]
    if off:
        meters[n] = &t.meter[TOLL_OFF]
        n += 1
    if caller:
        meters[n] = &state.toll.caller[caller - 1].meter
        n += 1
    return n


# A new dear call goes on: it is counted, and its lease `e` knows what it costs. NULL: it has no lease, or is a transfer.
cdef void toll_begin(Screen *s, Lease *e, bint again) noexcept nogil:
    cdef TollTable *t = &s.state.toll
    cdef TollLimits *limits = s.peer.toll
    cdef TollRate *rate = &s.policy.toll_rates[s.toll]
    cdef TollMeter *meters[4]
    cdef TollCaller *c
    cdef uint64_t number = toll_number(s)
    cdef uint16_t caller = 0
    cdef int i, n
    if e != NULL:
        e.toll = 0
    if limits == NULL or not toll_lock(t):
        return
    c = toll_caller_make(s.state, s.peer, number, s.now) if number else NULL
    if c != NULL:
        toll_limits(&c.meter, limits.caller, s.now)
        caller = <uint16_t>(c - t.caller + 1)
    n = toll_meters(s.state, s.peer.slot, rate.cls, s.peer.toll_off != 0, caller, meters)
    toll_limits(meters[0], limits.trunk, s.now)
    toll_limits(meters[1], limits.cls[rate.cls - 1], s.now)
    if s.peer.toll_off:
        toll_limits(meters[2], limits.off, s.now)
    for i in range(n):
        if not again:
            meters[i].used[TOLL_CALLS] += 1
        if e != NULL:
            meters[i].held += 1
    if e != NULL:
        e.answered = 0
        e.price = rate.price
        e.toll = rate.cls
        e.toll_off = s.peer.toll_off != 0
        e.toll_caller = caller
    ea_set_relaxed(&t.changes, t.changes + 1)
    toll_unlock(t)


# A lease that had ended counts again: a 2xx came behind the end (RFC 3261 §16.7 step 5). Its caller's entry may be another's by now.
cdef void toll_again(State *state, Lease *e) noexcept nogil:
    cdef TollMeter *meters[4]
    cdef int i
    e.toll_caller = 0
    if not toll_lock(&state.toll):
        e.toll = 0
        return
    for i in range(toll_meters(state, e.slot, e.toll, e.toll_off, 0, meters)):
        meters[i].held += 1
    toll_unlock(&state.toll)


# The call is answered: from now on it costs.
cdef void toll_answered(State *state, Lease *e, uint64_t now) noexcept nogil:
    cdef TollMeter *meters[4]
    cdef double tick
    cdef int i
    if not toll_lock(&state.toll):
        return
    e.answered = <uint32_t>(now >> TOLL_TICK) or 1
    tick = <double>e.answered
    for i in range(toll_meters(state, e.slot, e.toll, e.toll_off, e.toll_caller, meters)):
        meters[i].up += 1
        meters[i].since += tick
        meters[i].price += e.price
        meters[i].price_since += e.price * tick
    toll_unlock(&state.toll)


# The lease has ended: what the call has run and cost is used. A call that was never answered only was a call.
cdef void toll_end(State *state, Lease *e, uint64_t now) noexcept nogil:
    cdef TollMeter *meters[4]
    cdef TollMeter *m
    cdef double tick = <double>e.answered, minutes = 0
    cdef int i
    if not toll_lock(&state.toll):
        return
    if e.answered:
        minutes = toll_positive(<double>(now >> TOLL_TICK) - tick) * TOLL_TICK_MINUTES
    for i in range(toll_meters(state, e.slot, e.toll, e.toll_off, e.toll_caller, meters)):
        m = meters[i]
        if m.held:
            m.held -= 1
        if e.answered == 0:
            continue
        toll_settle(m, now)
        m.used[TOLL_MINUTES] += minutes
        m.used[TOLL_MONEY] += minutes * e.price
        m.up -= 1
        m.since -= tick
        m.price -= e.price
        m.price_since -= e.price * tick
        if m.up < 0.5:              # so that no rounding adds up, nor what a slot's last owner left
            m.up = m.since = m.price = m.price_since = 0
    e.answered = 0
    state.toll.changes += 1
    toll_unlock(&state.toll)


# A slot that another trunk has now: nothing of it was used.
cdef void toll_forget(State *state, uint16_t slot) noexcept nogil:
    cdef int i
    while not toll_lock(&state.toll):
        pass
    memset(&state.toll.trunk[slot], 0, sizeof(TollTrunk))
    for i in range(TOLL_CALLERS):
        if state.toll.caller[i].number and state.toll.caller[i].slot == slot:
            memset(&state.toll.caller[i], 0, sizeof(TollCaller))
    toll_unlock(&state.toll)


cdef bint toll_init(TollTable *t) noexcept nogil:
    t.bytes = TOLL_CALLERS * sizeof(TollCaller) + (MAX_PEERS + 1) * sizeof(TollTrunk)
    t.caller = <TollCaller *>ea_table_alloc(TOLL_CALLERS * sizeof(TollCaller))
    t.trunk = <TollTrunk *>ea_table_alloc((MAX_PEERS + 1) * sizeof(TollTrunk))
    return t.caller != NULL and t.trunk != NULL
