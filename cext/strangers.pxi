# strangers.pxi: what becomes of messages that are nobody's or an open trunk's caller's, before and after they are parsed.
#
# Most are dropped unread. It answers no stranger but an emergency call.

# A finding on a stranger's message, by the rule's mode for strangers: it decides, or is only recorded.
cdef bint screen_stranger(Screen *s, int reason) noexcept nogil:
    cdef int rule = s.policy.reason_rule[reason]
    if reason == 0 or s.policy.unknown_mode[rule] == MODE_OFF:
        return False
    s.v.value = s.found
    s.v.limit = s.limit
    if s.policy.unknown_mode[rule] == MODE_MONITOR:
        s.v.monitored |= <uint64_t>1 << rule
        return False
    decide(s, ACT_DROP, reason)
    return True


# A source that no peer's longer network claims, or an open trunk's caller, and the lists of networks.
cdef int screen_listed(Screen *s) noexcept nogil:
    if s.policy.listed.count == 0:
        return 0
    s.listed = <uint8_t>list_match(&s.policy.listed, &s.packet.source, s.now)
    return RSN_DENIED if s.listed == LIST_DENY else 0


# What a stranger or an open trunk's caller pays before it is read. True when it is read no further.
cdef bint screen_unread(Screen *s) noexcept nogil:
    cdef int reason = screen_listed(s)
    s.source = source_key(s.state, &s.packet.source, 128 if s.packet.source.v4 else 64)
    if reason == 0 and s.listed != LIST_ALLOW:
        reason = op_banned(s)
        s.v.value = s.found
    if s.peer != NULL:
        if not caller_unread(s, reason):
            return False
    elif reason:
        decide(s, ACT_DROP, reason)
    elif not screen_stranger(s, op_source_rate(s)):
        return False
    screen_pass_over(s)
    return True


# Decided before it was read.
cdef void screen_pass_over(Screen *s) noexcept nogil:
    s.m.kind = KIND_ERROR
    s.m.reason = s.v.reason
    s.m.rows = 0
    s.m.method = M_UNKNOWN


# Port 0 is nobody's: the kernel sends nothing there, so a call from there could never be answered.
cdef void screen_portless(Screen *s) noexcept nogil:
    decide(s, ACT_DROP, RSN_SOURCE_PORT)
    screen_pass_over(s)


# A source that nobody configured: never forwarded. Only an emergency call is told so, and all strangers together are
# told no more than their budget: their addresses may be forged, and the answers then go to others.
cdef void screen_unknown(Screen *s) noexcept nogil:
    if s.m.reason:
        decide(s, ACT_DROP, s.m.reason)
        return
    if s.m.kind == KIND_RESPONSE:
        decide(s, ACT_DROP, RSN_RESPONSE_SOURCE)
        return
    if s.m.method == M_INVITE and emergency_match(&s.policy.emergencies[0], s.p, &s.m.uri) == LANE_CALL:
        decide(s, ACT_ANSWER if s.trace != NULL or rate_take_own(
            &s.state.peers[0].answers, s.now, &s.policy.unknown_answers) else ACT_DROP, RSN_EMERGENCY_UNKNOWN)
        return
    if not screen_stranger(s, op_scanner(s)):
        decide(s, ACT_DROP, RSN_UNKNOWN_SOURCE)
