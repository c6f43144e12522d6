# ops/caller.pxi: who calls, and may this trunk say so.
#
# The callers a message names (From, P-Asserted-Identity, P-Preferred-Identity,
# Remote-Party-ID, Diversion, History-Info) are compared as canonical numbers,
# so a reformatted number is the same number. Contact is weight only and not
# looked at here.

cdef bint slice_has_token(const uint8_t *p, Slice value, const char *token, uint32_t n) noexcept nogil:
    cdef uint32_t i = value.off, end = value.off + value.len, k
    while i < end:
        while i < end and not EA_IS(p[i], CLS_TOKEN):
            i += 1
        k = ea_run(p, i, end, CLS_TOKEN)
        if k - i == n and ea_same_fold(p + i, token, n):
            return True
        i = k
    return False


cdef bint uri_is_anonymous(const uint8_t *p, Uri *u) noexcept nogil:
    return ((u.host.len == 17 and ea_same_fold(p + u.host.off, b"anonymous.invalid", 17))
            or (u.user.len == 9 and ea_same_fold(p + u.user.off, b"anonymous", 9))
            or (u.display.len == 9 and u.number == 0 and ea_same_fold(p + u.display.off, b"anonymous", 9)))


cdef void caller_facts(Screen *s) noexcept nogil:
    cdef Caller *c = &s.caller
    cdef Plan *plan = &s.policy.plans[s.peer.plan]
    cdef Identity *it
    cdef int i
    cdef bint private
    c.known = True
    c.forwarded = False
    c.from_ = uri_canonical(s.p, &s.m.from_, plan)
    c.asserted = 0
    for i in range(s.m.identities):
        it = &s.m.identity[i]
        if it.header == H_P_ASSERTED_IDENTITY and it.uri.number:
            if c.asserted == 0 or it.uri.scheme == SCHEME_TEL:
                c.asserted = uri_canonical(s.p, &it.uri, plan)
    if c.asserted == 0:
        for i in range(s.m.identities):
            if s.m.identity[i].header == H_P_PREFERRED_IDENTITY:
                c.asserted = uri_canonical(s.p, &s.m.identity[i].uri, plan)
    private = s.m.privacy.len != 0 and (
        slice_has_token(s.p, s.m.privacy, b"id", 2) or slice_has_token(s.p, s.m.privacy, b"user", 4)
        or slice_has_token(s.p, s.m.privacy, b"header", 6))
    c.anonymous = uri_is_anonymous(s.p, &s.m.from_) or (s.m.from_.number == 0 and private)


# caller-format: a caller that can't exist.
cdef int op_caller_format(Screen *s) noexcept nogil:
    cdef uint64_t written = s.m.from_.number
    cdef uint64_t caller = s.caller.from_
    s.found = number_value(written)
    s.limit = 0
    if s.caller.anonymous:
        caller = s.caller.asserted
        if caller == 0:
            return 0                # caller-anonymous decides
    elif written == 0:
        return RSN_CALLER_NONE
    elif caller == 0:
        s.found = number_len(written)
        return RSN_CALLER_LENGTH
    return number_impossible(s.policy, caller)


# The number that a foreign caller's call was diverted from, when it is the trunk's own; else 0.
cdef uint64_t diverted_number(Screen *s) noexcept nogil:
    cdef uint64_t number
    cdef int i
    for i in range(s.m.identities):
        if s.m.identity[i].header == H_DIVERSION or s.m.identity[i].header == H_HISTORY_INFO:
            number = uri_canonical(s.p, &s.m.identity[i].uri, &s.policy.plans[s.peer.plan])
            if number and peer_owns(s.policy, s.peer, number):
                return number
    return 0


cdef uint64_t passed_hash(State *state, uint32_t peer_id, uint64_t called, uint64_t caller) noexcept nogil:
    cdef EaSip h
    ea_sip_init(&h, state.keys.table)
    ea_key_word(&h, <uint64_t>peer_id | <uint64_t>1 << 40)
    ea_key_word(&h, called)
    ea_key_word(&h, caller)
    return ea_key_end(&h, NULL)


# caller-owned: the number must be on the trunk's list, or the call provably be one that the trunk forwards.
cdef int op_caller_owned(Screen *s) noexcept nogil:
    cdef uint64_t caller = s.caller.asserted if s.caller.anonymous else s.caller.from_
    cdef uint64_t diverted
    s.found = number_value(caller)
    s.limit = s.peer.set_count
    if caller == 0:
        # No readable number and not anonymous: nothing that could be owned (caller-format says so first).
        return 0 if s.caller.anonymous else RSN_CALLER_OWNED
    if peer_owns(s.policy, s.peer, caller):
        return 0
    diverted = diverted_number(s)
    if diverted == 0:
        return RSN_CALLER_OWNED
    s.limit = number_value(diverted)
    if s.peer.forwards_trust or mark_live(
            &s.state.leases, passed_hash(s.state, s.peer.id, diverted, caller), s.now, False):
        s.caller.forwarded = True
        return 0
    return RSN_CALLER_FORWARD


# caller-consistent: every number named as caller is the caller's own or the trunk's.
cdef int op_caller_consistent(Screen *s) noexcept nogil:
    cdef Plan *plan = &s.policy.plans[s.peer.plan]
    cdef uint64_t number, called = 0
    cdef Identity *it
    cdef int i
    s.limit = number_value(s.caller.from_)
    for i in range(s.m.identities):
        it = &s.m.identity[i]
        if it.uri.number == 0:
            continue
        number = uri_canonical(s.p, &it.uri, plan)
        s.found = number_value(it.uri.number)
        if number and (number == s.caller.from_ or peer_owns(s.policy, s.peer, number)):
            continue
        if it.header == H_HISTORY_INFO:
            # The last entry names where the call goes now (RFC 7044 §5).
            if called == 0:
                called = uri_canonical(s.p, &s.m.uri, plan)
            if s.caller.forwarded or (number and number == called):
                continue
        elif it.header == H_DIVERSION and s.caller.forwarded:
            continue                # earlier stations of a call whose last one is the trunk's
        return RSN_CALLER_CONSISTENT
    return 0


# caller-anonymous: nobody in From, and no owned number asserted instead (RFC 5079 §3).
cdef int op_caller_anonymous(Screen *s) noexcept nogil:
    s.found = number_value(s.caller.asserted)
    s.limit = 0
    if s.caller.anonymous and not (s.caller.asserted and peer_owns(s.policy, s.peer, s.caller.asserted)):
        return RSN_CALLER_ANONYMOUS
    return 0
