# ops/limits.pxi: source-rate and trunk-rate, and the small budgets of ACK, grace and the emergency lane.

cdef enum:
    ENDS = 10


cdef uint64_t source_key(State *state, EaAddr *a, uint32_t bits) noexcept nogil:
    cdef EaMac h
    cdef uint64_t hi, lo
    source_mask(a, bits, &hi, &lo)
    ea_mac_start(&h, &state.keys.table, hi, lo)
    ea_mac_pair(&h, bits, 0)
    return ea_mac_end(&h, NULL)


# source-rate: messages of one unknown source or open trunk's caller (IPv4 /32, IPv6 /64), then of the networks
# around it: /24; /56 and /48. Its own key is s.source. Of an open trunk's caller who is proven only his own counts:
# he pays for nobody who is forged beside him.
cdef int op_source_rate(Screen *s) noexcept nogil:
    cdef EaAddr *a = &s.packet.source
    cdef int taken
    s.found = 0
    s.limit = s.policy.source_rate.step
    if s.trace != NULL:
        return 0
    EA_PREFETCH(cell_bucket(&s.state.strikes, s.source))
    taken = rate_take(&s.state.rates, s.source, s.now, &s.policy.source_rate)
    if taken == RATE_OVER:
        return RSN_SOURCE_RATE
    if taken == RATE_FULL:
        return RSN_SOURCE_TABLE_FULL
    if not a.v4:
        s.limit = s.policy.site_rate.step
        if rate_take(&s.state.rates, source_key(s.state, a, 56), s.now, &s.policy.site_rate) == RATE_OVER:
            return 0 if s.peer != NULL and caller_proven(s, s.source) else RSN_PREFIX_RATE
    s.limit = s.policy.prefix_rate.step
    if rate_take(&s.state.rates, source_key(s.state, a, 120 if a.v4 else 48), s.now,
                 &s.policy.prefix_rate) == RATE_OVER:
        return 0 if s.peer != NULL and caller_proven(s, s.source) else RSN_PREFIX_RATE
    return 0


# What a 401 or 407 that passed here leaves behind: this call may come again, uncounted, once.
cdef uint64_t challenge_hash(State *state, const uint8_t *p, SipMsg *m, uint32_t peer_id) noexcept nogil:
    return call_mac(&state.keys.table, first_word(FOR_CHALLENGE, peer_id), p, m, m.from_tag)


# What explain and events are told: how much of the burst is used, in calls, and how many it
# holds. A part of a call is none: at the limit nothing passes.
cdef inline void limit_found(Screen *s, uint64_t used, Limit *limit) noexcept nogil:
    s.found = (used + limit.step - 1) / limit.step
    s.limit = limit.tolerance / limit.step


# Is this a resubmission after 401/407? Its mark is taken, so it is asked for once and several rules see the answer.
cdef bint call_again(Screen *s) noexcept nogil:
    cdef uint64_t credentials = <uint64_t>1 << H_AUTHORIZATION | <uint64_t>1 << H_PROXY_AUTHORIZATION
    if not s.m.present & credentials:
        return False
    if s.again == AGAIN_UNASKED:
        s.again = AGAIN_YES if mark_live(&s.state.marks, challenge_hash(s.state, s.p, s.m, s.peer.id), s.now,
                                         s.trace == NULL) else AGAIN_NO
    return s.again == AGAIN_YES


# trunk-rate: new calls of a trunk. A resubmission after 401/407 is the same call.
cdef int op_trunk_rate(Screen *s) noexcept nogil:
    cdef uint64_t *cell = &s.state.peers[s.peer.slot].rate
    cdef uint64_t used
    if EA_LIKELY(s.trace == NULL) and (call_again(s) or rate_take_own(cell, s.now, &s.peer.rate)):
        return 0
    used = ea_get_relaxed(cell)
    limit_found(s, used - s.now if used > s.now else 0, &s.peer.rate)
    return 0 if s.trace != NULL and (s.found < s.limit or call_again(s)) else RSN_TRUNK_RATE


