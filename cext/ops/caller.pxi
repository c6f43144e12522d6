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


# Seven digits, before any letter, in a user part that is no number, or in a host
# without a user part: what a sloppy reader would still show as one.
cdef bint uri_hides_number(const uint8_t *p, Uri *u) noexcept nogil:
    cdef Slice text = u.user if u.user.len else u.host
    cdef uint32_t i = 0, digits = 0
    cdef uint8_t c
    if u.number:
        return False
    if u.scheme == SCHEME_OTHER:
        i = ea_find(p, u.whole.off, u.whole.off + u.whole.len, b':') + 1 - u.whole.off
        text = u.whole
    elif u.user.len == 0 and memchr(p + u.host.off, b'.', u.host.len) != NULL:
        return False
    while i < text.len and digits < 7:
        c = p[text.off + i]
        if c == b'%' and i + 2 < text.len and EA_IS(p[text.off + i + 1], CLS_HEX) and EA_IS(p[text.off + i + 2], CLS_HEX):
            c = <uint8_t>(parse_hex_digit(p[text.off + i + 1]) * 16 + parse_hex_digit(p[text.off + i + 2]))
            i += 2
        i += 1
        if 48 <= c <= 57:
            digits += 1
        elif 97 <= (c | 0x20) <= 122:
            return False
    return digits == 7


cdef bint uri_is_anonymous(const uint8_t *p, Uri *u) noexcept nogil:
    if u.number or uri_hides_number(p, u):
        return False
    return ((u.host.len == 17 and ea_same_fold(p + u.host.off, b"anonymous.invalid", 17))
            or (u.user.len == 9 and ea_same_fold(p + u.user.off, b"anonymous", 9))
            or (u.display.len == 9 and u.number == 0 and ea_same_fold(p + u.display.off, b"anonymous", 9)))


cdef Caller *caller_facts(Screen *s) noexcept nogil:
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
    c.anonymous = uri_is_anonymous(s.p, &s.m.from_) or (
        private and s.m.from_.number == 0 and not uri_hides_number(s.p, &s.m.from_))
    # The called side of a dialog has the From that the caller gave it.
    c.verified = (s.cookie_state != COOKIE_GOOD or (s.cookie.from_upstream == 0) == (s.dir == DIR_TRUNK)
                  or s.peer.mode[s.policy.reason_rule[RSN_CALLER_OWNED]] != MODE_ENFORCE)
    return c


# The message's callers, worked out for the first op that asks.
cdef inline Caller *caller_of(Screen *s) noexcept nogil:
    return &s.caller if s.caller.known else caller_facts(s)


# caller-format: a caller that can't exist, in From or asserted. Who may originate all the same is no finding: a PSAP's
# number may look like nothing.
cdef int op_caller_format(Screen *s) noexcept nogil:
    cdef Caller *c = caller_of(s)
    cdef uint64_t written = s.m.from_.number
    cdef uint64_t caller = c.from_
    cdef int reason, i
    s.found = number_value(written)
    s.limit = 0
    if c.anonymous:
        caller = c.asserted
        if caller == 0:
            return 0                # caller-anonymous decides
    elif written == 0:
        return RSN_CALLER_NONE
    elif caller == 0:
        s.found = number_len(written)
        return RSN_CALLER_LENGTH
    for i in range(2):
        reason = number_impossible(s.policy, caller)
        if EA_UNLIKELY(reason != 0) and not caller_may(s.policy, caller, s.now):
            s.found = number_value(caller)
            return reason
        if c.asserted == 0 or c.asserted == caller:
            break
        caller = c.asserted
    return 0


cdef uint64_t passed_hash(State *state, uint32_t peer_id, uint64_t called, uint64_t caller) noexcept nogil:
    cdef EaMac h
    ea_mac_start(&h, &state.keys.table, first_word(FOR_PASSED, peer_id), called)
    ea_mac_pair(&h, caller, 0)
    return ea_mac_end(&h, NULL)


