# stir.pxi: Identity headers on their way through: which calls are verified or signed, what is told of it, and to whom.
#
# Verifying and making signatures is the control plane's (edge_agent/stir/); a call
# that needs it waits in deferred.pxi. Here stands what the pump knows: who must be
# asked, what holds when nobody answers, the verstat that the called side sees, and
# the Reason that the calling side is told (RFC 9410). It reads no token.

cdef enum:
    STIR_TOLD_FOR = 200     # s: the longest that a call rings
    LEFT_CALLEE_RATE = 1    # findings that a verification settles
    LEFT_CALLER_FORWARD = 2
    LEFT_OWN_NUMBER = 4

cdef const char *VERSTAT_TEXT[4]
VERSTAT_TEXT[:] = [b"", b";verstat=TN-Validation-Passed", b";verstat=TN-Validation-Failed", b";verstat=No-TN-Validation"]

# What bits of `unproven` stand for.
cdef int LEFT_REASONS[3]
LEFT_REASONS[:] = [RSN_CALLEE_RATE, RSN_CALLER_FORWARD, RSN_OWN_NUMBER_INBOUND]

# One reason of each cause that a Reason header may name; the sentence is the same.
cdef int STIR_CAUSES[5]
STIR_CAUSES[:] = [RSN_PASSPORT_STALE, RSN_IDENTITY_MISSING, RSN_CERTIFICATE_UNAVAILABLE, RSN_CERTIFICATE_PATH,
                  RSN_IDENTITY_SYNTAX]


# Whose number an Identity header vouches for (ATIS-1000074 §5.2.1): the asserted one, tel before sip, else From's. An
# assertion counts where its sender has the right to it (RFC 3325 §5, §8), or as a number that the agent itself knows to be
# the trunk's: what the called side is told to believe is what was compared.
cdef Uri *stir_uri(PolicyImage *policy, Peer *peer, const uint8_t *p, SipMsg *m) noexcept nogil:
    cdef Plan *plan = &policy.plans[peer.plan]
    cdef Uri *found = &m.from_
    cdef Identity *it
    cdef uint64_t number
    cdef int i
    for i in range(m.identities):
        it = &m.identity[i]
        if it.header != H_P_ASSERTED_IDENTITY or it.uri.number == 0:
            continue
        if found != &m.from_ and it.uri.scheme != SCHEME_TEL:
            continue
        number = uri_canonical(p, &it.uri, plan)
        if number and (peer.asserts & ASSERT_PAI or (peer.kind == PEER_TRUNK and (
                peer_owns(policy, peer, number) or peer_pilot(policy, peer, number)
                or number == uri_canonical(p, &m.from_, plan)))):
            found = &it.uri
    return found


cdef uint64_t stir_caller(PolicyImage *policy, Peer *peer, const uint8_t *p, SipMsg *m) noexcept nogil:
    return uri_canonical(p, stir_uri(policy, peer, p, m), &policy.plans[peer.plan])


# Is the number that an Identity header of ours would vouch for the trunk's own?
cdef bint stir_owned(Screen *s) noexcept nogil:
    cdef uint64_t caller = stir_caller(s.policy, s.peer, s.p, s.m)
    return caller != 0 and peer_owns(s.policy, s.peer, caller)


# Would this finding refuse, but for its rule's mode? Tagged calls are refused for their number alone, or as copies.
cdef bint stir_refusable(PolicyImage *policy, Peer *trunk, int reason) noexcept nogil:
    if reason == RSN_CERTIFICATE_UNAVAILABLE and not policy.stir_reject:
        return False
    return trunk.mode[policy.reason_rule[reason]] == MODE_MONITOR and (
        trunk.stir == STIR_REQUIRE or reason in (RSN_ATTESTATION_RATE, RSN_SIGNER_RATE, RSN_STIR_REPLAY))


# A finding on a verification, by the trunk's settings: True when it decides, else it is only recorded.
cdef bint stir_finding(Screen *s, Peer *trunk, int reason) noexcept nogil:
    cdef int rule = s.policy.reason_rule[reason]
    if trunk.stir == STIR_REQUIRE and trunk.mode[rule] == MODE_ENFORCE:
        decide(s, ACT_ANSWER, reason)
        return True
    if stir_refusable(s.policy, trunk, reason):
        s.v.refusable |= <uint64_t>1 << rule
    stir_record(s, reason)
    return False