# A proven dialog's own small rate, so that a cookie is no pass for a flood. ACK, BYE and
# CANCEL have one of their own, ENDS times as large: held back they would only prolong the call.
cdef int dialog_limit(Screen *s) noexcept nogil:
    cdef Limit limit = s.policy.dialog_rate
    cdef bint ends = s.m.method == M_ACK or s.m.method == M_BYE or s.m.method == M_CANCEL
    cdef Slice tag
    cdef int taken
    if s.trace != NULL or s.cookie.emergency:
        return 0
    if ends:
        limit.step = limit.step / ENDS + 1
    tag = s.m.from_tag if (s.cookie.from_upstream != 0) == (s.dir == DIR_UPSTREAM) else s.m.to_tag
    taken = rate_take(&s.state.rates, call_mac(&s.state.keys.table, first_word(
        FOR_DIALOG_END if ends else FOR_DIALOG, s.cookie.peer_id), s.p, s.m, tag), s.now, &limit)
    if taken == RATE_FULL and not ends:
        # No cell left for this dialog: it is counted with its peer's other odds and ends.
        return 0 if other_limit(s) == 0 else RSN_DIALOG_RATE
    return RSN_DIALOG_RATE if taken == RATE_OVER else 0


# The budget of a request outside a dialog that opens no call.
cdef inline int method_kind(Screen *s) noexcept nogil:
    if s.m.method == M_REGISTER:
        return BUDGET_REGISTER
    if s.m.method == M_OPTIONS:
        return BUDGET_OPTIONS
    if s.m.method == M_SUBSCRIBE:
        return BUDGET_SUBSCRIBE
    return BUDGET_MESSAGE if s.m.method == M_MESSAGE else BUDGET_OTHER


# trunk-rate, of requests outside a dialog that open no call: each kind has a budget, so that
# none takes another's place and no number can be tried by OPTIONS at the rate of calls.
cdef int op_method_rate(Screen *s) noexcept nogil:
    cdef int kind = method_kind(s)
    cdef uint64_t *cell
    cdef uint64_t used
    cell = &s.state.peers[s.peer.slot].method[kind]
    used = ea_get_relaxed(cell)
    limit_found(s, used - s.now if used > s.now else 0, &s.peer.method_rate[kind])
    if s.trace != NULL:
        return RSN_METHOD_RATE if s.found >= s.limit else 0
    return 0 if rate_take_own(cell, s.now, &s.peer.method_rate[kind]) else RSN_METHOD_RATE


# What is counted with its peer's other odds and ends.
cdef int other_limit(Screen *s) noexcept nogil:
    if s.trace != NULL or rate_take_own(&s.state.peers[s.peer.slot].other, s.now, &s.policy.ack_budget):
        return 0
    return RSN_TRUNK_RATE


# The lane's own limits: 0 to route, or RSN_EMERGENCY_LIMIT. Above the trunk's rate, a
# caller's first call in `per_caller` from an owned number has a second budget of the
# same size; a repeated call is never refused while the first budget has room.
cdef int lane_limits(Screen *s) noexcept nogil:
    cdef PeerCells *cells = &s.state.peers[s.peer.slot]
    cdef uint64_t caller = lane_caller(s), mark = 0
    cdef bint fresh = True
    if s.trace != NULL:
        return 0
    if s.lane == LANE_TEST:
        # A budget of their own: tests never take an emergency call's place.
        return 0 if rate_take_own(&cells.emergency_test, s.now, &s.policy.emergency_rate) else RSN_EMERGENCY_LIMIT
    if caller:
        mark = passed_hash(s.state, s.peer.id, <uint64_t>1 << 63, caller)
        fresh = not mark_live(&s.state.marks, mark, s.now, False)
    if lane_full(s) or not rate_take_own(&cells.emergency, s.now, &s.policy.emergency_rate):
        if not (fresh and lane_owned(s) and rate_take_own(&cells.emergency_owned, s.now, &s.policy.emergency_rate)):
            return RSN_EMERGENCY_LIMIT
    if caller and fresh:
        mark_set(&s.state.marks, mark, s.now, s.policy.emergency_caller_ns)
    return 0


# dialog: an in-dialog request must prove its dialog; during `grace` a few may go on as new ones.
cdef int op_dialog(Screen *s) noexcept nogil:
    s.found = s.cookie_state
    s.limit = COOKIE_GOOD
    if s.cookie_state == COOKIE_GOOD:
        return 0
    if s.m.to_tag.len == 0:
        # These exist inside a dialog only (RFC 3261 §15.1, RFC 3262, RFC 3311, RFC 6086).
        if s.m.method in (M_BYE, M_PRACK, M_UPDATE, M_INFO):
            return RSN_DIALOG_PROOF
        return 0
    if s.now >= s.policy.grace_until:
        return RSN_DIALOG_PROOF
    if s.trace == NULL and not rate_take_own(&s.state.peers[s.peer.slot].grace, s.now, &s.policy.dialog_grace):
        return RSN_DIALOG_GRACE
    return 0
