# ops/originate.pxi: do-not-originate: numbers that never make calls, and those that do all the same.
#
# Two kinds of lists: numbers, ranges and prefixes, and codes of the North American
# plan that nobody was given (numbering/nanpa.py), which are asked for as numbers of
# three, six and seven digits. A number that is no E.164 number is on no list: short
# codes, anonymous and malformed callers are for the other caller rules.

cdef bint caller_listed(PolicyImage *policy, uint32_t first, uint32_t count, uint64_t number,
                        uint64_t now) noexcept nogil:
    cdef uint32_t i
    for i in range(first, first + count):
        if set_has(&policy.no_callers[i], number, now):
            return True
    return False


cdef inline bint caller_may(PolicyImage *policy, uint64_t number, uint64_t now) noexcept nogil:
    return policy.may_call_count != 0 and caller_listed(
        policy, policy.no_caller_count, policy.may_call_count, number, now)


# From's number in long lists: what will be read first is fetched while other messages are parsed.
cdef inline void originate_prefetch(Screen *s) noexcept nogil:
    cdef uint64_t number
    cdef uint32_t i
    if EA_LIKELY(s.policy.no_callers_far == 0) or not s.peer.ops >> OP_DO_NOT_ORIGINATE & 1:
        return
    number = uri_canonical(s.p, &s.m.from_, &s.policy.plans[s.peer.plan])
    if number:
        for i in range(s.policy.no_caller_count):
            set_prefetch(&s.policy.no_callers[i], number)


# Is the number of an area code, an exchange or a block of a thousand that is listed as unallocated?
cdef bint caller_unallocated(PolicyImage *policy, uint64_t number, uint64_t now) noexcept nogil:
    cdef uint64_t value = number_value(number)
    cdef uint32_t first = policy.no_caller_count + policy.may_call_count, count = policy.unallocated_count
    if number_len(number) != 11 or value / POW10[10] != 1:
        return False
    value %= POW10[10]
    return (caller_listed(policy, first, count, number_pack(value / POW10[7], 3), now)
            or caller_listed(policy, first, count, number_pack(value / POW10[4], 6), now)
            or caller_listed(policy, first, count, number_pack(value / POW10[3], 7), now))


# do-not-originate: From's or the asserted number. Diversion is not asked: it names who was called, and a number that
# never makes calls may well be called and forward.
cdef int op_do_not_originate(Screen *s) noexcept nogil:
    cdef PolicyImage *policy = s.policy
    cdef Caller *c = caller_of(s)
    cdef uint64_t number = c.from_
    cdef int i, reason = 0
    s.limit = policy.no_caller_count + policy.unallocated_count
    for i in range(2):
        if number:
            if caller_listed(policy, 0, policy.no_caller_count, number, s.now):
                reason = RSN_DO_NOT_ORIGINATE
            elif policy.unallocated_count and caller_unallocated(policy, number, s.now):
                reason = RSN_CALLER_UNALLOCATED
            if EA_UNLIKELY(reason != 0):
                s.found = number_value(number)
                if not caller_may(policy, number, s.now):
                    return reason
                reason = 0
        number = c.asserted if c.asserted != c.from_ else 0
    s.found = number_value(c.from_)
    return 0
