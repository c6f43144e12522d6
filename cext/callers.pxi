# callers.pxi: the callers of open trunks, told apart by address; what proves an address; sweep and auth-abuse.
#
# An open trunk takes callers from any address, so any address can be forged in
# its name. Three things keep that harmless. What a caller has not proven counts
# against a share of the trunk's budget, so the others keep theirs. A strike is
# for a request whose own sender is proven, and for no other: he has acknowledged
# its refusal, by a To tag that went to that address and port (ours, or that of the
# cloud's answer), or its credentials have a nonce that went there. And responses
# are judged here only when their hash proved that they answer a request which this
# agent forwarded.
#
# The proof that lifts a caller out of the share is a mark of the address (IPv4 /32,
# IPv6 /64) for ten minutes: an ACK with a To tag of ours (its hash covers address
# and port; one proof for a tag), or a digest success whose nonce went there. It can't
# be carried to another address, and strikes nobody.
#
# sweep and auth-abuse never refuse anything. They keep a tally like that of
# strikes, of a caller or of a whole trunk, and tell when it is too high; of a caller
# there is a second one, of what is proven, and that one strikes.

cdef extern from *:
    """
    /* Parts of one source's key: what is kept about it under each. */
    #define KEY_PROOF 0x9e3779b97f4a7c15ull
    #define KEY_CALLS 0xc2b2ae3d27d4eb4full
    #define KEY_SWEEP 0x165667b19e3779f9ull
    #define KEY_AUTH 0x27d4eb2f165667c5ull
    #define KEY_NONCE_GOOD 0x85ebca77c2b2ae63ull
    #define KEY_GIVEN 0xff51afd7ed558ccdull
    #define KEY_PROVEN 0xc4ceb9fe1a85ec53ull
    #define KEY_REFUSED 0x2127599bf4325c37ull
    #define KEY_SHARED 0x880355f21e6d1965ull
    #define PROOF_LIFE 600000000000ull
    #define NONCE_LIFE 600000000000ull
    #define TAG_LIFE 140000000000ull        /* two epochs of a To tag */
    #define EXCHANGE_LIFE 200000000000ull   /* the longest that an INVITE rings */
    """
    uint64_t KEY_PROOF, KEY_CALLS, KEY_SWEEP, KEY_AUTH, KEY_NONCE_GOOD, KEY_GIVEN, KEY_PROVEN, KEY_REFUSED, KEY_SHARED
    uint64_t PROOF_LIFE, NONCE_LIFE, TAG_LIFE, EXCHANGE_LIFE

cdef enum:
    STRIKE_FINDING = 10     # strikes of one finding of sweep or auth-abuse
    CREDENTIALS_READ = 4    # Authorization and challenge rows looked at

# What an open trunk's caller is struck for when he acknowledges its refusal.
cdef int REFUSED_FOR[3]
REFUSED_FOR[:] = [RSN_SCANNER_AGENT, RSN_SCANNER_SHAPE, RSN_EVASION]


# ---- what a caller may send ----

# An open trunk's caller who is denied, banned or over his rate: True when the message
# is not even read. Where the trunk has an emergency route, all are read, for the lane's sake.
cdef bint caller_unread(Screen *s, int reason) noexcept nogil:
    cdef int rule
    if reason == 0:
        reason = op_source_rate(s)
        rule = s.policy.reason_rule[reason] if reason else 0
        if reason == 0 or reason == RSN_SOURCE_TABLE_FULL or s.peer.mode[rule] == MODE_OFF:
            return False
        if s.peer.mode[rule] == MODE_MONITOR:
            s.v.monitored |= <uint64_t>1 << rule
            s.v.finding = <uint16_t>reason
            s.v.value = s.found
            s.v.limit = s.limit
            return False
        s.held = <uint16_t>reason
        s.told = rate_take_own(&s.state.open[s.peer.slot].answers, s.now, &s.policy.open_answers)
        if s.told or s.peer.emergency == EMERGENCY_ROUTE:
            return False
    else:
        s.held = <uint16_t>reason
        if s.peer.emergency == EMERGENCY_ROUTE:
            return False
    decide(s, ACT_DROP, reason)
    return True


