# ops/behaviour.pxi: dispersal, sequential, short-calls, low-answer, wangiri: is the score of this caller, or of its
# trunk, above the level?
#
# Each rule has a row of its own, so each has its mode. All of them look once: at a
# score of every pattern that isn't off, for what is recorded, and at one of those in
# enforce mode alone, for what is refused. A rule finds something when its pattern is
# part of such a score. Between the levels of warning and blocking, one call a minute
# of a subject is an event. It counts nothing: only what goes on is counted.

cdef void behaviour_weigh(Screen *s, Pattern *p) noexcept nogil:
    cdef Behaviour *b = &s.peer.behaviour
    cdef uint32_t tick = behaviour_tick(s.now), score
    cdef uint8_t found = 0
    score = pattern_score(p, b, b.on, tick, s.policy.behaviour_hold, &found)
    if score > s.behaving.score:
        s.behaving.score = score
    if pattern_blocks(s.policy, score, found):
        s.behaving.found |= found
        score = pattern_score(p, b, b.enforced, tick, s.policy.behaviour_hold, &found)
        if pattern_blocks(s.policy, score, found):
            s.behaving.enforced |= found
    elif score >= s.policy.behaviour_warn:
        if s.trace == NULL and p.told and ticks_since(tick, p.told) < TOLD_TICKS:
            return
        if s.trace == NULL:
            p.told = tick
        s.behaving.warned |= found


cdef void behaviour_look(Screen *s) noexcept nogil:
    cdef TrunkPattern *t = &s.state.behaviour.trunk[s.peer.slot]
    cdef CallerBucket *b
    cdef uint32_t tag
    cdef int way
    s.behaving.known = True
    if s.m.to_tag.len:
        return
    if EA_UNLIKELY(pattern_any(&t.pattern)):
        behaviour_weigh(s, &t.pattern)
    if not s.parties.known:
        parties_hash(s)
    tag = s.parties.tag
    if tag == NOBODY:
        return
    b = caller_bucket(&s.state.behaviour, s.policy, s.peer.slot, tag)
    if EA_LIKELY(b.hot == 0):
        return
    way = caller_way(b, tag)
    if way >= 0 and b.hot >> way & 1:
        behaviour_weigh(s, &b.caller[way].pattern)


cdef inline int behaviour_finding(Screen *s, int pattern, int reason) noexcept nogil:
    if not s.behaving.known:
        behaviour_look(s)
    s.found = s.behaving.score
    s.limit = s.policy.behaviour_block
    if EA_LIKELY((s.behaving.found | s.behaving.warned) == 0):
        return 0
    if (s.behaving.enforced if s.peer.behaviour.enforced >> pattern & 1 else s.behaving.found) >> pattern & 1:
        return reason
    return RSN_BEHAVIOUR if s.behaving.warned >> pattern & 1 else 0


cdef int op_dispersal(Screen *s) noexcept nogil:
    return behaviour_finding(s, PATTERN_DISPERSAL, RSN_DISPERSAL)


cdef int op_sequential(Screen *s) noexcept nogil:
    return behaviour_finding(s, PATTERN_SEQUENTIAL, RSN_SEQUENTIAL)


cdef int op_short_calls(Screen *s) noexcept nogil:
    return behaviour_finding(s, PATTERN_SHORT_CALLS, RSN_SHORT_CALLS)


cdef int op_low_answer(Screen *s) noexcept nogil:
    return behaviour_finding(s, PATTERN_LOW_ANSWER, RSN_LOW_ANSWER)


cdef int op_wangiri(Screen *s) noexcept nogil:
    return behaviour_finding(s, PATTERN_WANGIRI, RSN_WANGIRI)


# Names this call in a 603+ answer and in its event: the same for its copies, on every node and after a restart.
cdef uint64_t behaviour_id(Screen *s) noexcept nogil:
    return call_mac(&s.state.keys.call, first_word(FOR_EXPLAINED, 0), s.p, s.m, s.m.from_tag) or 1


cdef inline bint behaviour_answers(int reason) noexcept nogil:
    return RSN_DISPERSAL <= reason <= RSN_WANGIRI


# The Reason header of a 603+ answer (ATIS-1000099): why, whom to turn to, and the call's name.
cdef uint8_t *put_analytics(uint8_t *to, Screen *s) noexcept nogil:
    to = ea_put(to, b"Reason: SIP;cause=603;text=\"", 28)
    to = ea_copy(to, s.policy.text + s.policy.redress.off, s.policy.redress.len)
    to = ea_put(to, b";id=", 4)
    to = ea_put_hex16(to, behaviour_id(s))
    return ea_put(to, b"\";location=LN\r\n", 15)
