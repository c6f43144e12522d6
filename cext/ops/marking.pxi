# ops/marking.pxi: forged-marking: what a message claims for itself that its sender may not assert.
#
# A peer's `asserts` says which markings are its own to make. What the standards
# have refused is refused: a priority namespace that must be authorised (RFC 4412
# §4.6.4), one that isn't known where it is required (§4.6.2). All else is taken out
# as the message goes on (marking.pxi), and recorded: a claim without rights counts as
# none (RFC 7090 §5, RFC 8496 §5, RFC 3325 §5). P-Preferred-Identity is a hint to
# us, no forgery, and never goes on; of an anonymous call that it vouches for, it goes
# on as the P-Asserted-Identity that we make of it (RFC 3325 §5).
#
# In the emergency lane nothing is refused, and what says who calls, or that it is
# an emergency, stays. Of responses nothing is refused either: they are of calls that
# passed. Facts only: what becomes of them is for the rule's mode.

cdef enum:
    MARKING_CUTS = 8        # verstat parameters taken out of one message; one with more is refused
    NAMESPACES_SEEN = 8     # Resource-Priority values read

# Namespaces that buy priority or preemption, and need authorisation (RFC 4412 §12.6, RFC 7135, RFC 8101).
# Those of RFC 5478 are the first four with six digits behind.
cdef const char *NAMESPACES[10]
NAMESPACES[:] = [b"dsn", b"drsn", b"rts", b"crts", b"q735", b"ets", b"wps", b"esnet", b"mcpttp", b"mcpttq"]


# Does the message hold a header, or perhaps a parameter, that only some may assert? True of few.
cdef inline bint marking_any(SipMsg *m) noexcept nogil:
    return ((m.present & (<uint64_t>1 << H_X_EDGE | <uint64_t>1 << H_P_PREFERRED_IDENTITY | <uint64_t>1 << H_PRIORITY
                          | <uint64_t>1 << H_P_ASSERTED_IDENTITY | <uint64_t>1 << H_P_CHARGE_INFO
                          | <uint64_t>1 << H_RESOURCE_PRIORITY)) | m.marked) != 0


cdef inline void marking_cut(Marking *k, int header, int reason) noexcept nogil:
    k.cut |= <uint64_t>1 << header
    ea_first(&k.reason, reason)


cdef bint namespace_known(const uint8_t *p, Slice name) noexcept nogil:
    cdef uint32_t i, n = name.len
    for i in range(10):
        n = <uint32_t>strlen(NAMESPACES[i])
        if name.len >= n and ea_same_fold(p + name.off, NAMESPACES[i], n) and (
                name.len == n or (i < 4 and name.len == n + 7 and p[name.off + n] == b'-'
                                  and parse_digits(p, name.off + n + 1, name.off + name.len) == name.off + name.len)):
            return True
    return False


# namespace "." r-priority (RFC 4412 §3.1): the namespace of [i, end); length 0: it is none.
cdef Slice namespace_of(const uint8_t *p, uint32_t i, uint32_t end) noexcept nogil:
    cdef uint32_t dot = ea_find(p, i, end, b'.')
    if dot == i or dot + 1 >= end or ea_run(p, i, end, CLS_TOKEN) != end:
        return slice_of(i, i)
    return slice_of(i, dot)


cdef bint same_slice(const uint8_t *p, Slice a, Slice b) noexcept nogil:
    cdef uint32_t i
    cdef uint8_t x, y
    if a.len != b.len:
        return False
    for i in range(a.len):
        x = p[a.off + i]
        y = p[b.off + i]
        if x != y and not (x ^ y == 0x20 and 97 <= (x | 0x20) <= 122):
            return False
    return True


cdef bint marking_required(Screen *s) noexcept nogil:
    cdef int i
    for i in range(s.m.rows):
        if s.m.row[i].id == H_REQUIRE and slice_has_token(
                s.p, slice_of(s.m.row[i].value, s.m.row[i].value + s.m.row[i].value_len), b"resource-priority", 17):
            return True
    return False


