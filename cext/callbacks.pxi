# callbacks.pxi: who called an emergency service just now, so that the service can call back.
#
# A 2xx of the emergency upstream to an emergency call (RFC 6881 SP-40; no test
# call, and only with the hash of our own branch) opens a window for its caller:
# for `callback_seconds` calls to that number from any upstream are spared every
# rule but those of structure. The window is a mark of {trunk, number}, for
# numbers of the trunk alone and no more than `callbacks` of them at a time.
#
# The response doesn't say again who was asserted as caller: a small table keeps
# that from the INVITE on. It never lets a call in that has no way to go.

cdef enum:
    CALLBACK_UNASKED = 0
    CALLBACK_NO
    CALLBACK_YES
    ASSERTED = 4096         # calls whose asserted caller is kept; the next one of a place takes it


cdef inline uint64_t callback_key(State *state, uint32_t trunk_id, uint64_t number) noexcept nogil:
    return ea_mac_words(&state.keys.table, first_word(FOR_CALLBACK, trunk_id), number)


cdef inline AssertedCaller *callback_place(State *state, uint64_t call) noexcept nogil:
    return &state.asserted[call & (ASSERTED - 1)]


# An emergency call goes on: another caller than From's is kept until its answer. Written together, the two words prove
# each other, so that two workers in one place make no third call.
cdef void callback_expect(Screen *s) noexcept nogil:
    cdef uint64_t asserted = lane_asserted(s)
    cdef AssertedCaller *at = callback_place(s.state, s.call_key)
    if asserted:
        ea_set_relaxed(&at.number, asserted)
        ea_set_relaxed(&at.call, s.call_key ^ asserted)


cdef uint64_t callback_asserted(State *state, uint64_t call) noexcept nogil:
    cdef AssertedCaller *at = callback_place(state, call)
    cdef uint64_t number = ea_get_relaxed(&at.number)
    return number if ea_get_relaxed(&at.call) ^ number == call else 0


cdef void callback_mark(Screen *s, Peer *trunk, uint64_t number) noexcept nogil:
    cdef uint64_t until = s.now + s.policy.callback_ns, key
    if number == 0 or not peer_owns(s.policy, trunk, number):
        return
    key = callback_key(s.state, trunk.id, number)
    if not mark_live(&s.state.marks, key, s.now, False) and not rate_take_own(
            &s.state.peers[trunk.slot].callbacks, s.now, &s.policy.callbacks):
        s.state.callbacks_full += 1
        return
    mark_set(&s.state.marks, key, s.now, s.policy.callback_ns)
    if until > ea_get_relaxed(&s.state.callback_until):
        ea_set_relaxed(&s.state.callback_until, until)


# A 2xx to an emergency call, from the upstream that it went to: `trunk` asked.
cdef void callback_grant(Screen *s, uint16_t asked, uint16_t asker) noexcept nogil:
    cdef Peer *trunk
    cdef EaSum sum
    if asker == NO_PEER:
        # Its Via names another port than it sends from.
        asker = source_peer(s.policy, &s.reply_to, True)
    if asker == NO_PEER or s.policy.callback_ns == 0:
        return
    trunk = &s.policy.peers[asker]
    if trunk.kind != PEER_TRUNK or trunk.emergency_upstream != asked:
        return
    callback_mark(s, trunk, uri_canonical(s.p, &s.m.from_, &s.policy.plans[trunk.plan]))
    call_id_sum(s.state, s.p, s.m, &sum)
    callback_mark(s, trunk, callback_asserted(s.state, call_key(s.state, s.p, &sum, s.m.from_tag)))


# Is this a call from an upstream to somebody who called an emergency service just now? Every rule on calls from
# upstreams may ask; rows other than those of structure needn't.
cdef bint callback_open(Screen *s) noexcept nogil:
    cdef uint64_t number
    cdef uint16_t owner
    if EA_LIKELY(ea_get_relaxed(&s.state.callback_until) <= s.now) or s.dir != DIR_UPSTREAM:
        return False
    if s.callback == CALLBACK_UNASKED:
        s.callback = CALLBACK_NO
        if s.m.method == M_INVITE and s.m.to_tag.len == 0:
            number = uri_called(s)
            owner = number_owner(s.policy, number) if number else NO_PEER
            if owner != NO_PEER and mark_live(
                    &s.state.marks, callback_key(s.state, s.policy.peers[owner].id, number), s.now, False):
                s.callback = CALLBACK_YES
    return s.callback == CALLBACK_YES
