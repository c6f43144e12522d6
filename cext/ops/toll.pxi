# ops/toll.pxi: toll-fraud: may one more call go to a dear prefix?
#
# What a prefix is and costs the policy's table says, whose longest prefix decides;
# nearly every number is told by its first three digits to be under none. What was
# used is toll.pxi's. A call is compared with the budgets of its trunk, its class of
# prefixes, its caller and, outside of business hours, with a smaller one of the trunk.
# Above the share that warns a finding is recorded, once until the budget has drained
# below it. It takes nothing: calls_forward does, of calls that go on.
#
# It never looks at an emergency call, and never ends a call that is up.

cdef extern from *:
    """
    #define TOLL_CALM 0.9           /* of the share that warns: below it the next warning is told again */
    """
    const double TOLL_CALM


# The rate of the called number, 0: it isn't dear.
cdef uint16_t toll_value(Screen *s, Uri *u) noexcept nogil:
    cdef uint64_t number[READINGS]
    cdef uint64_t value
    cdef uint32_t digits, lead, i
    if s.policy.toll == NULL:
        return 0
    for i in range(called_numbers(s, u, number)):
        digits = number_len(number[i])
        if digits < 3:
            continue
        value = number_value(number[i])
        lead = <uint32_t>(value / POW10[digits - 3])
        if EA_LIKELY(s.policy.toll.lead[lead >> 6] >> (lead & 63) & 1 == 0):
            continue
        s.found = value
        lead = prefix_find(s.policy.toll, number[i])
        if s.policy.toll_rates[lead].cls:
            return <uint16_t>lead
    return 0


# Whose calls these are counted as, 0: nobody's.
cdef inline uint64_t toll_number(Screen *s) noexcept nogil:
    cdef Caller *c = caller_of(s)
    return c.asserted if c.anonymous else c.from_


# What this meter says of one more call: RSN_ of the first limit that is reached, or of the first warning that is due.
# `first` is the reason of this scope's calls; those of minutes and money stand behind it, in the order of the measures.
cdef int toll_look(Screen *s, TollMeter *m, const double *limit, int first) noexcept nogil:
    cdef double level, most, unit
    cdef int k, warns = 0
    for k in range(TOLL_MEASURES):
        most = limit[k]
        if most <= 0:
            continue
        unit = 100.0 if k == TOLL_MONEY else 1.0
        level = toll_level(m, k, s.now)
        if level + (1 if k == TOLL_CALLS else 0) > most or (k != TOLL_CALLS and level >= most):
            s.found = <uint64_t>(level * unit + 0.5)
            s.limit = <uint64_t>(most * unit + 0.5)
            return first + k
        level += 1 if k == TOLL_CALLS else 0
        if level < most * s.peer.toll.warn * TOLL_CALM:
            if s.trace == NULL:
                m.warned &= ~(<uint32_t>1 << k)
        elif level >= most * s.peer.toll.warn and not m.warned >> k & 1:
            if s.trace == NULL:
                m.warned |= <uint32_t>1 << k
            if not warns:
                warns = RSN_TOLL_WARNING_CALLS + k
                s.found = <uint64_t>(level * unit + 0.5)
                s.limit = <uint64_t>(most * unit + 0.5)
    return warns


# A reason that stops comes before one that warns; among equals the first.
cdef inline int toll_worse(int before, int now) noexcept nogil:
    return now if before == 0 or (ea_reasons[before].status == 0 and now and ea_reasons[now].status) else before