# Resource-Priority of one who may not: refused when it names a namespace that we know, can't be read, or names one twice.
cdef void marking_resource(Screen *s, Marking *k) noexcept nogil:
    cdef Slice seen[NAMESPACES_SEEN]
    cdef Slice name
    cdef Row *row
    cdef uint32_t i, end, comma, stop, count = 0, j
    cdef int r
    cdef bint known = False, bad = False
    for r in range(s.m.rows):
        row = &s.m.row[r]
        if row.id != H_RESOURCE_PRIORITY:
            continue
        i = row.value
        end = row.value + row.value_len
        while True:
            comma = ea_find(s.p, i, end, b',')
            i = <uint32_t>parse_blanks(s.p, i, comma)
            stop = comma
            while stop > i and EA_IS(s.p[stop - 1], CLS_LWS):
                stop -= 1
            name = namespace_of(s.p, i, stop)
            known = known or namespace_known(s.p, name)
            bad = bad or name.len == 0 or count == NAMESPACES_SEEN
            if not bad:
                for j in range(count):
                    bad = bad or same_slice(s.p, seen[j], name)
                seen[count] = name
                count += 1
            if comma >= end:
                break
            i = comma + 1
    if known or bad:
        k.cut |= <uint64_t>1 << H_RESOURCE_PRIORITY
        k.refuse = RSN_MARKING_RESOURCE if known else RSN_MARKING_REPEATED
        k.open |= 0 if bad else VOUCH_PRIORITY
    elif marking_required(s):
        k.refuse = RSN_MARKING_UNKNOWN


# What a PASSporT vouched for when the call came: it holds for what its originator says in the dialog, too.
cdef inline int marking_vouched(Screen *s) noexcept nogil:
    if s.cookie_state == COOKIE_GOOD and (s.cookie.from_upstream == 0) == (s.dir == DIR_TRUNK):
        return s.v.vouched | s.cookie.vouched
    return s.v.vouched


# Priority: emergency and psap-callback mean preference (RFC 7090 §4); an emergency call may say that it is one.
cdef void marking_urgent(Screen *s, Marking *k, bint lane) noexcept nogil:
    cdef Row *row
    cdef uint32_t i, n
    cdef int r
    for r in range(s.m.rows):
        row = &s.m.row[r]
        if row.id != H_PRIORITY:
            continue
        i = row.value
        n = row.value + row.value_len
        if i < n and s.p[i] == b'"':
            i += 1
        n = ea_run(s.p, i, n, CLS_TOKEN) - i
        if n == 9 and not lane and ea_same_fold(s.p + i, b"emergency", 9):
            marking_cut(k, H_PRIORITY, RSN_MARKING_PRIORITY)
        elif n == 13 and ea_same_fold(s.p + i, b"psap-callback", 13) and not marking_vouched(s) & VOUCH_CALLBACK:
            marking_cut(k, H_PRIORITY, RSN_MARKING_PRIORITY)
            k.open |= VOUCH_CALLBACK


# Is this a number that the agent found to be the caller's own?
cdef bint marking_checked(Screen *s, Uri *u) noexcept nogil:
    cdef Caller *c = caller_of(s)
    cdef uint64_t number
    if s.dir != DIR_TRUNK or u.number == 0:
        return False
    number = uri_canonical(s.p, u, &s.policy.plans[s.peer.plan])
    return number != 0 and ((number == c.from_ and c.verified) or peer_owns(s.policy, s.peer, number)
                            or peer_pilot(s.policy, s.peer, number))


# P-Asserted-Identity of one who may not assert it: of a trunk's only numbers go on, which caller-consistent looks at.
cdef void marking_asserted(Screen *s, Marking *k) noexcept nogil:
    cdef int i, values = 0, out = 0
    for i in range(s.m.identities):
        if s.m.identity[i].header == H_P_ASSERTED_IDENTITY:
            values += 1
            if s.dir != DIR_TRUNK or s.m.identity[i].uri.number == 0:
                out += 1
                k.values |= <uint16_t>(1 << i)
    if out:
        ea_first(&k.reason, RSN_MARKING_ASSERTED)
    if out == values:
        k.cut |= <uint64_t>1 << H_P_ASSERTED_IDENTITY
        k.values = 0


# P-Preferred-Identity goes no further. Where it alone says who an anonymous caller is, and that was checked, it is
# what we assert.
cdef void marking_preferred(Screen *s, Marking *k) noexcept nogil:
    cdef int i, header
    cdef bint asserted = s.m.present >> H_P_ASSERTED_IDENTITY & 1 and not k.cut >> H_P_ASSERTED_IDENTITY & 1
    if s.dir == DIR_TRUNK and not asserted and caller_of(s).anonymous:
        k.promote = True
        for i in range(s.m.identities):
            header = s.m.identity[i].header
            if header == H_P_PREFERRED_IDENTITY and not marking_checked(s, &s.m.identity[i].uri):
                k.promote = False
    if not k.promote:
        k.cut |= <uint64_t>1 << H_P_PREFERRED_IDENTITY


