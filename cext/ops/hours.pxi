# ops/hours.pxi: calling-hours: is it day where the callee is?
#
# A number's zone class is a set of time zones; in which of them it is day now, the
# control plane says each minute, one bit a class. So no clock and no time zone is
# known here. What has no class is closed: nobody can say that it is day there.

cdef enum:
    ZONE_WORDS = 128            # 8192 classes, as many as a prefix table has values


cdef int hours_finding(Screen *s, Uri *u) noexcept nogil:
    cdef Plan *plan = &s.policy.plans[s.peer.plan]
    cdef uint64_t number = called_reading(s, u)
    cdef uint32_t zone
    s.found = number_value(number)
    # What only the far side understands is somewhere in the trunk's country.
    if number == 0:
        number = number_pack(plan.cc, plan.cc_len)
    zone = prefix_find(s.policy.zones, number)
    return RSN_CALLING_HOURS if ea_get_relaxed(&s.peer.closed[zone >> 6]) >> (zone & 63) & 1 else 0


cdef int op_calling_hours(Screen *s) noexcept nogil:
    cdef int finding
    s.found = s.limit = 0
    if s.cookie_state != COOKIE_GOOD:
        finding = hours_finding(s, &s.m.uri)
        if finding:
            return finding
    if s.m.present >> H_REFER_TO & 1:
        return hours_finding(s, &s.m.refer_to)
    return 0
