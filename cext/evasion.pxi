# evasion.pxi: a refused request that comes again in another form: the filter is being tried out.
#
# Of each trunk, and of each stranger and open trunk's caller (by address), the last
# REFUSED_KEPT refusals are kept for EVASION_LIFE: who called whom, canonical, and a sum
# of how it was written. What comes from there afterwards, whatever becomes of it, is
#
#   the same parties, written in another way          reformatted, or a field changed
#   the same parties, by another method               switched
#   the same callee from another caller               another caller ID
#   the same caller to a number beside                the next number
#
# and each is one attempt. The very same again is a retry, other parties are another
# call: neither counts. So many attempts that the settings of `sweep` call it trying
# are a finding: strikes for a stranger, an event for a trunk. A caller of an open trunk
# is struck for so many attempts whose refusals he acknowledged (callers.pxi). It refuses
# nothing, and never looks at an emergency call, at a copy or at what is inside a dialog.

cdef extern from *:
    """
    #define EVASION_LIFE 300000000000ull
    #define KEY_EVASION 0xd6e8feb86659fd93ull
    """
    uint64_t EVASION_LIFE, KEY_EVASION

cdef enum:
    EVASION_BESIDE = 3          # numbers so far from a refused one are the next ones
    EVADERS = 4096              # strangers and callers that are kept; the next one of a place takes it


# Who calls or is called: the last digits of its number (0: not known yet), or a sum of its name.
cdef uint32_t evasion_party(Screen *s, Uri *u, uint64_t number) noexcept nogil:
    cdef Plan *plan = &s.policy.plans[s.peer.plan if s.peer != NULL else 0]
    cdef EaSum sum
    if number == 0:
        number = uri_canonical(s.p, u, plan)
    if number == 0:
        number = called_dialled(s.p + u.user.off, u.user.len, plan)
    if number:
        return <uint32_t>number_value(number) or 1
    ea_sum_init(&sum, s.state.keys.sum)
    ea_sum_slice(&sum, s.p + u.user.off, u.user.len)
    return <uint32_t>ea_sum_mac(&sum, &s.state.keys.table) or 1


# How it is written: what a sender may change from one attempt to the next without calling somebody else.
cdef uint32_t evasion_written(Screen *s) noexcept nogil:
    cdef uint64_t headers = (
        <uint64_t>1 << H_P_ASSERTED_IDENTITY | <uint64_t>1 << H_P_PREFERRED_IDENTITY | <uint64_t>1 << H_REMOTE_PARTY_ID
        | <uint64_t>1 << H_DIVERSION | <uint64_t>1 << H_PRIVACY)
    cdef EaSum sum
    cdef int i
    ea_sum_init(&sum, s.state.keys.sum)
    ea_sum_slice(&sum, s.p + s.m.uri.whole.off, s.m.uri.whole.len)
    ea_sum_slice(&sum, s.p + s.m.from_.whole.off, s.m.from_.whole.len)
    ea_sum_slice(&sum, s.p + s.m.from_.display.off, s.m.from_.display.len)
    ea_sum_slice(&sum, s.p + s.m.to.whole.off, s.m.to.whole.len)
    ea_sum_slice(&sum, s.p + s.m.user_agent.off, s.m.user_agent.len)
    if s.m.method == M_REFER:
        ea_sum_slice(&sum, s.p + s.m.refer_to.whole.off, s.m.refer_to.whole.len)
    if EA_LIKELY(not s.m.present & headers):
        return <uint32_t>ea_sum_mac(&sum, &s.state.keys.table)
    for i in range(s.m.rows):
        if headers >> s.m.row[i].id & 1:
            ea_sum_tagged(&sum, s.p + s.m.row[i].value, s.m.row[i].value_len, s.m.row[i].id)
    return <uint32_t>ea_sum_mac(&sum, &s.state.keys.table)


cdef inline bint evasion_beside(uint32_t one, uint32_t other) noexcept nogil:
    return one - other + EVASION_BESIDE <= 2 * EVASION_BESIDE


# The very same as one that was refused: the same text calls the same parties.
cdef bint evasion_retry(Evader *e, uint32_t written, uint8_t method) noexcept nogil:
    cdef int i
    for i in range(REFUSED_KEPT):
        if e.refused[i].caller and e.refused[i].written == written and e.refused[i].method == method:
            return True
    return False