# Such a message, read: only what belongs to an authorised emergency call goes on. True when it doesn't.
cdef bint caller_held(Screen *s) noexcept nogil:
    if s.m.kind == KIND_REQUEST and s.m.core == 0 and s.peer.emergency == EMERGENCY_ROUTE:
        if s.lane == LANE_CALL or (s.cookie_state == COOKIE_GOOD and s.cookie.emergency):
            s.held = 0
            return False
    decide(s, ACT_ANSWER if s.told and s.m.kind == KIND_REQUEST and s.m.method != M_ACK and s.m.reason == 0 else ACT_DROP,
           s.held)
    return True


cdef inline bint caller_proven(Screen *s, uint64_t source) noexcept nogil:
    return mark_live(&s.state.marks, source ^ KEY_PROOF, s.now, False)


# open_rate: new calls of one caller; and what all callers who proved nothing may use of the trunk's budgets together.
cdef int op_open_rate(Screen *s) noexcept nogil:
    cdef OpenCells *cells = &s.state.open[s.peer.slot]
    cdef bint call = s.m.method == M_INVITE or s.m.method == M_REFER
    cdef uint64_t credentials = <uint64_t>1 << H_AUTHORIZATION | <uint64_t>1 << H_PROXY_AUTHORIZATION
    cdef Limit half
    cdef int kind
    s.found = 0
    s.limit = s.policy.caller_calls.step
    if s.trace != NULL:
        return 0
    if call and s.m.present & credentials and mark_live(
            &s.state.marks, challenge_hash(s.state, s.p, s.m, s.peer.id), s.now, False):
        return 0                    # the same call, answering its challenge
    if call and rate_take(&s.state.rates, s.source ^ KEY_CALLS, s.now, &s.policy.caller_calls) == RATE_OVER:
        return RSN_SOURCE_RATE
    if caller_proven(s, s.source):
        return 0
    kind = method_kind(s)
    half = s.peer.rate if call else s.peer.method_rate[kind]
    half.step *= 2                  # half the rate and half the burst
    if half.tolerance < half.step:
        half.tolerance = half.step
    return 0 if rate_take_own(&cells.calls if call else &cells.method[kind], s.now, &half) else RSN_UNPROVEN_SHARE


# Is the in-dialog request of an open trunk's caller from the address that made the call?
cdef bint caller_same(EaAddr *one, EaAddr *other) noexcept nogil:
    return one.hi == other.hi and one.lo == other.lo if one.v4 or other.v4 else one.hi == other.hi


# ---- proofs ----

# An ACK with a To tag of ours came from where our answer went.
cdef void caller_ack(Screen *s) noexcept nogil:
    cdef uint64_t used
    used = text_mac(&s.state.keys.table, first_word(FOR_ACKED, 0), s.p, s.m.to_tag)
    if not mark_live(&s.state.marks, used, s.now, False) and mark_set(&s.state.marks, used, s.now, TAG_LIFE):
        mark_set(&s.state.marks, s.source ^ KEY_PROOF, s.now, PROOF_LIFE)
        caller_refusal_acked(s)


# This call is refused: once that is acknowledged, it is held against its caller.
cdef inline void caller_refused(Screen *s, int reason) noexcept nogil:
    if s.v.action == ACT_ANSWER and s.m.method == M_INVITE and s.listed != LIST_ALLOW:
        mark_set(&s.state.marks, exchange_hash(s) ^ KEY_REFUSED * <uint64_t>reason, s.now, TAG_LIFE)


