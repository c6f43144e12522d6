# ops/parties.pxi: caller-rate and callee-rate: new calls of one caller, and to one called number.
#
# Numbers are canonical, so a reformatted number is the same number, and hashed
# with their peer under a random key: nobody can choose numbers that meet in one
# bucket, and one peer's flood uses up no other peer's cells. A bucket that is
# full all the same refuses nobody: those without a cell share a budget of CROWD
# callers (or called numbers) of that peer.
#
# Above the rate of a called number, those who have called it before have a second
# budget of the same size, and those whose number is vouched for a third. A mark says who did: it counts a minute later, and what
# passes while the first budget is under pressure leaves none, so a flood doesn't
# make itself known. It never looks at a call
# of the emergency lane, at a copy, or at a request inside a dialog.

cdef enum:
    CROWD = 32


cdef uint64_t called_number(Screen *s) noexcept nogil:
    cdef Plan *plan = &s.policy.plans[s.peer.plan]
    cdef Uri *u = &s.m.refer_to if s.m.method == M_REFER else &s.m.uri
    cdef uint64_t number = uri_called(s) if s.m.method != M_REFER else uri_canonical(s.p, u, plan)
    if number == 0 and u.number == 0 and u.user.len != 0 and u.user.len <= 120:
        # A service code or a post-dial part around it.
        number = emergency_dialled(s.p + u.user.off, u.user.len)
        if number:
            number = number_canonical(number, plan)
    return number


cdef uint64_t party_hash(Screen *s, uint64_t number, Purpose purpose) noexcept nogil:
    return ea_mac_words(&s.state.keys.table, first_word(purpose, s.peer.id), number)


cdef void parties_hash(Screen *s) noexcept nogil:
    cdef Caller *c = caller_of(s)
    cdef uint64_t caller, called = called_number(s)
    caller = c.asserted if c.anonymous else c.from_
    s.parties.known = True
    s.parties.called = called
    s.parties.tag = NOBODY
    if caller:
        s.parties.caller = party_hash(s, caller, FOR_CALLER)
        s.parties.tag = caller_tag(s.parties.caller ^ (party_turn(s.source) if EA_UNLIKELY(s.peer.open) else 0))
    if called:
        s.parties.callee = party_hash(s, called, FOR_CALLEE)
        if caller:
            # Two keyed hashes that nobody outside knows make a third.
            s.parties.pair = s.parties.caller ^ party_turn(s.parties.callee)


cdef inline uint64_t party_turn(uint64_t hash) noexcept nogil:
    return hash << 32 | hash >> 32


# What the two ops and those of behaviour will look up is fetched while other messages are parsed.
cdef inline void parties_prefetch(Screen *s) noexcept nogil:
    if not (s.peer.mode[s.policy.reason_rule[RSN_CALLER_RATE]] or s.peer.mode[s.policy.reason_rule[RSN_CALLEE_RATE]]
            or s.peer.behaviour.on):
        return
    parties_hash(s)
    EA_PREFETCH(cell_bucket(&s.state.rates, s.parties.caller))
    EA_PREFETCH(cell_bucket(&s.state.rates, s.parties.callee))
    EA_PREFETCH(cell_bucket(&s.state.callers, s.parties.pair))
    caller_prefetch(s)


# Those whose bucket is full: what CROWD of them may have, together. It is counted by the table.
cdef bint crowd_take(uint64_t *cell, uint64_t now, Limit *each) noexcept nogil:
    cdef Limit all_
    all_.step = each.step / CROWD + 1
    all_.tolerance = each.tolerance
    return rate_take_own(cell, now, &all_)


cdef int op_caller_rate(Screen *s) noexcept nogil:
    cdef Limit *limit = &s.peer.caller_rate
    cdef uint64_t used
    cdef int taken
    if not s.parties.known:
        parties_hash(s)
    s.found = s.limit = 0
    if s.parties.caller == 0 or call_again(s):
        return 0
    if s.trace != NULL:
        limit_found(s, rate_used(&s.state.rates, s.parties.caller, s.now), limit)
        return RSN_CALLER_RATE if s.found >= s.limit else 0
    taken = rate_count(&s.state.rates, s.parties.caller, s.now, limit, &used)
    if taken == RATE_PASS or (taken == RATE_FULL and crowd_take(
            &s.state.peers[s.peer.slot].crowd_caller, s.now, limit)):
        return 0
    limit_found(s, used, limit)
    return RSN_CALLER_RATE


# Has this caller called the number before? A mark that a longer life made is an old one.
cdef bint party_known(Screen *s) noexcept nogil:
    cdef uint64_t ahead, life = s.peer.callee_known_ns >> CELL_SHIFT
    if s.parties.pair == 0:
        return False
    ahead = rate_used(&s.state.callers, s.parties.pair, s.now) >> CELL_SHIFT
    return ahead != 0 and (ahead > life or ahead + CALLER_RECENT <= life)


cdef int op_callee_rate(Screen *s) noexcept nogil:
    cdef Limit *limit = &s.peer.callee_rate
    cdef uint64_t used
    cdef int taken
    if not s.parties.known:
        parties_hash(s)
    s.found = s.limit = 0
    if s.parties.callee == 0 or call_again(s):
        return 0
    if s.trace != NULL:
        return callee_look(s, limit)
    taken = rate_count(&s.state.rates, s.parties.callee, s.now, limit, &used)
    if taken == RATE_PASS:
        if s.parties.pair and 2 * used < limit.tolerance:
            mark_renew(&s.state.callers, s.parties.pair, s.now, s.peer.callee_known_ns)
        return 0
    if taken == RATE_FULL and crowd_take(&s.state.peers[s.peer.slot].crowd_callee, s.now, limit):
        return 0
    if party_known(s):
        if rate_take(&s.state.rates, party_turn(s.parties.callee), s.now, limit) == RATE_PASS:
            mark_renew(&s.state.callers, s.parties.pair, s.now, s.peer.callee_known_ns)
            return 0
    if EA_UNLIKELY(stir_said(s)) and callee_vouched(s):
        return 0
    if EA_UNLIKELY(stir_may_vouch(s)):
        s.unproven |= LEFT_CALLEE_RATE      # counted once it is verified: a bad signature uses nothing up
        return 0
    limit_found(s, used, limit)
    return RSN_CALLEE_RATE


# Has the budget of those whose number is vouched for room for this call? Then it is counted.
cdef bint callee_vouched(Screen *s) noexcept nogil:
    return rate_take(&s.state.rates, ~party_turn(s.parties.callee), s.now, &s.peer.callee_rate) == RATE_PASS


cdef int callee_look(Screen *s, Limit *limit) noexcept nogil:
    limit_found(s, rate_used(&s.state.rates, s.parties.callee, s.now), limit)
    if s.found < s.limit:
        return 0
    if party_known(s):
        limit_found(s, rate_used(&s.state.rates, party_turn(s.parties.callee), s.now), limit)
        if s.found < s.limit:
            return 0
    if stir_said(s):
        limit_found(s, rate_used(&s.state.rates, ~party_turn(s.parties.callee), s.now), limit)
        if s.found < s.limit:
            return 0
    return RSN_CALLEE_RATE