cdef void stir_record(Screen *s, int reason) noexcept nogil:
    if s.v.monitored == 0:
        s.v.finding = <uint16_t>reason
    s.v.monitored |= <uint64_t>1 << s.policy.reason_rule[reason]
    s.v.told = <uint8_t>reason


# Nobody could be asked, or nobody answered in time: what the settings say of a certificate that can't be had.
cdef void stir_unanswered(Screen *s, Peer *trunk) noexcept nogil:
    s.v.verstat = VERSTAT_UNKNOWN
    if s.policy.stir_reject:
        stir_finding(s, trunk, RSN_CERTIFICATE_UNAVAILABLE)
    else:
        stir_record(s, RSN_CERTIFICATE_UNAVAILABLE)


# Do this trunk's settings look at Identity headers at all?
cdef inline bint stir_looks(Screen *s, Peer *trunk) noexcept nogil:
    return trunk.stir != STIR_IGNORE and trunk.mode[s.policy.reason_rule[RSN_IDENTITY_MISSING]] != MODE_OFF


# Will this new call's Identity headers be verified, as this trunk's settings say?
cdef bint stir_verifies(Screen *s, Peer *trunk) noexcept nogil:
    return (stir_looks(s, trunk)
            and s.m.present >> H_IDENTITY & 1 and s.m.method == M_INVITE and s.m.to_tag.len == 0 and s.trace == NULL)


# Does the sender say that it has verified the caller's number, and may it say so?
cdef bint stir_said(Screen *s) noexcept nogil:
    cdef Uri *u
    cdef Slice user, one
    if not s.peer.asserts & ASSERT_VERSTAT:
        return False
    u = stir_uri(s.policy, s.peer, s.p, s.m)
    if u.number == 0:
        return False
    if u.scheme == SCHEME_TEL:
        one = verstat_next(s.p, u.user.off + u.user.len, u.whole.off + u.whole.len, PART_PARAMS)
    else:
        user = uri_userinfo(u)
        one = verstat_next(s.p, user.off, user.off + user.len, PART_USER)
    return one.len == 29 and ea_same_fold(s.p + one.off, b";verstat=tn-validation-passed", 29)


# Will the caller's number be vouched for, if this call's Identity headers verify?
cdef bint stir_may_vouch(Screen *s) noexcept nogil:
    cdef uint16_t subject = s.peer_index if s.dir == DIR_TRUNK else number_owner(s.policy, uri_called(s))
    return subject != NO_PEER and stir_verifies(s, &s.policy.peers[subject])


# What was left open until the verification holds where that vouches for nobody, unless a reload turned its rule off
# meanwhile; a number that many call has room for so many only who are vouched for.
cdef void stir_unproven(Screen *s, uint32_t left) noexcept nogil:
    cdef bint passed = s.v.verstat == VERSTAT_PASSED
    cdef int i, reason
    for i in range(3):
        reason = LEFT_REASONS[i]
        if EA_LIKELY(not left >> i & 1) or s.v.action == ACT_ANSWER or s.peer.mode[s.policy.reason_rule[reason]] == MODE_OFF:
            continue
        s.found = number_value(caller_of(s).from_)
        s.limit = 0
        if reason == RSN_CALLEE_RATE:
            parties_hash(s)
            limit_found(s, rate_used(&s.state.rates, s.parties.callee, s.now), &s.peer.callee_rate)
            if passed and callee_vouched(s):
                continue
        elif passed:
            continue
        screen_finding(s, s.policy.reason_rule[reason], reason)


# stir-attestation: nothing vouches for a call that is to go on, and its trunk may have only so many of those: such without
# an Identity header, and such whose headers come to nothing, by one budget. True when that decides.
cdef bint stir_unvouched(Screen *s, Peer *trunk, bint again) noexcept nogil:
    cdef uint64_t *cell = &s.state.peers[trunk.slot].unvouched
    cdef uint64_t used
    cdef int rule = s.policy.reason_rule[RSN_ATTESTATION_RATE]
    if again or s.trace != NULL or rate_take_own(cell, s.now, &trunk.unvouched):
        return False
    used = ea_get_relaxed(cell)
    limit_found(s, used - s.now if used > s.now else 0, &trunk.unvouched)
    if trunk.mode[rule] == MODE_ENFORCE:
        decide(s, ACT_ANSWER, RSN_ATTESTATION_RATE)
    elif s.v.monitored == 0:
        s.v.finding = RSN_ATTESTATION_RATE
    if s.v.action == ACT_ANSWER or s.v.monitored == 0:
        s.v.value = s.found
        s.v.limit = s.limit
    if s.v.action != ACT_ANSWER:
        s.v.monitored |= <uint64_t>1 << rule
        s.v.refusable |= <uint64_t>1 << rule
    return s.v.action == ACT_ANSWER