cdef void caller_refusal_acked(Screen *s) noexcept nogil:
    cdef uint64_t exchange = exchange_hash(s)
    cdef int i, reason
    for i in range(3):
        reason = REFUSED_FOR[i]
        if not mark_live(&s.state.marks, exchange ^ KEY_REFUSED * <uint64_t>reason, s.now, True):
            continue
        if reason != RSN_EVASION:
            strike(s, &s.packet.source, s.source, reason, STRIKE_SCANNER, s.peer.slot, True)
        elif strike_take(&s.state.strikes, s.source ^ KEY_EVASION ^ KEY_PROVEN, s.now, &s.policy.evasion, 1):
            strike(s, &s.packet.source, s.source, reason, STRIKE_FINDING, s.peer.slot, True)


# An ACK with the To tag of an answer that told the cloud has nobody there: its caller is where that went.
cdef void caller_answer_acked(Screen *s) noexcept nogil:
    if s.m.to_tag.len and mark_live(&s.state.marks, swept_hash(s), s.now, True):
        caller_swept(s, s.peer, s.loop)


# A refused call, and the To tag that its refusal carries.
cdef uint64_t swept_hash(Screen *s) noexcept nogil:
    return text_mac(&s.state.keys.table, exchange_hash(s) ^ KEY_SWEEP, s.p, s.m.to_tag)


# The value of a parameter in a list of them, without its quotes; empty when it isn't there.
cdef Slice auth_param(const uint8_t *p, Row *row, const char *name, uint32_t n) noexcept nogil:
    cdef uint32_t at = row.value, end = row.value + row.value_len, start
    cdef bint fresh = True
    cdef Slice found
    found.off = found.len = 0
    while at < end:
        if p[at] == b'"':
            at += 1
            while at < end and p[at] != b'"':
                at += 2 if p[at] == b'\\' else 1
            at += 1
            fresh = False
            continue
        if fresh and at + n < end and ea_same_fold(p + at, name, n):
            start = at + n
            while start < end and EA_IS(p[start], CLS_LWS):
                start += 1
            if start < end and p[start] == b'=':
                start += 1
                while start < end and EA_IS(p[start], CLS_LWS):
                    start += 1
                if start < end and p[start] == b'"':
                    start += 1
                    at = start
                    while at < end and p[at] != b'"':
                        at += 2 if p[at] == b'\\' else 1
                else:
                    at = start
                    while at < end and p[at] != b',' and not EA_IS(p[at], CLS_LWS):
                        at += 1
                if start < end:
                    found.off = start
                    found.len = (at if at < end else end) - start
                return found
        fresh = p[at] == b',' or EA_IS(p[at], CLS_LWS)
        at += 1
    return found


cdef inline bint row_is(const uint8_t *p, Row *row, const char *name, uint32_t n) noexcept nogil:
    return row.value - row.off > n and ea_same_fold(p + row.off, name, n)


cdef uint64_t nonce_hash(State *state, EaAddr *to, const uint8_t *p, Slice nonce) noexcept nogil:
    cdef EaMac h
    ea_mac_start(&h, &state.keys.table, first_word(FOR_NONCE, to.port), nonce.len)
    ea_mac_pair(&h, to.hi, to.lo)
    ea_mac_text(&h, p + nonce.off, nonce.len)
    return ea_mac_end(&h, NULL)


# One request with credentials and its answer, which doesn't say them again.
cdef uint64_t exchange_hash(Screen *s) noexcept nogil:
    cdef EaMac h
    ea_mac_start(&h, &s.state.keys.table, first_word(FOR_EXCHANGE, s.reply_to.port),
                 s.m.call_id.len | <uint64_t>s.m.from_tag.len << 32)
    ea_mac_pair(&h, s.reply_to.hi, s.reply_to.lo)
    ea_mac_pair(&h, s.m.cseq, 0)
    ea_mac_text(&h, s.p + s.m.call_id.off, s.m.call_id.len)
    ea_mac_text(&h, s.p + s.m.from_tag.off, s.m.from_tag.len)
    return ea_mac_end(&h, NULL)