# Is this an attempt to get a refused request through?
cdef bint evasion_is(Evader *e, uint32_t caller, uint32_t callee) noexcept nogil:
    cdef Refused *r
    cdef int i
    for i in range(REFUSED_KEPT):
        r = &e.refused[i]
        if r.caller and (r.callee == callee or (r.caller == caller and evasion_beside(r.callee, callee))):
            return True
    return False


# Was this refused for what it says, not for how much there is of it?
cdef inline bint evasion_refused(Screen *s) noexcept nogil:
    if s.peer == NULL:
        return s.v.action == ACT_DROP
    return s.v.action == ACT_ANSWER and s.v.status in (403, 405, 416, 420, 433, 603)


cdef void evasion_finding(Screen *s, uint32_t count) noexcept nogil:
    cdef int rule = s.policy.reason_rule[RSN_EVASION]
    s.v.monitored |= <uint64_t>1 << rule
    if s.v.finding == 0:
        s.v.finding = RSN_EVASION
    if s.v.action == ACT_FORWARD or s.peer == NULL:
        s.v.value = count
        s.v.limit = s.policy.evasion.tolerance // s.policy.evasion.step
    if s.peer == NULL and s.listed != LIST_ALLOW:
        strike(s, &s.packet.source, s.source, RSN_EVASION, STRIKE_FINDING, 0, False)


# A request that was decided, where the rule isn't off.
cdef inline void evasion_ask(Screen *s) noexcept nogil:
    cdef int rule = s.policy.reason_rule[RSN_EVASION]
    if s.peer.mode[rule] if s.peer != NULL else s.policy.unknown_mode[rule]:
        evasion_look(s)


# What one source sends is kept by one worker mostly; where another holds its entry, this
# one isn't looked at.
cdef void evasion_look(Screen *s) noexcept nogil:
    cdef uint64_t key
    cdef uint32_t caller, callee, written, count
    cdef Evader *e
    cdef bint refused
    if s.m.to_tag.len or s.lane != LANE_NONE or s.v.repeated or s.trace != NULL or s.dir == DIR_UPSTREAM:
        return
    if s.m.method == M_ACK or s.m.method == M_CANCEL or s.v.reason == RSN_EMERGENCY_UNKNOWN:
        return
    # Most strangers send one message, and what that was is never asked for.
    if s.peer == NULL and rate_used(&s.state.strikes, s.source, s.now) == 0:
        return
    refused = evasion_refused(s)
    if s.peer != NULL and not s.peer.open:
        key = first_word(FOR_EVADER, s.peer.id)
        e = &s.state.evaders[EVADERS + s.peer.slot]
    else:
        key = s.source
        e = &s.state.evaders[(s.source >> 16) & (EVADERS - 1)]
    if EA_LIKELY(not refused and (e.key != key or ea_get_relaxed(&e.until) <= s.now)):
        return
    if not ea_swap(&e.lock, 0, 1):
        return
    if e.key != key or e.until <= s.now:
        if e.key != key and e.until > s.now:
            s.state.evaders_gone += 1
        memset(e.refused, 0, sizeof(e.refused))
        e.key = key
    written = evasion_written(s)
    if evasion_retry(e, written, s.m.method):
        ea_set_relaxed(&e.until, s.now + EVASION_LIFE)
        ea_set(&e.lock, 0)
        return
    caller = evasion_party(s, &s.m.from_, s.caller.from_ if s.caller.known else 0)
    callee = evasion_party(s, &s.m.refer_to if s.m.method == M_REFER else &s.m.uri,
                           s.parties.called if s.parties.known else 0)
    count = 0
    if evasion_is(e, caller, callee):
        count = strike_take(&s.state.strikes, key ^ KEY_EVASION, s.now, &s.policy.evasion, 1)
        if s.peer != NULL and s.peer.open and s.peer.mode[s.policy.reason_rule[RSN_EVASION]] == MODE_ENFORCE:
            caller_refused(s, RSN_EVASION)
    if refused:
        memmove(&e.refused[1], &e.refused[0], (REFUSED_KEPT - 1) * sizeof(Refused))
        e.refused[0].caller = caller
        e.refused[0].callee = callee
        e.refused[0].written = written
        e.refused[0].method = s.m.method
        ea_set_relaxed(&e.until, s.now + EVASION_LIFE)
    ea_set(&e.lock, 0)
    if EA_UNLIKELY(count != 0):
        evasion_finding(s, count)


cdef uint64_t evaders_live(State *state, uint64_t now) noexcept nogil:
    cdef uint64_t i, live = 0
    for i in range(EVADERS + MAX_PEERS + 1):
        live += ea_get_relaxed(&state.evaders[i].until) > now
    return live