# The verification of a call's headers has come to what the verdict says, and nothing else refuses it: what is left open
# because of them is settled.
cdef void stir_settle(Screen *s, Peer *trunk, int pending, int vouched, uint32_t unproven, bint again) noexcept nogil:
    if EA_UNLIKELY(pending != 0):
        marking_settle(s, pending, vouched)
        if s.v.action == ACT_ANSWER:
            return
    stir_unproven(s, unproven)
    if s.v.action != ACT_ANSWER and trunk.unvouched.step and s.v.verstat != VERSTAT_PASSED:
        stir_unvouched(s, trunk, again)


# A new call that goes on, if nothing is asked: is it to be verified, or to be signed? Then it waits.
cdef void stir_ask(Screen *s) noexcept nogil:
    cdef uint16_t subject = s.peer_index if s.dir == DIR_TRUNK else s.v.route.peer
    cdef Peer *trunk = &s.policy.peers[subject]
    cdef bint vouched = s.m.present >> H_IDENTITY & 1
    cdef uint8_t asks = 0
    if stir_looks(s, trunk):
        s.v.verstat = VERSTAT_UNKNOWN
        if vouched:
            asks = ASK_VERIFY
        elif trunk.stir == STIR_REQUIRE and stir_finding(s, trunk, RSN_IDENTITY_MISSING):
            return
        elif EA_UNLIKELY(trunk.unvouched.step != 0) and stir_unvouched(s, trunk, call_again(s)):
            return
    if s.dir == DIR_TRUNK and not vouched and s.policy.peers[s.v.route.peer].sign:
        asks |= ASK_SIGN
    if EA_UNLIKELY(s.pending != 0) and not asks & ASK_VERIFY:
        marking_settle(s, s.pending, 0)
        if s.v.action == ACT_ANSWER:
            return
    if asks == 0 or s.trace != NULL:
        return
    if asks & ASK_VERIFY and s.m.length > DEFER_BYTES:
        s.v.verstat = VERSTAT_FAILED
        if not stir_finding(s, trunk, RSN_IDENTITY_SIZE):
            stir_settle(s, trunk, s.pending, 0, s.unproven, call_again(s))
    elif deferred_put(s, subject, asks, asks & ASK_SIGN and stir_owned(s)):
        s.v.action = ACT_DEFER
    else:
        s.state.deferred.full += 1
        if asks & ASK_VERIFY:
            stir_unanswered(s, trunk)
            if s.v.action == ACT_FORWARD:
                stir_settle(s, trunk, s.pending, 0, s.unproven, call_again(s))


# What was answered, put into the verdict. The call is about to go on, or is refused.
cdef void stir_answered(Screen *s, DeferSlot *d, bint decided) noexcept nogil:
    cdef uint16_t subject = peer_by_id(s.policy, d.subject_id)
    s.v.value = d.value
    s.v.limit = d.limit
    s.v.monitored = d.monitored
    s.v.refusable = d.refusable
    s.v.finding = d.finding
    if decided:
        s.v.verstat = d.verstat
        s.v.told = d.told
        if d.reason:
            decide(s, ACT_ANSWER, d.reason)
    elif d.asks & ASK_VERIFY:
        s.state.deferred.full += 1
        if subject != NO_PEER:
            stir_unanswered(s, &s.policy.peers[subject])
    if s.v.action != ACT_NONE:
        return
    if subject != NO_PEER and d.asks & ASK_VERIFY:
        stir_settle(s, &s.policy.peers[subject], d.pending, marking_answer(s, d) if decided and d.pending else 0, d.unproven,
                    d.again)
    else:
        if EA_UNLIKELY(d.pending != 0):
            marking_settle(s, d.pending, 0)
        if s.v.action == ACT_NONE:
            stir_unproven(s, d.unproven)