# A trunk's request with credentials goes on: its answer will be known by that, and by a nonce that went to this very
# address and port before.
cdef void caller_credentials(Screen *s) noexcept nogil:
    cdef uint64_t exchange, nonce
    cdef Slice value
    cdef Row *row
    cdef int i, read = 0
    if not s.peer.open and s.peer.mode[s.policy.reason_rule[RSN_AUTH_ABUSE]] == MODE_OFF:
        return
    exchange = exchange_hash(s)
    mark_set(&s.state.marks, exchange, s.now, EXCHANGE_LIFE)
    if not s.peer.open:
        return
    for i in range(s.m.rows):
        row = &s.m.row[i]
        if (row.id != H_AUTHORIZATION and row.id != H_PROXY_AUTHORIZATION) or read == CREDENTIALS_READ:
            continue
        read += 1
        value = auth_param(s.p, row, b"nonce", 5)
        if value.len == 0:
            continue
        nonce = nonce_hash(s.state, &s.reply_to, s.p, value)
        if mark_live(&s.state.marks, nonce, s.now, False):
            mark_set(&s.state.marks, nonce, s.now, NONCE_LIFE)
            if not nonce_shared(s, value, True):
                mark_set(&s.state.marks, exchange ^ KEY_NONCE_GOOD, s.now, EXCHANGE_LIFE)


# A nonce that went to two addresses proves neither: some providers make all those of a second alike, and who was given
# one knows the others'. It goes to reply_to, or, `known`, comes from there; either keeps what is known of it.
cdef bint nonce_shared(Screen *s, Slice nonce, bint known) noexcept nogil:
    cdef CellTable *marks = &s.state.marks
    cdef uint64_t text = text_mac(&s.state.keys.table, first_word(FOR_NONCE_TEXT, 0), s.p, nonce)
    cdef bint shared = mark_live(marks, text ^ KEY_SHARED, s.now, False) or (not known and mark_live(
        marks, text, s.now, False))
    mark_set(marks, text, s.now, NONCE_LIFE)
    if shared:
        mark_set(marks, text ^ KEY_SHARED, s.now, NONCE_LIFE)
    return shared


# The nonces of a challenge that goes to an open trunk's caller. True when it says that the credentials were only old.
cdef bint caller_challenged(Screen *s, bint open_) noexcept nogil:
    cdef Slice value
    cdef Row *row
    cdef uint64_t nonce
    cdef int i, read = 0
    cdef bint stale = False
    for i in range(s.m.rows):
        row = &s.m.row[i]
        if read == CREDENTIALS_READ or not (
                row_is(s.p, row, b"www-authenticate", 16) or row_is(s.p, row, b"proxy-authenticate", 18)):
            continue
        read += 1
        value = auth_param(s.p, row, b"stale", 5)
        stale |= value.len == 4 and ea_same_fold(s.p + value.off, b"true", 4)
        if open_:
            value = auth_param(s.p, row, b"nonce", 5)
            if value.len:
                nonce = nonce_hash(s.state, &s.reply_to, s.p, value)
                nonce_shared(s, value, mark_live(&s.state.marks, nonce, s.now, False))
                mark_set(&s.state.marks, nonce, s.now, NONCE_LIFE)
    return stale


# ---- what answers tell ----

# Found by sweep or auth-abuse: told of the trunk.
cdef void caller_finding(Screen *s, Peer *trunk, int reason, uint32_t count, Limit *limit) noexcept nogil:
    s.v.monitored |= <uint64_t>1 << s.policy.reason_rule[reason]
    s.v.finding = <uint16_t>reason
    s.v.value = count
    s.v.limit = limit.tolerance // limit.step
    s.subject = trunk


# Found in what a caller of an open trunk provably sent: strikes for it.
cdef void caller_struck(Screen *s, Peer *trunk, int reason) noexcept nogil:
    if trunk.mode[s.policy.reason_rule[reason]] != MODE_ENFORCE:
        return
    if s.policy.listed.count and list_match(&s.policy.listed, &s.reply_to, s.now) == LIST_ALLOW:
        return
    strike(s, &s.reply_to, s.source, reason, STRIKE_FINDING, trunk.slot, True)