cdef int toll_finding(Screen *s, uint16_t rate) noexcept nogil:
    cdef TollLimits *limits = s.peer.toll
    cdef TollTrunk *t = &s.state.toll.trunk[s.peer.slot]
    cdef uint8_t cls = s.policy.toll_rates[rate].cls
    cdef TollCaller *c
    cdef uint64_t number = toll_number(s), found = s.found, limit = 0
    cdef int reason = 0, next, i
    if not toll_lock(&s.state.toll):
        return 0
    for i in range(4):
        next = 0
        if i == 0:
            next = toll_look(s, &t.meter[TOLL_WHOLE], limits.trunk, RSN_TOLL_CALLS)
        elif i == 1:
            next = toll_look(s, &t.meter[TOLL_FIRST_CLASS + cls - 1], limits.cls[cls - 1], RSN_TOLL_CLASS_CALLS)
        elif i == 2 and s.peer.toll_off:
            next = toll_look(s, &t.meter[TOLL_OFF], limits.off, RSN_TOLL_OFF_HOURS_CALLS)
        elif i == 3 and number:
            c = toll_caller(s.state, s.peer.id, number)
            # One who hasn't called yet has an empty meter, which even a limit of one call lets pass.
            next = toll_look(s, &c.meter, limits.caller, RSN_TOLL_CALLER_CALLS) if c != NULL else 0
        if next and toll_worse(reason, next) == next:
            reason = next
            found = s.found
            limit = s.limit
    toll_unlock(&s.state.toll)
    s.found = found
    s.limit = limit
    return reason


# toll-fraud: a new call, or a transfer, to a dear number while a budget is used up.
cdef int op_toll_fraud(Screen *s) noexcept nogil:
    cdef int finding = 0
    cdef uint16_t rate
    s.found = s.limit = 0
    if s.cookie_state != COOKIE_GOOD:
        s.toll = toll_value(s, &s.m.uri)
        if EA_UNLIKELY(s.toll != 0):
            finding = toll_finding(s, s.toll)
            if finding and ea_reasons[finding].status:
                return finding
    if s.m.present >> H_REFER_TO & 1:
        rate = toll_value(s, &s.m.refer_to)
        if rate:
            finding = toll_worse(finding, toll_finding(s, rate))
            if s.trace == NULL and (finding == 0 or ea_reasons[finding].status == 0
                                    or s.peer.mode[s.policy.reason_rule[finding]] == MODE_MONITOR):
                # The far side makes this call, unseen: that it is one is all that can be counted.
                s.toll = rate
                toll_begin(s, NULL, False)
                s.toll = 0
    return finding


# A trunk's redirection is a call of the cloud's that the trunk asks for: each Contact as a Request-URI of the trunk's
# own. The first one that a rule refuses makes a refusal of it.
cdef void redirect_callees(Screen *s) noexcept nogil:
    cdef int reason, op
    cdef uint16_t rate
    cdef uint32_t i
    # No rule stands between an emergency service that calls back and who called it.
    if EA_UNLIKELY(ea_get_relaxed(&s.state.callback_until) > s.now) and mark_live(
            &s.state.marks, callback_key(s.state, s.peer.id, uri_canonical(
                s.p, &s.m.to, &s.policy.plans[s.peer.plan])), s.now, False):
        return
    for i in range(s.m.contacts if s.m.contacts < MAX_CONTACTS else MAX_CONTACTS):
        if not s.peer.asserts & ASSERT_ROUTING and uri_routing(s.p, &s.m.contact[i]) & ROUTING_NUMBER:
            lane_refuses(s, RSN_TARGET_ROUTING)
            return
    for op in range(OP_DESTINATION, OP_DO_NOT_CALL + 1):
        if not s.peer.ops >> op & 1:
            continue
        for i in range(s.m.contacts if s.m.contacts < MAX_CONTACTS else MAX_CONTACTS):
            s.found = s.limit = 0
            if op == OP_DESTINATION:
                reason = destination_finding(s, &s.m.contact[i])
            elif op == OP_DO_NOT_CALL:
                reason = do_not_call_finding(s, &s.m.contact[i])
            else:
                rate = toll_value(s, &s.m.contact[i])
                reason = toll_finding(s, rate) if rate else 0
            if reason == 0:
                continue
            if s.peer.mode[s.policy.op_rule[op]] == MODE_ENFORCE and ea_reasons[reason].status:
                lane_refuses(s, reason)
                s.v.value = s.found
                s.v.limit = s.limit
                return
            screen_finding(s, s.policy.op_rule[op], reason)
