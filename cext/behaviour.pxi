# behaviour.pxi: what callers and trunks do: sketches and statistics of calls that went on, and the patterns in them.
#
# A subject is a trunk, or one caller of it (canonical number; of an open trunk by
# address too). Counted is only what nobody else can make up: an INVITE that took a
# new lease (so no copy, fork or resubmission), and answers whose branch hash was
# good, which leases.pxi matches to that call. Emergency calls, calls back and what
# is inside a dialog take no such lease, so they never count for or against anybody.
#
# Each subject has eight decaying counts in 1/256, the numbers last called, and which
# numbers it has called: two generations of bits, the older one given up when the
# newer is a quarter full. A number that meets a set bit by chance is missed, so what
# is found weighs more by the same chance (linear counting, K.-Y. Whang et al., 1990).
# A fresh number within REACH of one of the numbers last called is a near one: steps
# of one, two or three, interleaved walks and small shuffled windows all are.
#
# A pattern is a share of these counts above its threshold, once the subject has made
# enough calls for long enough; at a trunk it has to last besides, so that one bad
# caller is found before its trunk is. Its weight counts fully while it is there and
# for `hold` after, and is then forgotten by halves; a score is the sum. What a found caller did is taken
# out of its trunk's counts, unless more than FOUND_MOST of them were found lately:
# then it is the trunk that changes callers.
#
# Callers sit in buckets of eight; each trunk has a stretch of buckets of its own, so
# nobody's flood makes another trunk's callers give way. In a full bucket the one with
# the fewest calls does, and the new one inherits its rank (space-saving, A. Metwally
# et al., 2005). It never looks at a message that isn't counted, and never decides.

cdef extern from *:
    """
    #define TICK_SHIFT 24                   /* 16.8 ms */
    #define TICK_MASK 0x7fffffffu
    #define BEHAVIOUR_RANG 0x80000000u
    #define STORY_UP 1u                     /* no tag has this bit */
    #define ONE_CALL 256u
    #define COUNT_FULL (1u << 30)
    #define TOLD_TICKS 3576u                /* a minute between two warnings of one subject */
    """
    uint32_t TICK_SHIFT, TICK_MASK, BEHAVIOUR_RANG, STORY_UP, ONE_CALL, COUNT_FULL, TOLD_TICKS

cdef enum:
    NOBODY = 4                  # a caller tag: counted with its trunk alone
    REACH = 16                  # numbers so far apart are near
    FOUND_MOST = 3
    NOTE_CALL = -1
    NOTE_SPINS = 200
    FORGOTTEN = 16 * 24         # sixteenths of a half-life after which nothing is left
    FADED = 48                  # and after which a pattern is no part of a score's reason

# 65536 * 2 ** (-i / 16)
cdef uint32_t[16] AGED
AGED[:] = [65536, 62757, 60097, 57549, 55109, 52773, 50535, 48393, 46341, 44376, 42495, 40693, 38968, 37316, 35734, 34219]


cdef inline uint32_t behaviour_tick(uint64_t now) noexcept nogil:
    return <uint32_t>(now >> TICK_SHIFT) & TICK_MASK or 1


# Another worker's clock may be a little ahead.
cdef inline uint32_t ticks_since(uint32_t now, uint32_t then) noexcept nogil:
    cdef uint32_t passed = (now - then) & TICK_MASK
    return passed if passed <= TICK_MASK >> 1 else 0


cdef inline uint32_t faded(uint32_t value, uint32_t sixteenths) noexcept nogil:
    return <uint32_t>(<uint64_t>value * AGED[sixteenths & 15] >> 16 >> (sixteenths >> 4))


cdef inline bint behaviour_lock(BehaviourTable *t, uint64_t *lock) noexcept nogil:
    cdef int i
    for i in range(NOTE_SPINS):
        if ea_swap(lock, 0, 1):
            return True
    t.contended += 1
    return False


# ---- one subject ----