# One more target that doesn't exist. Targets are told apart by Request-URI (the loop part of our branch) and To
# together; the same one again weighs nothing, the neighbour of another one more. `who`: under which key all is kept.
cdef uint32_t sweep_weight(Screen *s, uint64_t who, uint64_t loop) noexcept nogil:
    cdef uint64_t target, number = s.m.to.number, life = s.policy.sweep.tolerance
    cdef uint64_t self_, below, above
    cdef bint near
    target = text_mac(&s.state.keys.table, who ^ loop, s.p, s.m.to.user)
    if mark_live(&s.state.marks, target, s.now, False) or not mark_set(&s.state.marks, target, s.now, life):
        return 0
    if number == 0 or number & NUM_LONG:
        return 1
    self_ = number_key(s, who, number)
    below = number_key(s, who, number - 1)
    above = number_key(s, who, number + 1)
    near = mark_live(&s.state.marks, below, s.now, False) or mark_live(&s.state.marks, above, s.now, False)
    mark_set(&s.state.marks, self_, s.now, life)
    return s.policy.sweep_adjacent if near else 1


cdef uint64_t number_key(Screen *s, uint64_t who, uint64_t number) noexcept nogil:
    return ea_mac_words(&s.state.keys.table, who ^ KEY_SWEEP, number)


# Counts a target that doesn't exist: 0, or how many that makes when they are too many.
cdef uint32_t sweep_count(Screen *s, Peer *trunk, uint64_t who, uint64_t loop) noexcept nogil:
    cdef uint32_t weight = sweep_weight(s, who, loop)
    if weight == 0:
        return 0
    ea_set_relaxed(&s.state.open[trunk.slot].told_until, s.now + s.policy.sweep.tolerance)
    return strike_take(&s.state.strikes, who ^ KEY_SWEEP, s.now, &s.policy.sweep, weight)


# One more that a caller of an open trunk provably tried.
cdef void caller_swept(Screen *s, Peer *trunk, uint64_t loop) noexcept nogil:
    if sweep_count(s, trunk, s.source ^ KEY_PROVEN, loop):
        caller_struck(s, trunk, RSN_SWEEP)


cdef void caller_sweep(Screen *s, Peer *trunk, uint64_t loop, bint credentials, bint proven) noexcept nogil:
    cdef int status = s.m.status
    cdef uint32_t count
    cdef uint64_t given, back
    if status in (404, 410, 480, 484, 604) or (trunk.open and not credentials and (status == 401 or status == 407)):
        count = sweep_count(s, trunk, s.source, loop)
        if count:
            caller_finding(s, trunk, RSN_SWEEP, count, &s.policy.sweep)
        if status in (401, 407, 480):
            return                  # an office behind one address gets many of these in order: none strikes
        if proven:
            caller_swept(s, trunk, loop)
        elif trunk.open and s.m.method == M_INVITE and s.m.to_tag.len:
            mark_set(&s.state.marks, swept_hash(s), s.now, TAG_LIFE)
    elif (status < 300 or status in (486, 487, 600, 603)) and rate_used(&s.state.strikes, s.source ^ KEY_SWEEP, s.now):
        # A target that is there takes something back, once: an answer comes again until its ACK does.
        given = exchange_hash(s) ^ KEY_GIVEN
        if not mark_live(&s.state.marks, given, s.now, False) and mark_set(
                &s.state.marks, given, s.now, EXCHANGE_LIFE):
            back = s.policy.sweep.step * (2 if status < 300 else 1)
            tally_give(&s.state.strikes, s.source ^ KEY_SWEEP, s.now, back)
            tally_give(&s.state.strikes, s.source ^ KEY_PROVEN ^ KEY_SWEEP, s.now, back)