# caller-owned: the number must be on the trunk's list, or the call provably be one that the trunk forwards.
cdef int op_caller_owned(Screen *s) noexcept nogil:
    cdef Caller *c = caller_of(s)
    cdef uint64_t caller = c.asserted if c.anonymous else c.from_
    cdef uint64_t diverted, passed
    cdef bint counted
    s.found = number_value(caller)
    s.limit = s.peer.set_count
    if caller == 0:
        # No readable number and not anonymous: nothing that could be owned (caller-format says so first).
        return 0 if c.anonymous else RSN_CALLER_OWNED
    if peer_owns(s.policy, s.peer, caller) or (c.anonymous and peer_pilot(s.policy, s.peer, caller)):
        return 0
    diverted = diverted_number(s)
    if diverted == 0:
        return RSN_CALLER_OWNED
    s.limit = number_value(diverted)
    passed = passed_hash(s.state, s.peer.id, diverted, caller)
    # Counted once: not in its dialog, and not again after a challenge. What is trusted beyond its share needs proof as well.
    counted = s.trace == NULL and s.cookie_state != COOKIE_GOOD and not call_again(s)
    if s.peer.forwards_trust and (not counted or rate_take_own(
            &s.state.peers[s.peer.slot].forwards, s.now, &s.peer.forwards)):
        c.forwarded = True
    elif counted:
        c.forwarded = mark_use(&s.state.marks, passed, s.now)
    else:
        c.forwarded = mark_live(&s.state.marks, passed, s.now, False)
    if not c.forwarded and stir_verifies(s, s.peer):
        # A chain of div tokens may lead here (RFC 8946), or the caller's own provider vouch for him.
        c.forwarded = True
        s.unproven |= LEFT_CALLER_FORWARD
    return 0 if c.forwarded else RSN_CALLER_FORWARD


# caller-consistent: every number named as caller is the caller's own or the trunk's.
cdef int op_caller_consistent(Screen *s) noexcept nogil:
    cdef Caller *c = caller_of(s)
    cdef Plan *plan = &s.policy.plans[s.peer.plan]
    cdef uint64_t number, called = 0
    cdef Identity *it
    cdef int i
    if s.m.present >> H_DIVERSION & 1:
        s.found = diversions(s)
        s.limit = s.peer.diversions
        if s.found > s.limit:
            return RSN_CALLER_DIVERSIONS
    s.found = 0
    s.limit = number_value(c.from_)
    for i in range(s.m.identities):
        it = &s.m.identity[i]
        if it.uri.number == 0:
            if uri_hides_number(s.p, &it.uri):
                s.found = 0
                return RSN_CALLER_CONSISTENT
            continue
        number = uri_canonical(s.p, &it.uri, plan)
        s.found = number_value(it.uri.number)
        if number and (number == c.from_ and c.verified or peer_owns(s.policy, s.peer, number)):
            continue
        if it.header == H_HISTORY_INFO:
            # The last entry names where the call goes now (RFC 7044 §5).
            if called == 0:
                called = uri_called(s)
            if c.forwarded or (number and number == called) or history_called(s, it, called):
                continue
        elif it.header == H_DIVERSION and c.forwarded:
            continue                # earlier stations of a call whose last one is the trunk's
        elif number and it.header != H_DIVERSION and peer_pilot(s.policy, s.peer, number):
            continue                # the network number of a call that presents another
        return RSN_CALLER_CONSISTENT
    if s.m.present & (<uint64_t>1 << H_PROXY_AUTHORIZATION | <uint64_t>1 << H_AUTHORIZATION):
        return credentials_number(s, c)
    return 0


# caller-anonymous: nobody in From, and no owned number asserted instead (RFC 5079 §3).
cdef int op_caller_anonymous(Screen *s) noexcept nogil:
    cdef Caller *c = caller_of(s)
    s.found = number_value(c.asserted)
    s.limit = 0
    if c.anonymous and not (c.asserted and (
            peer_owns(s.policy, s.peer, c.asserted) or peer_pilot(s.policy, s.peer, c.asserted))):
        return RSN_CALLER_ANONYMOUS
    return 0