cdef void pattern_age(Pattern *p, uint32_t tick, uint32_t step) noexcept nogil:
    cdef uint32_t n = ticks_since(tick, p.aged), i
    if n < step:
        return
    n //= step
    if n >= FORGOTTEN:
        memset(p.n, 0, sizeof(p.n))
        p.aged = tick
        return
    for i in range(COUNTS):
        p.n[i] = faded(p.n[i], n)
    p.aged = (p.aged + n * step) & TICK_MASK


# A call to `callee` (its hash; 0: a name that is no number), whose last digits are `number`.
cdef void pattern_call(Pattern *p, uint32_t *near, uint32_t near_count, uint64_t *seen, uint32_t size, uint64_t callee,
                       uint32_t number) noexcept nogil:
    cdef uint32_t words = size >> 6, at, i, weight
    cdef uint64_t bit = <uint64_t>1 << (callee & 63)
    cdef uint64_t *now_
    cdef uint64_t *before
    p.n[COUNT_CALLS] += ONE_CALL
    if callee == 0:
        return
    at = <uint32_t>(callee >> 6) & (words - 1)
    now_ = seen + (words if p.half else 0)
    before = seen + (0 if p.half else words)
    if now_[at] & bit:
        return
    if not before[at] & bit:
        weight = ONE_CALL * size // (size - p.bits[0]) * size // (size - p.bits[1])
        p.n[COUNT_FRESH] += weight
        if number:
            if ea_near(near, near_count, number, REACH):
                p.n[COUNT_NEAR] += weight
            near[p.next] = number
            p.next = p.next + 1 if p.next + 1 < near_count else 0
        if p.n[COUNT_FRESH] >= COUNT_FULL:
            for i in range(COUNTS):
                p.n[i] >>= 1
    # One that is called again stays known.
    now_[at] |= bit
    p.bits[0] += 1
    if 4 * p.bits[0] >= size:
        memset(before, 0, words * 8)
        p.half ^= 1
        p.bits[1] = p.bits[0]
        p.bits[0] = 0


cdef inline void pattern_set(Pattern *p, int pattern, bint there, uint32_t tick, uint32_t last) noexcept nogil:
    if not there:
        p.begun[pattern] = 0
    else:
        if p.begun[pattern] == 0:
            p.begun[pattern] = tick
        if ticks_since(tick, p.begun[pattern]) >= last:
            p.at[pattern] = tick


# Which patterns are there? `last`: ticks that one must have been there for.
cdef void pattern_look(Pattern *p, Behaviour *b, uint32_t calls, uint32_t learn, uint32_t last, uint32_t tick) noexcept nogil:
    cdef uint32_t need = calls * ONE_CALL
    cdef uint64_t fresh = p.n[COUNT_FRESH], answered = p.n[COUNT_ANSWERED], ends = p.n[COUNT_ENDS]
    if p.n[COUNT_CALLS] < need or ticks_since(tick, p.since) < learn:
        return
    pattern_set(p, PATTERN_DISPERSAL, 256 * fresh >= <uint64_t>b.share[PATTERN_DISPERSAL] * p.n[COUNT_CALLS], tick, last)
    pattern_set(p, PATTERN_SEQUENTIAL, 2 * fresh >= need
                and 256 * <uint64_t>p.n[COUNT_NEAR] >= b.share[PATTERN_SEQUENTIAL] * fresh, tick, last)
    # Of all that were answered, not of those that ended: at first only short ones have.
    pattern_set(p, PATTERN_SHORT_CALLS, 4 * answered >= need
                and 256 * <uint64_t>p.n[COUNT_SHORT] >= b.share[PATTERN_SHORT_CALLS] * answered, tick, last)
    pattern_set(p, PATTERN_LOW_ANSWER, 2 * ends >= need
                and (256 * answered <= b.share[PATTERN_LOW_ANSWER] * ends
                     or 256 * <uint64_t>p.n[COUNT_REFUSED] >= b.refused * ends), tick, last)
    pattern_set(p, PATTERN_WANGIRI, 2 * ends >= need
                and 256 * <uint64_t>p.n[COUNT_RUNG] >= b.share[PATTERN_WANGIRI] * ends, tick, last)


