# ops/calls.pxi: trunk-calls: how many calls of a trunk may be up at once, counted by leases. It never ends a call that is up.

# Cheap while there is room; at the limit it looks what has expired, and whether this INVITE is of a call that is counted.
cdef int op_trunk_calls(Screen *s) noexcept nogil:
    cdef uint64_t *calls = &s.state.peers[s.peer.slot].calls[LEASE_OUT]
    s.found = ea_get_relaxed(calls)
    s.limit = s.peer.concurrent
    if EA_LIKELY(s.found < s.limit):
        return 0
    if s.trace != NULL:
        return RSN_TRUNK_CALLS
    leases_look(s.state, s.now)
    s.found = ea_get_relaxed(calls)
    return 0 if s.found < s.limit or lease_joins(s, s.peer, LEASE_OUT) else RSN_TRUNK_CALLS


# Are as many emergency calls of the trunk up as the lane takes, this one not among them?
cdef bint lane_full(Screen *s) noexcept nogil:
    cdef uint64_t *calls = &s.state.peers[s.peer.slot].calls[LEASE_EMERGENCY]
    if EA_LIKELY(ea_get_relaxed(calls) < s.policy.emergency_concurrent):
        return False
    leases_look(s.state, s.now)
    return ea_get_relaxed(calls) >= s.policy.emergency_concurrent and not lease_joins(s, s.peer, LEASE_EMERGENCY)


# A new INVITE is about to go on: it takes its lease. Another worker may have taken the
# last one since op_trunk_calls looked, so the limit is compared once more, as it is taken.
cdef void calls_forward(Screen *s) noexcept nogil:
    cdef uint64_t limit = LEASE_NO_LIMIT
    cdef int rule = s.policy.reason_rule[RSN_TRUNK_CALLS], taken
    if s.dir == DIR_UPSTREAM:
        lease_take(s, &s.policy.peers[s.v.route.peer], LEASE_IN, limit)
        return
    if s.v.route.flags & ROUTE_EMERGENCY:
        if s.lane == LANE_CALL:
            lease_take(s, s.peer, LEASE_EMERGENCY, limit)
        return
    # With a To tag it is of a call that is up since before the dialog's key was lost.
    if s.m.to_tag.len == 0 and s.peer.mode[rule] == MODE_ENFORCE:
        limit = s.peer.concurrent
    # A call that waited has passed the rules before.
    if EA_UNLIKELY(s.deferred != NULL) and s.peer.ops >> OP_TOLL_FRAUD & 1 and s.m.to_tag.len == 0:
        s.toll = toll_value(s, &s.m.uri)
    s.caller_tag = behaviour_tag(s)
    taken = lease_take(s, s.peer, LEASE_OUT, limit)
    if s.caller_tag and (taken == LEASE_TAKEN or taken == LEASE_LOST):
        behaviour_call(s)
    if EA_UNLIKELY(s.toll != 0) and taken == LEASE_LOST:
        toll_begin(s, NULL, call_again(s))
    if taken == LEASE_OVER:
        s.found = ea_get_relaxed(&s.state.peers[s.peer.slot].calls[LEASE_OUT])
        s.limit = limit
        screen_finding(s, rule, RSN_TRUNK_CALLS)