# Credentials that were refused. Another user than before weighs double; a user's success takes back what it failed.
# 0, or how many refusals are too many. `who`: under which key all is kept.
cdef uint32_t auth_count(Screen *s, Peer *trunk, uint64_t who) noexcept nogil:
    cdef uint64_t user = text_mac(&s.state.keys.table, who ^ KEY_AUTH, s.p, s.m.from_.user)
    cdef uint64_t failed = rate_used(&s.state.strikes, user, s.now)
    cdef uint32_t weight = 1
    if s.m.status < 300:
        if failed:
            tally_give(&s.state.strikes, who ^ KEY_AUTH, s.now, failed)
            tally_give(&s.state.strikes, user, s.now, failed)
        return 0
    if failed == 0 and rate_used(&s.state.strikes, who ^ KEY_AUTH, s.now):
        weight = 2
    strike_take(&s.state.strikes, user, s.now, &s.policy.user_failures, weight)
    ea_set_relaxed(&s.state.open[trunk.slot].told_until, s.now + s.policy.auth_abuse.tolerance)
    return strike_take(&s.state.strikes, who ^ KEY_AUTH, s.now, &s.policy.auth_abuse, weight)


cdef void caller_auth(Screen *s, Peer *trunk, bint stale, bint proven) noexcept nogil:
    cdef uint32_t count
    if stale and s.m.status >= 300:
        return
    count = auth_count(s, trunk, s.source)
    if count:
        caller_finding(s, trunk, RSN_AUTH_ABUSE, count, &s.policy.auth_abuse)
    if proven and auth_count(s, trunk, s.source ^ KEY_PROVEN):
        caller_struck(s, trunk, RSN_AUTH_ABUSE)


# A final response from a trunk's upstream whose hash was good. `loop` stands in our branch.
cdef void caller_response(Screen *s, uint16_t index, uint64_t loop) noexcept nogil:
    cdef Peer *trunk = &s.policy.peers[index]
    cdef int status = s.m.status
    cdef uint64_t exchange
    cdef bint sweep, auth, credentials = False, stale = False, proven = False
    if status < 200 or trunk.kind != PEER_TRUNK:
        return
    if not trunk.open and status < 400 and ea_get_relaxed(&s.state.open[trunk.slot].told_until) <= s.now:
        return                      # nothing is held against it, and this is nothing new
    if s.trace != NULL or s.peer_index != trunk.upstream:
        return
    sweep = trunk.mode[s.policy.reason_rule[RSN_SWEEP]] != MODE_OFF
    auth = trunk.mode[s.policy.reason_rule[RSN_AUTH_ABUSE]] != MODE_OFF
    if trunk.open:
        s.source = source_key(s.state, &s.reply_to, 128 if s.reply_to.v4 else 64)
    elif sweep or auth:
        s.source = ea_mac_words(&s.state.keys.table, first_word(FOR_TRUNK, trunk.id), 0)
    else:
        return
    if trunk.open or status < 300 or status in (401, 403, 407):
        exchange = exchange_hash(s)
        credentials = mark_live(&s.state.marks, exchange, s.now, True)
        proven = trunk.open and credentials and mark_live(&s.state.marks, exchange ^ KEY_NONCE_GOOD, s.now, True)
        if status == 401 or status == 407:
            stale = caller_challenged(s, trunk.open)
        if trunk.open and status < 300:
            if proven:
                mark_set(&s.state.marks, s.source ^ KEY_PROOF, s.now, PROOF_LIFE)
            if s.m.method == M_INVITE or s.m.method == M_REGISTER:
                tally_give(&s.state.strikes, s.source, s.now, ~<uint64_t>0)
        if auth and credentials and (status < 300 or status in (401, 403, 407)):
            caller_auth(s, trunk, stale, proven)
    if sweep and (status >= 300 or s.m.method == M_INVITE or s.m.method == M_REGISTER):
        caller_sweep(s, trunk, loop, credentials, proven)


# A scanner's call in an open trunk's caller's name. What it sends too fast or malformed is held against nobody: who
# sent it is never proven.
cdef void strike_caller(Screen *s) noexcept nogil:
    if s.v.repeated == 0 and (s.v.reason == RSN_SCANNER_AGENT or s.v.reason == RSN_SCANNER_SHAPE):
        caller_refused(s, s.v.reason)