# The score of the patterns whose bits are in `on`; those that are part of it go into `found`.
cdef uint32_t pattern_score(Pattern *p, Behaviour *b, uint32_t on, uint32_t tick, uint32_t step, uint8_t *found) noexcept nogil:
    cdef uint32_t score = 0, n
    cdef int i
    found[0] = 0
    for i in range(PATTERNS):
        if p.at[i] == 0 or not on >> i & 1:
            continue
        n = ticks_since(tick, p.at[i]) // step
        n = n - 16 if n > 16 else 0
        if n < FADED:
            score += faded(b.weight[i], n)
            found[0] |= 1 << i
    return score


# Is that a score that blocks? Short calls raise one and never make one alone: an FCC finding calls part of them essential.
cdef inline bint pattern_blocks(PolicyImage *policy, uint32_t score, uint8_t found) noexcept nogil:
    return score >= policy.behaviour_block and (found & ~(1 << PATTERN_SHORT_CALLS)) != 0


cdef inline bint pattern_any(Pattern *p) noexcept nogil:
    return (p.at[0] | p.at[1] | p.at[2] | p.at[3] | p.at[4]) != 0


cdef void pattern_note(Pattern *p, uint32_t *near, uint32_t near_count, uint64_t *seen, uint32_t size, int what,
                       uint64_t callee, uint32_t number, uint32_t tick) noexcept nogil:
    if what == NOTE_CALL:
        if p.n[COUNT_CALLS] < ONE_CALL:
            p.since = tick          # all before is forgotten: it is learnt anew
        pattern_call(p, near, near_count, seen, size, callee, number)
        return
    p.n[what] += ONE_CALL
    if what != COUNT_SHORT and what != COUNT_ENDS:
        p.n[COUNT_ENDS] += ONE_CALL


# ---- callers ----

# Never 0, STORY_UP or NOBODY.
cdef inline uint32_t caller_tag(uint64_t hash) noexcept nogil:
    return <uint32_t>(hash >> 32) & ~STORY_UP | 2


cdef inline CallerBucket *caller_bucket(BehaviourTable *t, PolicyImage *policy, uint16_t slot, uint32_t tag) noexcept nogil:
    cdef uint64_t at = <uint64_t>slot * policy.behaviour_share + (<uint64_t>tag * policy.behaviour_share >> 32)
    return &t.caller[at if at < t.buckets else 0]


cdef inline int caller_way(CallerBucket *b, uint32_t tag) noexcept nogil:
    cdef int i
    for i in range(CALLER_WAYS):
        if b.tag[i] == tag:
            return i
    return -1


# An empty place, or that of the one with the fewest calls.
cdef inline int caller_least(CallerBucket *b) noexcept nogil:
    cdef int i, way = 0
    for i in range(CALLER_WAYS):
        if b.tag[i] == 0:
            return i
        if b.rank[i] < b.rank[way]:
            way = i
    return way


# The place of a caller who isn't there.
cdef int caller_take(BehaviourTable *t, CallerBucket *b, uint32_t tag, uint32_t tick, uint32_t step) noexcept nogil:
    cdef uint32_t n = ticks_since(tick, b.aged) // (16 * step)
    cdef int i, way
    if n:
        b.aged = tick
        for i in range(CALLER_WAYS):
            b.rank[i] = <uint16_t>(b.rank[i] >> (n if n < 15 else 15))
    way = caller_least(b)
    if b.tag[way]:
        t.evicted += 1
    b.tag[way] = 0
    b.hot &= ~(<uint32_t>1 << way)
    memset(&b.caller[way], 0, sizeof(CallerPattern))
    b.caller[way].pattern.since = b.caller[way].pattern.aged = tick
    b.tag[way] = tag
    return way


# The first line of a caller's bucket.
cdef inline void caller_prefetch(Screen *s) noexcept nogil:
    if s.peer.behaviour.on:
        EA_PREFETCH(caller_bucket(&s.state.behaviour, s.policy, s.peer.slot, s.parties.tag))