cdef Marking *marking_facts(Screen *s) noexcept nogil:
    cdef Marking *k = &s.marking
    cdef uint64_t present = s.m.present
    cdef bint lane = s.cookie.emergency if s.cookie_state == COOKIE_GOOD else s.lane != LANE_NONE
    cdef uint8_t asserts = s.peer.asserts
    k.known = True
    if present >> H_RESOURCE_PRIORITY & 1 and not asserts & ASSERT_RESOURCE and not marking_vouched(s) & VOUCH_PRIORITY:
        marking_resource(s, k)
    if present >> H_X_EDGE & 1:
        marking_cut(k, H_X_EDGE, RSN_MARKING_INTERNAL)
    if present >> H_P_ASSERTED_IDENTITY & 1 and not asserts & ASSERT_PAI and not lane:
        marking_asserted(s, k)
    if s.m.marked and not asserts & ASSERT_VERSTAT:
        k.verstats = <uint16_t>marking_verstats(NULL, s)
        if k.verstats:
            ea_first(&k.reason, RSN_MARKING_VERSTAT)
        if k.verstats > MARKING_CUTS:
            ea_first(&k.refuse, RSN_MARKING_REPEATED)
    if present >> H_PRIORITY & 1 and not asserts & ASSERT_PRIORITY:
        marking_urgent(s, k, lane)
    if present >> H_P_CHARGE_INFO & 1 and not asserts & ASSERT_CHARGE and not lane:
        marking_cut(k, H_P_CHARGE_INFO, RSN_MARKING_CHARGE)
    if present >> H_P_PREFERRED_IDENTITY & 1 and not lane:
        marking_preferred(s, k)
    if lane and k.refuse:
        # Never refused for it: taken out like the others.
        ea_first(&k.reason, k.refuse)
        k.refuse = 0
    return k


cdef inline Marking *markings_of(Screen *s) noexcept nogil:
    return &s.marking if s.marking.known else marking_facts(s)


cdef int op_forged_marking(Screen *s) noexcept nogil:
    cdef Marking *k
    s.found = s.limit = 0
    if not marking_any(s.m):
        return 0
    k = markings_of(s)
    if EA_UNLIKELY(k.open != 0) and marking_waits(s):
        s.pending = k.open
        k = marking_anew(s, s.pending)
        s.v.vouched = 0
    s.found = k.verstats
    return k.refuse if k.refuse else k.reason


# The facts as they are when these markings are vouched for.
cdef Marking *marking_anew(Screen *s, int vouched) noexcept nogil:
    memset(&s.marking, 0, sizeof(Marking))
    s.v.vouched = <uint8_t>vouched
    return marking_facts(s)


# Will this new call's Identity headers be verified, so that it is too early to say that nothing vouches for a marking?
cdef bint marking_waits(Screen *s) noexcept nogil:
    cdef uint16_t trunk = s.peer_index
    if not s.m.present >> H_IDENTITY & 1:
        return False
    if s.dir == DIR_UPSTREAM:
        trunk = number_owner(s.policy, uri_called(s))
    return trunk != NO_PEER and stir_verifies(s, &s.policy.peers[trunk])


# Is this Resource-Priority value, [i, end), among those of the answer?
cdef bint value_vouched(const uint8_t *p, uint32_t i, uint32_t end, DeferSlot *d) noexcept nogil:
    cdef uint32_t k = 0, n
    while k < d.values_len:
        n = d.values[k]
        if k + 1 + n > d.values_len:
            return False
        if n == end - i and ea_same_fold(p + i, <const char *>d.values + k + 1, n):
            return True
        k += 1 + n
    return False


