# ops/own_number.pxi: own-number-inbound: one of our customers' numbers as the caller of a call from outside.
#
# Legitimate once: a customer called a number of this agent's customers, and the
# cloud sent the call back in. So a call to such a number leaves a mark {called,
# caller} as it goes out. A mark is in the table of marks, bounded like all of it.
# A number that somebody else forwards back to us looks the same as a forged one,
# unless a PASSporT vouches for it.

cdef extern from *:
    """
    #define HAIRPIN_LIFE 60000000000ull
    """
    uint64_t HAIRPIN_LIFE


cdef uint64_t hairpin_hash(State *state, uint64_t called, uint64_t caller) noexcept nogil:
    cdef EaMac h
    ea_mac_start(&h, &state.keys.table, first_word(FOR_HAIRPIN, 0), called)
    ea_mac_pair(&h, caller, 0)
    return ea_mac_end(&h, NULL)


# A trunk's new call goes on: to a number of ours it may come back.
cdef void own_number_passes(Screen *s) noexcept nogil:
    cdef uint64_t called
    cdef Caller *c
    if s.v.route.flags & ROUTE_EMERGENCY:
        return
    called = uri_called(s)
    if called == 0 or number_owner(s.policy, called) == NO_PEER:
        return
    c = caller_of(s)
    if c.from_:
        mark_set(&s.state.marks, hairpin_hash(s.state, called, c.from_), s.now, HAIRPIN_LIFE)
    if c.asserted and c.asserted != c.from_:
        mark_set(&s.state.marks, hairpin_hash(s.state, called, c.asserted), s.now, HAIRPIN_LIFE)


# own-number-inbound: From's or the asserted number is ours, and neither was passed to that callee just now.
cdef int op_own_number_inbound(Screen *s) noexcept nogil:
    cdef Caller *c = caller_of(s)
    cdef uint64_t number = c.from_, called = 0
    cdef uint16_t owner
    cdef int i, reason = 0
    s.found = s.limit = 0
    if s.m.method != M_INVITE:
        return 0
    for i in range(2):
        if number and number_owner(s.policy, number) != NO_PEER:
            if called == 0:
                called = uri_called(s)
            if mark_live(&s.state.marks, hairpin_hash(s.state, called, number), s.now, False):
                return 0
            if reason == 0:
                s.found = number_value(number)
                s.limit = number_value(called)
                reason = RSN_OWN_NUMBER_INBOUND
        number = c.asserted
    if reason:
        owner = number_owner(s.policy, called)
        if owner != NO_PEER and stir_verifies(s, &s.policy.peers[owner]):
            s.unproven |= LEFT_OWN_NUMBER
            return 0
    return reason
