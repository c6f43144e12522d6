# bans.pxi: the ban list, and the strikes that ask for a ban.
#
# Bans: buckets of 16 entries behind one cache line of tags, so that a source
# which isn't banned costs one line for each network length in use, and nothing
# while the list is empty. The control plane alone writes; workers read without a
# lock, each entry between two looks at its version. A packet that meets an entry
# half written counts as not banned. Expired entries are empty.
#
# Strikes: a cell per source holds how many it has, as time until all are
# forgotten. In a full bucket the source with the fewest gives way, so a spoofed
# flood of sources with one packet each pushes out its own. Nothing here decides
# to ban: a source that has too many is put into the worker's bounded ring, and
# its cell starts anew.
#
# Bans are asked for strangers and callers of open trunks only, and no strike is
# reported for a network with an address of a peer, a target or a listener in it.
# A peer is held by no ban but one that an operator forced.

cdef enum:
    BAN_BUCKETS = 8192
    BAN_WAYS = 16
    BAN_ENTRIES = 65536     # half of the places: a bucket is hardly ever full before
    BAN_SWEEP = 256         # buckets that one look at the strikes rids of expired bans
    STRIKE_SCANNER = 10     # strikes that a scanner's signature counts as

cdef uint32_t BAN_LENGTHS[BAN_KINDS]
BAN_LENGTHS[:] = [120, 128, 64, 56, 48]     # of 128: IPv4 has the first two, IPv6 the last four


# The place in BAN_LENGTHS of a length that a ban may have, else -1.
cdef inline int ban_kind(uint32_t bits, bint v4) noexcept nogil:
    cdef int i
    for i in range(0 if v4 else 1, 2 if v4 else BAN_KINDS):
        if BAN_LENGTHS[i] == bits:
            return i
    return -1


cdef bint bans_init(BanTable *t) noexcept nogil:
    memset(t, 0, sizeof(BanTable))
    t.bytes = BAN_BUCKETS * BAN_WAYS * (4 + sizeof(Ban))
    t.tags = <uint64_t *>ea_table_alloc(BAN_BUCKETS * BAN_WAYS * 4)
    t.entry = <Ban *>ea_table_alloc(BAN_BUCKETS * BAN_WAYS * sizeof(Ban))
    return t.tags != NULL and t.entry != NULL


cdef void bans_free(BanTable *t) noexcept nogil:
    munmap(t.tags, BAN_BUCKETS * BAN_WAYS * 4)
    munmap(t.entry, BAN_BUCKETS * BAN_WAYS * sizeof(Ban))


# Never 0: that is an empty place.
cdef inline uint32_t ban_tag(uint64_t hash) noexcept nogil:
    return <uint32_t>(hash >> 32) | 1


# ---- read by workers ----

# The end of the ban in this place, 0 when it isn't this network's, or not `forced` and that is asked for.
cdef inline uint64_t ban_look(Ban *e, uint64_t hi, uint64_t lo, uint32_t bits, bint forced) noexcept nogil:
    cdef uint64_t version = ea_get(&e.version), until
    cdef bint same
    if version & 1 or (version >> 1 & 255) != bits or (forced and not version >> 9 & 1):
        return 0
    same = ea_get(&e.hi) == hi and ea_get(&e.lo) == lo
    until = ea_get(&e.until)
    return until if same and ea_get(&e.version) == version else 0