# Which of the markings that wait are vouched for: of Resource-Priority every value that must be authorised.
cdef int marking_answer(Screen *s, DeferSlot *d) noexcept nogil:
    cdef int vouched = VOUCH_CALLBACK if d.callback else 0, r
    cdef uint32_t i, end, comma, stop
    cdef Row *row
    for r in range(s.m.rows):
        row = &s.m.row[r]
        if row.id != H_RESOURCE_PRIORITY:
            continue
        i = row.value
        end = row.value + row.value_len
        while i < end:
            comma = ea_find(s.p, i, end, b',')
            i = <uint32_t>parse_blanks(s.p, i, comma)
            stop = comma
            while stop > i and EA_IS(s.p[stop - 1], CLS_LWS):
                stop -= 1
            if namespace_known(s.p, namespace_of(s.p, i, stop)) and not value_vouched(s.p, i, stop, d):
                return vouched & d.pending
            i = comma + 1
    return (vouched | VOUCH_PRIORITY) & d.pending


# What vouches for the markings that waited is known now: the rest of them is treated as those that nobody could
# vouch for. Facts and verdict are made anew.
cdef void marking_settle(Screen *s, int pending, int vouched) noexcept nogil:
    cdef int rule = s.policy.reason_rule[RSN_MARKING_VERSTAT]
    cdef Marking *k = marking_anew(s, vouched)
    if pending == vouched or s.peer.mode[rule] == MODE_OFF:
        return
    s.found = s.limit = 0
    if k.refuse:
        screen_finding(s, rule, k.refuse)
    elif k.cut >> H_PRIORITY & 1:
        screen_finding(s, rule, RSN_MARKING_PRIORITY)


# An emergency call is routed whatever it claims; what was taken out is recorded beside that.
cdef void marking_in_lane(Screen *s) noexcept nogil:
    cdef int rule = s.policy.reason_rule[RSN_MARKING_VERSTAT]
    cdef Marking *k
    if s.peer.mode[rule] == MODE_OFF:
        return
    k = markings_of(s)
    if k.reason:
        ea_first(&s.v.finding, k.reason)
        s.v.monitored |= <uint64_t>1 << rule


# Who answered, as a response has it: of one who may not assert identities only numbers of the trunk's own go on.
cdef void marking_answered(Screen *s, Marking *k) noexcept nogil:
    cdef uint64_t number
    cdef Uri *u
    cdef int i, values = 0, out = 0
    for i in range(s.m.identities):
        if s.m.identity[i].header != H_P_ASSERTED_IDENTITY:
            continue
        values += 1
        u = &s.m.identity[i].uri
        number = uri_canonical(s.p, u, &s.policy.plans[s.peer.plan]) if s.dir == DIR_TRUNK else 0
        if number == 0 or not (peer_owns(s.policy, s.peer, number) or peer_pilot(s.policy, s.peer, number)):
            out += 1
            k.values |= <uint16_t>(1 << i)
    if out:
        ea_first(&k.reason, RSN_MARKING_ASSERTED)
    if out == values:
        marking_cut(k, H_P_ASSERTED_IDENTITY, RSN_MARKING_ASSERTED)
        k.values = 0


# A response that goes on: what its sender may not assert is taken out and recorded (RFC 3325 §5: of messages, not only
# of requests). Those of the emergency lane's calls are let be; a PSAP says who it is as it likes.
cdef void marking_response(Screen *s) noexcept nogil:
    cdef Marking *k = &s.marking
    cdef int rule = s.policy.reason_rule[RSN_MARKING_VERSTAT]
    cdef uint64_t present = s.m.present
    cdef uint8_t asserts = s.peer.asserts
    if s.peer.mode[rule] == MODE_OFF or s.v.route.flags & ROUTE_EMERGENCY:
        return
    if present >> H_X_EDGE & 1:
        marking_cut(k, H_X_EDGE, RSN_MARKING_INTERNAL)
    if present >> H_P_ASSERTED_IDENTITY & 1 and not asserts & ASSERT_PAI:
        marking_answered(s, k)
    if s.m.marked and not asserts & ASSERT_VERSTAT:
        k.verstats = <uint16_t>marking_verstats(NULL, s)
        if k.verstats:
            ea_first(&k.reason, RSN_MARKING_VERSTAT)
    if present >> H_P_CHARGE_INFO & 1 and not asserts & ASSERT_CHARGE:
        marking_cut(k, H_P_CHARGE_INFO, RSN_MARKING_CHARGE)
    if present >> H_P_PREFERRED_IDENTITY & 1:
        k.cut |= <uint64_t>1 << H_P_PREFERRED_IDENTITY
    if k.reason:
        ea_first(&s.v.finding, k.reason)
        s.v.monitored |= <uint64_t>1 << rule
