# ops/do_not_call.pxi: do-not-call: is the called number on a list, or did somebody ask not to be called?
#
# The number is the one that destination and emergency go by, so that no spelling
# leads past a list. One that is too long for its country is also asked for as the
# switches behind us would cut it: digits that stand behind a whole number lead nowhere
# else. It never looks at an emergency call, nor at a call back to who made one.

# RSN_ of the list that has the number, or 0.
cdef int callee_listed(Screen *s, uint64_t number) noexcept nogil:
    cdef PolicyImage *policy = s.policy
    cdef uint32_t i
    for i in range(policy.no_callee_count):
        if set_has(&policy.no_callees[i], number, s.now):
            return RSN_DO_NOT_CALL
    if s.state.requests.count and request_has(s.state, number, s.peer.id):
        return RSN_DO_NOT_CALL_REQUEST
    return 0


# The called number in long lists: what will be read first is fetched while other messages are parsed.
cdef inline void do_not_call_prefetch(Screen *s) noexcept nogil:
    cdef uint64_t number
    cdef uint32_t i
    if EA_LIKELY(s.policy.no_callees_far == 0) or not s.peer.ops >> OP_DO_NOT_CALL & 1:
        return
    number = uri_called(s)
    if number:
        for i in range(s.policy.no_callee_count):
            set_prefetch(&s.policy.no_callees[i], number)


cdef int do_not_call_finding(Screen *s, Uri *u) noexcept nogil:
    cdef uint64_t number[READINGS]
    cdef uint32_t i
    cdef int reason = 0
    for i in range(called_numbers(s, u, number)):
        if number[i]:
            reason = callee_finding(s, number[i])
            if reason:
                return reason
    s.found = number_value(number[0])
    return 0


cdef int callee_finding(Screen *s, uint64_t number) noexcept nogil:
    cdef uint64_t value = number_value(number), shorter
    cdef uint32_t digits = number_len(number), cc_len, mask = 0, n
    cdef int reason
    s.found = value
    reason = callee_listed(s, number)
    if reason:
        return reason
    for cc_len in range(1, 4):
        if digits <= cc_len:
            return 0
        mask = s.policy.cc_lengths[value / POW10[digits - cc_len]]
        if mask:
            break
    n = digits - cc_len
    if EA_LIKELY(mask >> n & 1) or mask == 0:
        return 0
    while n > 1:
        n -= 1
        if mask >> n & 1:
            shorter = number_pack(value / POW10[digits - cc_len - n], cc_len + n)
            reason = callee_listed(s, shorter)
            if reason:
                s.found = number_value(shorter)
                return reason
    return 0


# do-not-call: a new call, or a transfer, to a number that isn't to be called.
cdef int op_do_not_call(Screen *s) noexcept nogil:
    cdef int finding
    s.found = 0
    s.limit = s.policy.no_callee_count
    if s.policy.no_callee_count == 0 and ea_get_relaxed(&s.state.requests.count) == 0:
        return 0
    if s.cookie_state != COOKIE_GOOD:
        finding = do_not_call_finding(s, &s.m.uri)
        if finding:
            return finding
    if s.m.present >> H_REFER_TO & 1:
        return do_not_call_finding(s, &s.m.refer_to)
    return 0