# The rest, when that is there and tells where the caller is or will be.
cdef inline void caller_prefetch_place(Screen *s) noexcept nogil:
    cdef uint32_t tag = s.parties.tag
    cdef CallerBucket *b
    cdef uint8_t *line
    cdef int way
    if tag == NOBODY or not s.peer.behaviour.on:
        return
    b = caller_bucket(&s.state.behaviour, s.policy, s.peer.slot, tag)
    way = caller_way(b, tag)
    line = <uint8_t *>&b.caller[way if way >= 0 else caller_least(b)]
    for way in range(<int>(sizeof(CallerPattern) + 63) // 64):
        EA_PREFETCH(line + 64 * way)


# Counts for a caller. True: it is over the level that blocks, so it isn't counted for its trunk. What it did so far
# goes into `out` when it comes to be.
cdef bint caller_note(Screen *s, Peer *trunk, uint32_t tag, int what, uint64_t callee, uint32_t number, uint32_t tick,
                      Pattern *out) noexcept nogil:
    cdef BehaviourTable *t = &s.state.behaviour
    cdef CallerBucket *b = caller_bucket(t, s.policy, trunk.slot, tag)
    cdef Pattern *p
    cdef uint32_t score
    cdef uint8_t found
    cdef int way, i
    cdef bint over
    if not behaviour_lock(t, &b.lock):
        return False
    way = caller_way(b, tag)
    if way < 0 and what == NOTE_CALL:
        way = caller_take(t, b, tag, tick, s.policy.behaviour_step)
    if way < 0:
        ea_set(&b.lock, 0)
        return False
    if what == NOTE_CALL:
        if b.rank[way] == 65535:
            for i in range(CALLER_WAYS):
                b.rank[i] >>= 1
        b.rank[way] += 1
    p = &b.caller[way].pattern
    pattern_age(p, tick, s.policy.behaviour_step)
    pattern_note(p, b.caller[way].near, NEAR_CALLER, b.caller[way].seen, SEEN_CALLER, what, callee, number, tick)
    pattern_look(p, &trunk.behaviour, s.policy.behaviour_calls, s.policy.behaviour_learn, 0, tick)
    over = False
    if EA_UNLIKELY(pattern_any(p)):
        b.hot |= <uint32_t>1 << way
        score = pattern_score(p, &trunk.behaviour, trunk.behaviour.on, tick, s.policy.behaviour_hold, &found)
        over = pattern_blocks(s.policy, score, found)
        if over and not p.out:
            out[0] = p[0]
            out.out = 1
        p.out = over
    ea_set(&b.lock, 0)
    return over


# ---- what is counted ----

# A call that goes on (NOTE_CALL), or what became of one (a COUNT_).
cdef void behaviour_note(Screen *s, Peer *trunk, uint32_t tag, int what, uint64_t callee, uint32_t number) noexcept nogil:
    cdef TrunkPattern *t = &s.state.behaviour.trunk[trunk.slot]
    cdef uint32_t tick = behaviour_tick(s.now)
    cdef Pattern out
    cdef int i
    cdef bint found
    out.out = 0
    found = tag != NOBODY and caller_note(s, trunk, tag, what, callee, number, tick, &out)
    if found and not out.out and t.pattern.n[COUNT_FOUND] <= FOUND_MOST * ONE_CALL:
        return
    if not behaviour_lock(&s.state.behaviour, &t.lock):
        return
    if t.pattern.aged == 0:
        t.pattern.aged = tick
    pattern_age(&t.pattern, tick, s.policy.behaviour_step)
    if EA_UNLIKELY(out.out):
        t.pattern.n[COUNT_FOUND] += ONE_CALL
        for i in range(COUNT_FOUND):
            if t.pattern.n[COUNT_FOUND] <= FOUND_MOST * ONE_CALL:
                t.pattern.n[i] -= out.n[i] if out.n[i] < t.pattern.n[i] else t.pattern.n[i]
    if not found or t.pattern.n[COUNT_FOUND] > FOUND_MOST * ONE_CALL:
        pattern_note(&t.pattern, t.near, NEAR_TRUNK, t.seen, SEEN_TRUNK, what, callee, number, tick)
    pattern_look(&t.pattern, &trunk.behaviour, s.policy.behaviour_trunk_calls, s.policy.behaviour_learn,
                 2 * s.policy.behaviour_learn, tick)
    ea_set(&t.lock, 0)


# Who calls, for the lease of this call: 0 where the call isn't counted.
cdef uint32_t behaviour_tag(Screen *s) noexcept nogil:
    if not s.peer.behaviour.on or s.dir != DIR_TRUNK or s.lane != LANE_NONE or s.m.to_tag.len or s.trace != NULL:
        return 0
    if not s.parties.known:
        parties_hash(s)
    return s.parties.tag


# A call that was counted nowhere yet goes on.
cdef void behaviour_call(Screen *s) noexcept nogil:
    cdef Uri *u = &s.m.refer_to if s.m.method == M_REFER else &s.m.uri
    cdef uint64_t callee = s.parties.callee, called = s.parties.called
    if EA_UNLIKELY(callee == 0):
        called = called_reading(s, u)
        if called:
            callee = party_hash(s, called, FOR_CALLEE)
        elif u.user.len:
            callee = text_mac(&s.state.keys.table, first_word(FOR_NAME, s.peer.id), s.p, u.user)
    behaviour_note(s, s.peer, s.caller_tag, NOTE_CALL, callee, <uint32_t>number_value(called))


# A final answer to the INVITE of a call, its first, `waited` ticks after its ring began: what it counts as; -1: nothing.
cdef int behaviour_end(Screen *s, Peer *trunk, uint32_t waited) noexcept nogil:
    cdef int status = s.m.status
    if status < 300:
        return COUNT_ANSWERED
    # Challenged, redirected; or the cloud's own trouble, which is nobody's behaviour.
    if status < 400 or status == 401 or status == 407 or status // 100 == 5:
        return -1
    if status == 487:
        return COUNT_RUNG if waited <= trunk.behaviour.ring_ticks else COUNT_ENDS
    # 603 says it for whom it was analysed, or who declined it; 607 and 608 as well.
    return COUNT_REFUSED if status in (404, 410, 484, 604, 603, 607, 608) else COUNT_ENDS


# A slot that another trunk has now: nothing of the one before is held against it.
cdef void behaviour_purge(State *state, uint16_t slot) noexcept nogil:
    memset(&state.behaviour.trunk[slot], 0, sizeof(TrunkPattern))


# ---- the table ----

cdef bint behaviour_init(BehaviourTable *t, uint64_t bytes) noexcept nogil:
    memset(t, 0, sizeof(BehaviourTable))
    t.trunk_bytes = (MAX_PEERS + 1) * sizeof(TrunkPattern)
    if bytes < t.trunk_bytes + (MAX_PEERS + 1) * sizeof(CallerBucket):
        bytes = t.trunk_bytes + (MAX_PEERS + 1) * sizeof(CallerBucket)
    t.buckets = (bytes - t.trunk_bytes) // sizeof(CallerBucket)
    t.bytes = t.trunk_bytes + t.buckets * sizeof(CallerBucket)
    t.trunk = <TrunkPattern *>ea_table_alloc(t.trunk_bytes)
    t.caller = <CallerBucket *>ea_table_alloc(t.buckets * sizeof(CallerBucket))
    return t.trunk != NULL and t.caller != NULL


cdef void behaviour_done(BehaviourTable *t) noexcept nogil:
    munmap(t.trunk, t.trunk_bytes)
    munmap(t.caller, t.buckets * sizeof(CallerBucket))


# How many callers are known. A bucket's tags are written one by one; a count needn't be exact.
cdef uint64_t behaviour_live(BehaviourTable *t) noexcept nogil:
    cdef uint64_t i, live = 0
    cdef int k
    for i in range(t.buckets):
        for k in range(CALLER_WAYS):
            live += t.caller[i].tag[k] != 0
    return live


# The stretch of buckets of one trunk, where `slots` peers have one each. A power of two, so that few reloads move them.
cdef uint32_t behaviour_share(BehaviourTable *t, uint32_t slots) noexcept nogil:
    cdef uint32_t stretches = 1
    while stretches < slots and stretches < MAX_PEERS + 1:
        stretches *= 2
    if stretches > MAX_PEERS + 1:
        stretches = MAX_PEERS + 1
    return <uint32_t>(t.buckets // stretches)