cdef uint64_t ban_find(State *state, EaAddr *a, uint32_t bits, bint forced) noexcept nogil:
    cdef uint64_t hash = source_key(state, a, bits), hi, lo, pair, until
    cdef uint64_t bucket = (hash & (BAN_BUCKETS - 1)) * BAN_WAYS
    cdef uint32_t tag = ban_tag(hash), i
    source_mask(a, bits, &hi, &lo)
    for i in range(BAN_WAYS // 2):
        pair = ea_get_relaxed(&state.bans.tags[bucket // 2 + i])
        if EA_UNLIKELY(<uint32_t>pair == tag):
            until = ban_look(&state.bans.entry[bucket + 2 * i], hi, lo, bits, forced)
            if until:
                return until
        if EA_UNLIKELY(<uint32_t>(pair >> 32) == tag):
            until = ban_look(&state.bans.entry[bucket + 2 * i + 1], hi, lo, bits, forced)
            if until:
                return until
    return 0


# Is the source, or a network around it, on the list; of peers, by a ban that holds for them too?
cdef bint ban_holds(Screen *s, bint forced) noexcept nogil:
    cdef BanTable *t = &s.state.bans
    cdef EaAddr *a = &s.packet.source
    cdef uint64_t until
    cdef int i
    for i in range(0 if a.v4 else 1, 2 if a.v4 else BAN_KINDS):
        if ea_get_relaxed(&t.used[i]) == 0:
            continue
        until = ban_find(s.state, a, BAN_LENGTHS[i], forced)
        if until > s.now:
            s.found = (until - s.now) // 1000000000
            s.limit = 0
            return True
    return False


# banned: what comes from a stranger or an open trunk's caller.
cdef int op_banned(Screen *s) noexcept nogil:
    if EA_LIKELY(ea_get_relaxed(&s.state.bans.count) == 0):
        return 0
    return RSN_BANNED if ban_holds(s, False) else 0


# What comes from a peer whom an operator banned knowing that it is one: held, unless it is an emergency call that it may make.
cdef void ban_peer(Screen *s) noexcept nogil:
    if ban_holds(s, True):
        s.held = RSN_BANNED
        s.v.value = s.found


# ---- written by the control plane ----

cdef void ban_set_tag(BanTable *t, uint64_t at, uint32_t tag) noexcept nogil:
    cdef uint64_t pair = ea_get_relaxed(&t.tags[at // 2]), shift = 32 * (at & 1)
    ea_set(&t.tags[at // 2], pair & ~(<uint64_t>0xffffffff << shift) | <uint64_t>tag << shift)


cdef void ban_write(Ban *e, uint64_t hi, uint64_t lo, uint32_t bits, uint64_t until, bint forced) noexcept nogil:
    cdef uint64_t version = (e.version >> 10) + 1 << 10 | <uint64_t>forced << 9 | <uint64_t>bits << 1
    ea_set(&e.version, e.version | 1)
    ea_fence()
    ea_set(&e.hi, hi)
    ea_set(&e.lo, lo)
    ea_set(&e.until, until)
    ea_set(&e.version, version)


cdef void ban_count(BanTable *t, uint32_t bits, int by) noexcept nogil:
    cdef int i
    for i in range(BAN_KINDS):
        if BAN_LENGTHS[i] == bits:
            ea_set(&t.used[i], t.used[i] + by)
    ea_set(&t.count, t.count + by)


cdef void ban_clear(BanTable *t, uint64_t at) noexcept nogil:
    cdef Ban *e = &t.entry[at]
    cdef uint32_t bits = <uint32_t>(e.version >> 1 & 255)
    ban_set_tag(t, at, 0)
    ea_set(&t.forced, t.forced - (e.version >> 9 & 1))
    ban_write(e, 0, 0, 0, 0, False)
    ban_count(t, bits, -1)


# Where the network stands, or -1; and a free place of its bucket, or -1.
cdef int64_t ban_place(State *state, EaAddr *a, uint32_t bits, uint64_t *hash, int64_t *free_) noexcept nogil:
    cdef BanTable *t = &state.bans
    cdef uint64_t hi, lo
    cdef int64_t at, bucket
    hash[0] = source_key(state, a, bits)
    bucket = <int64_t>(hash[0] & (BAN_BUCKETS - 1)) * BAN_WAYS
    source_mask(a, bits, &hi, &lo)
    free_[0] = -1
    for at in range(bucket, bucket + BAN_WAYS):
        if t.entry[at].until == 0:
            free_[0] = at
        elif t.entry[at].hi == hi and t.entry[at].lo == lo and (t.entry[at].version >> 1 & 255) == bits:
            return at
    return -1


# Frees what has expired in [first, last) of the buckets.
cdef void bans_expire(BanTable *t, uint64_t first, uint64_t last, uint64_t now) noexcept nogil:
    cdef uint64_t at
    if t.count == 0:
        return
    for at in range(first * BAN_WAYS, last * BAN_WAYS):
        if t.entry[at].until and t.entry[at].until <= now:
            ban_clear(t, at)


# A part of the table at each call, so that lengths of network which are no longer banned cost nothing.
cdef void bans_tidy(BanTable *t, uint64_t now) noexcept nogil:
    bans_expire(t, t.sweep, t.sweep + BAN_SWEEP, now)
    t.sweep = (t.sweep + BAN_SWEEP) % BAN_BUCKETS


cdef uint64_t bans_live(BanTable *t, uint64_t now) noexcept nogil:
    cdef uint64_t at, live = 0
    if t.count:
        for at in range(BAN_BUCKETS * BAN_WAYS):
            if t.entry[at].until > now:
                live += 1
    return live


# False when there is no room.
cdef bint ban_put(State *state, EaAddr *a, uint32_t bits, uint64_t until, bint forced, uint64_t now) noexcept nogil:
    cdef BanTable *t = &state.bans
    cdef uint64_t hash, hi, lo
    cdef int64_t free_, at = ban_place(state, a, bits, &hash, &free_)
    source_mask(a, bits, &hi, &lo)
    if at >= 0:
        ea_set(&t.forced, t.forced + forced - (t.entry[at].version >> 9 & 1))
        ban_write(&t.entry[at], hi, lo, bits, until, forced)
        return True
    if free_ < 0 or t.count >= BAN_ENTRIES:
        bans_expire(t, 0, BAN_BUCKETS, now)
        ban_place(state, a, bits, &hash, &free_)
    if free_ < 0 or t.count >= BAN_ENTRIES:
        t.full += 1
        return False
    ban_write(&t.entry[free_], hi, lo, bits, until, forced)
    ea_set(&t.forced, t.forced + forced)
    ban_set_tag(t, <uint64_t>free_, ban_tag(hash))
    ban_count(t, bits, 1)
    return True


cdef bint ban_lift(State *state, EaAddr *a, uint32_t bits, uint64_t now) noexcept nogil:
    cdef uint64_t hash
    cdef int64_t free_, at = ban_place(state, a, bits, &hash, &free_)
    cdef bint live
    if at < 0:
        return False
    live = state.bans.entry[at].until > now
    ban_clear(&state.bans, <uint64_t>at)
    return live


# ---- strikes ----

# Gives the source of `hash` so many strikes. 0, or how many it has had when they are too many: then it starts anew.
cdef uint32_t strike_take(CellTable *t, uint64_t hash, uint64_t now_ns, Limit *limit, uint32_t strikes) noexcept nogil:
    cdef uint64_t *bucket = cell_bucket(t, hash)
    cdef uint64_t tag = cell_tag(hash), now = now_ns >> CELL_SHIFT
    cdef uint64_t step = limit.step >> CELL_SHIFT, most = limit.tolerance // limit.step
    cdef uint64_t word, ahead, least, old, count
    cdef int i, at, tries
    if step == 0:
        step = 1
    for tries in range(4):
        at = 0
        least = CELL_AHEAD + 1
        old = 0
        for i in range(CELLS):
            word = ea_get_relaxed(&bucket[i])
            ahead = cell_ahead(word, now)
            if ahead and word >> CELL_TAG_SHIFT == tag:
                at = i
                least = ahead
                old = word
                break
            if ahead < least:
                at = i
                least = ahead
                old = word
        else:
            if least:
                t.full += 1
            least = 0
        count = (least + step - 1) // step + strikes
        if count >= most:
            if ea_swap(&bucket[at], old, 0):
                return <uint32_t>count
        elif ea_swap(&bucket[at], old, tag << CELL_TAG_SHIFT | ((now + least + strikes * step) & CELL_TIME_MASK)):
            return 0
    # Four lost races in one bucket: others of this very source were counted meanwhile.
    return 0


cdef inline bint same_network(EaAddr *a, uint64_t hi, uint64_t lo, uint32_t bits) noexcept nogil:
    cdef EaAddr b
    cdef uint64_t a_hi, a_lo, b_hi, b_lo
    b.hi = hi
    b.lo = lo
    source_mask(a, bits, &a_hi, &a_lo)
    source_mask(&b, bits, &b_hi, &b_lo)
    return a_hi == b_hi and a_lo == b_lo


# Takes so many nanoseconds off a tally.
cdef void tally_give(CellTable *t, uint64_t hash, uint64_t now_ns, uint64_t off) noexcept nogil:
    cdef uint64_t *bucket = cell_bucket(t, hash)
    cdef uint64_t tag = cell_tag(hash), now = now_ns >> CELL_SHIFT, word, ahead
    cdef int i, tries
    off >>= CELL_SHIFT
    for tries in range(4):
        for i in range(CELLS):
            word = ea_get_relaxed(&bucket[i])
            ahead = cell_ahead(word, now)
            if ahead and word >> CELL_TAG_SHIFT == tag:
                break
        else:
            return
        if ea_swap(&bucket[i], word, tag << CELL_TAG_SHIFT | ((now + ahead - off) & CELL_TIME_MASK) if ahead > off else 0):
            return


# Does [address / bits] hold an address that must never be banned? The networks of an open
# trunk don't count for its own callers, once they are proven: strangers may be forged in their names.
cdef bint strike_spared(PolicyImage *policy, EaAddr *a, uint32_t bits, bint proven) noexcept nogil:
    cdef SourceRow *row
    cdef uint32_t i
    for i in range(policy.source_count):
        row = &policy.sources[i]
        if proven and policy.peers[row.peer].open:
            continue
        if same_network(a, row.hi, row.lo, row.bits if row.bits < bits else bits):
            return True
    for i in range(policy.target_count):
        if same_network(a, policy.targets[i].address.hi, policy.targets[i].address.lo, bits):
            return True
    for i in range(policy.listener_count):
        if same_network(a, policy.listeners[i].address.hi, policy.listeners[i].address.lo, bits):
            return True
    return False


# A source's strikes: IPv4 by /32, IPv6 by /64, or by /128 where a peer lives in that /64.
cdef void strike(Screen *s, EaAddr *a, uint64_t hash, int reason, uint32_t strikes, uint16_t slot,
                 bint proven) noexcept nogil:
    cdef Worker *w = s.worker
    cdef StrikeRecord *r
    cdef uint64_t head = w.strike_head
    cdef uint32_t bits = 128 if a.v4 else 64
    cdef uint32_t count = strike_take(&s.state.strikes, hash, s.now, &s.policy.strikes, strikes)
    if EA_LIKELY(count == 0):
        return
    if strike_spared(s.policy, a, bits, proven):
        bits = 128
        if a.v4 or strike_spared(s.policy, a, bits, proven):
            return
    if head - ea_get(&w.strike_tail) >= STRIKES:
        ea_count(&w.strikes_dropped, 1)
        return
    r = &w.strikes[head & (STRIKES - 1)]
    r.time = s.now
    source_mask(a, bits, &r.network.hi, &r.network.lo)
    r.network.v4 = a.v4
    r.network.port = 0
    r.bits = <uint16_t>bits
    r.reason = <uint16_t>reason
    r.slot = slot
    r.proven = proven
    r.count = count
    ea_set(&w.strike_head, head + 1)


# A stranger's message was dropped. Its emergency call never counts, nor what wasn't its fault, nor who is on `allow`.
cdef void strike_stranger(Screen *s) noexcept nogil:
    cdef int reason = s.v.reason
    if s.v.action != ACT_DROP or s.listed == LIST_ALLOW or s.source == 0 or reason in (
            RSN_BANNED, RSN_DENIED, RSN_KEEPALIVE, RSN_REPLY_TOO_LARGE, RSN_NO_ROOM, RSN_EMERGENCY_UNKNOWN):
        return
    strike(s, &s.packet.source, s.source, reason,
           STRIKE_SCANNER if reason in (RSN_SCANNER_AGENT, RSN_SCANNER_SHAPE) else 1, 0, False)