cdef uint64_t stir_hash(State *state, const uint8_t *p, SipMsg *m, int status) noexcept nogil:
    return call_mac(&state.keys.table, first_word(FOR_TOLD, <uint64_t>status | <uint64_t>m.cseq << 16), p, m, m.from_tag)


# A call goes on although its verification failed: its replies will say so.
cdef void stir_remember(Screen *s) noexcept nogil:
    cdef int status = ea_reasons[s.v.told].status
    mark_set(&s.state.marks, stir_hash(s.state, s.p, s.m, status), s.now, STIR_TOLD_FOR * 1000000000ULL)
    ea_set_relaxed(&s.state.stir_told, s.now + STIR_TOLD_FOR * 1000000000ULL)


# A response to a call whose verification failed: it tells the cause, but a 100, which goes no further than one hop.
cdef void stir_tell(Screen *s) noexcept nogil:
    cdef int i
    if s.m.method != M_INVITE or s.m.status == 100 or ea_get_relaxed(&s.state.stir_told) <= s.now:
        return
    for i in range(5):
        if mark_live(&s.state.marks, stir_hash(s.state, s.p, s.m, ea_reasons[STIR_CAUSES[i]].status), s.now, False):
            s.v.told = <uint8_t>STIR_CAUSES[i]
            return


# ---- what the wire shows ----

# The URI of the number that was compared says how it was verified (in place of what its sender wrote there).
cdef void edit_verstat(Edits *e, Screen *s) noexcept nogil:
    cdef const uint8_t *text = <const uint8_t *>VERSTAT_TEXT[s.v.verstat]
    cdef uint32_t n = <uint32_t>strlen(<const char *>text), at
    cdef Uri *u = stir_uri(s.policy, s.peer, s.p, s.m)
    cdef Slice user
    cdef bint bracketed
    if s.hidden and u != &s.m.from_:
        # The number that was compared isn't shown: what is, is told of only where it is the same.
        if uri_canonical(s.p, &s.m.from_, &s.policy.plans[s.peer.plan]) != stir_caller(s.policy, s.peer, s.p, s.m):
            return
        u = &s.m.from_
    if u.number == 0:
        return
    at = u.whole.off + u.whole.len
    bracketed = s.p[u.whole.off - 1] == b'<' and s.p[at] == b'>'
    if u.scheme == SCHEME_TEL:
        verstats_in(e, s.p, u.user.off + u.user.len, at, PART_PARAMS, 0)
        if not bracketed:
            # Without brackets a parameter would be the header's.
            edit_add(e, u.whole.off, 0, <const uint8_t *>b"<", 1)
        edit_add(e, at, 0, text, n)
        if not bracketed:
            edit_add(e, at, 0, <const uint8_t *>b">", 1)
        return
    user = uri_userinfo(u)
    if user.len == 0:
        return
    at = user.off + user.len
    verstats_in(e, s.p, user.off, at, PART_USER, 0)
    edit_add(e, at, 0, text, n)
    if bracketed and not uri_has_user_phone(s.p, u):
        at = uri_authority(s.p, u).off + uri_authority(s.p, u).len
        edit_add(e, at, 0, <const uint8_t *>b";user=phone", 11)


cdef bint uri_has_user_phone(const uint8_t *p, Uri *u) noexcept nogil:
    cdef uint32_t at = u.params.off, end = u.params.off + u.params.len, next_
    while at < end:
        next_ = ea_find(p, at + 1, end, b';')
        if next_ - at == 11 and ea_same_fold(p + at, b";user=phone", 11):
            return True
        at = next_
    return False


# Reason: STIR;cause=438;text="Invalid Identity Header" (RFC 9410 §3), before the end of a response's header.
cdef void edit_told(Edits *e, Screen *s) noexcept nogil:
    cdef const EaReason *reason = &ea_reasons[s.v.told]
    cdef uint8_t *to = ea_put(e.free, b"Reason: STIR;cause=", 19)
    to = ea_put_uint(to, reason.status)
    to = ea_put(to, b";text=\"", 7)
    to = ea_put(to, reason.phrase, reason.phrase_len)
    to = ea_put(to, b"\"\r\n", 3)
    edit_scratch(e, s.m.header_end - 2, 0, to)
