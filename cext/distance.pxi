# distance.pxi: how far away a trunk's messages come from: the hop count that IP leaves in them (TTL, RFC 8200 hop limit).
#
# Who writes a trunk's address on packets of his own sees no answer to them and is
# rarely as many hops away. So the distance is learnt from messages that prove that
# their sender reads what we send (a dialog's cookie, an ACK with our To tag, an
# answer with our branch), for ten minutes each time, and what opens something new
# is compared with it; one hop more or less is the same route. Where nothing is
# learnt, nothing is found. Only trunks whose `distance` says so.
#
# Two marks a lesson: "this address has been measured", and "at this distance".

cdef extern from *:
    """
    #define DISTANCE_KEEP 600000000000ull
    """
    uint64_t DISTANCE_KEEP


cdef uint64_t distance_hash(Screen *s, uint32_t distance) noexcept nogil:
    cdef EaMac h
    ea_mac_start(&h, &s.state.keys.table, first_word(FOR_DISTANCE, s.peer.id), distance)
    ea_mac_pair(&h, s.packet.source.hi, s.packet.source.lo)
    return ea_mac_end(&h, NULL)


# This message's sender is who he says he is.
cdef inline void distance_learn(Screen *s) noexcept nogil:
    if EA_LIKELY(s.peer.distance == MODE_OFF) or s.packet.distance == 0 or s.trace != NULL:
        return
    # The second ends first: no address is known without the distance that goes with it.
    mark_set(&s.state.marks, distance_hash(s, s.packet.distance), s.now, DISTANCE_KEEP + 1000000000)
    mark_set(&s.state.marks, distance_hash(s, 0), s.now, DISTANCE_KEEP)


cdef bint distance_other(Screen *s) noexcept nogil:
    cdef uint32_t d = s.packet.distance
    if d == 0 or not mark_live(&s.state.marks, distance_hash(s, 0), s.now, False):
        return False
    return not (mark_live(&s.state.marks, distance_hash(s, d), s.now, False)
                or mark_live(&s.state.marks, distance_hash(s, d + 1), s.now, False)
                or (d > 1 and mark_live(&s.state.marks, distance_hash(s, d - 1), s.now, False)))


# A request that opens something, from another distance than the trunk's own: True when that decides.
cdef bint distance_finding(Screen *s) noexcept nogil:
    if not distance_other(s):
        return False
    s.v.value = s.packet.distance
    s.v.limit = 0
    if s.peer.distance == MODE_ENFORCE:
        decide(s, ACT_ANSWER, RSN_SOURCE_HOPS)
        return True
    s.v.finding = RSN_SOURCE_HOPS
    s.v.monitored |= <uint64_t>1 << s.policy.reason_rule[RSN_SOURCE_HOPS]
    s.v.refusable |= <uint64_t>1 << s.policy.reason_rule[RSN_SOURCE_HOPS]
    return False
