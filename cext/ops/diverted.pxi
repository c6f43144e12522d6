# ops/diverted.pxi: by whom a call was forwarded: Diversion (RFC 5806) and History-Info (RFC 7044).
#
# Both only claim it; what proves it is caller-owned's. A Diversion names the
# station that forwarded. An entry of History-Info names a target; that the next one
# is another user's says its `mp`, which holds the index of the entry it was mapped
# from; `rc` says that it is the same user elsewhere. Where no entry has such a
# parameter (RFC 4244), each may be a station.

# The value of a parameter behind an address; length 0: it isn't there, or has none.
cdef Slice address_param(const uint8_t *p, Identity *it, const char *name, uint32_t n) noexcept nogil:
    cdef uint32_t i = it.uri.whole.off + it.uri.whole.len, end = it.value.off + it.value.len, k
    while i < end:
        if p[i] == b'"':
            i += 1
            while i < end and p[i] != b'"':
                i += 2 if p[i] == b'\\' else 1
        if i >= end or p[i] != b';':
            i += 1
            continue
        i = <uint32_t>parse_blanks(p, i + 1, end)
        k = ea_run(p, i, end, CLS_TOKEN)
        if k - i == n and ea_same_fold(p + i, name, n):
            i = <uint32_t>parse_blanks(p, k, end)
            if i < end and p[i] == b'=':
                i = <uint32_t>parse_blanks(p, i + 1, end)
                return slice_of(i, ea_run(p, i, end, CLS_TOKEN))
            return slice_of(end, end)
        i = k
    return slice_of(end, end)


# How often the call says that it was diverted: a Diversion counts as many as its counter.
cdef uint64_t diversions(Screen *s) noexcept nogil:
    cdef uint64_t count = 0, counter
    cdef Slice text
    cdef int i
    for i in range(s.m.identities):
        if s.m.identity[i].header == H_DIVERSION:
            text = address_param(s.p, &s.m.identity[i], b"counter", 7)
            if not parse_uint(s.p, text.off, text.off + text.len, 99, &counter) or counter == 0:
                counter = 1 if text.len == 0 else 100       # "counter" has two digits at most
            count += counter
    return count


# Does an entry of History-Info name a station that forwarded?
cdef bint history_station(Screen *s, Identity *it) noexcept nogil:
    cdef Slice index = address_param(s.p, it, b"index", 5), mapped
    cdef Identity *other
    cdef bint told = False
    cdef int i
    for i in range(s.m.identities):
        other = &s.m.identity[i]
        if other.header != H_HISTORY_INFO:
            continue
        mapped = address_param(s.p, other, b"mp", 2)
        if mapped.len and index.len and same_slice(s.p, mapped, index):
            return True
        told = told or mapped.len or address_param(s.p, other, b"rc", 2).len or address_param(s.p, other, b"np", 2).len
    return not told


# Is the entry the called user under another address?
cdef bint history_called(Screen *s, Identity *it, uint64_t called) noexcept nogil:
    cdef Slice index = address_param(s.p, it, b"index", 5), same
    cdef Identity *other
    cdef int i
    if called == 0 or index.len == 0:
        return False
    for i in range(s.m.identities):
        other = &s.m.identity[i]
        if other.header == H_HISTORY_INFO and uri_canonical(s.p, &other.uri, &s.policy.plans[s.peer.plan]) == called:
            same = address_param(s.p, other, b"rc", 2)
            if same.len and same_slice(s.p, same, index):
                return True
    return False


# The number that a foreign caller's call was diverted from, when it is the trunk's own; else 0.
cdef uint64_t diverted_number(Screen *s) noexcept nogil:
    cdef uint64_t number
    cdef Identity *it
    cdef int i
    for i in range(s.m.identities):
        it = &s.m.identity[i]
        if it.header == H_DIVERSION or it.header == H_HISTORY_INFO:
            number = uri_canonical(s.p, &it.uri, &s.policy.plans[s.peer.plan])
            if number and peer_owns(s.policy, s.peer, number) and (
                    it.header == H_DIVERSION or history_station(s, it)):
                return number
    return 0


# A number in the credentials that is neither From's nor the trunk's: worth a note, since accounts have names of all kinds.
cdef int credentials_number(Screen *s, Caller *c) noexcept nogil:
    cdef uint64_t number
    cdef Slice user
    cdef Row *row
    cdef Plan *plan = &s.policy.plans[s.peer.plan]
    cdef int i
    for i in range(s.m.rows):
        row = &s.m.row[i]
        if row.id != H_PROXY_AUTHORIZATION and row.id != H_AUTHORIZATION:
            continue
        user = auth_param(s.p, row, b"username", 8)
        number = number_canonical(parse_number(
            s.p + user.off, ea_find(s.p, user.off, user.off + user.len, b'@') - user.off), plan)
        if number and number != c.from_ and number_impossible(s.policy, number) == 0 and not peer_owns(
                s.policy, s.peer, number) and not peer_pilot(s.policy, s.peer, number):
            s.found = number_value(number)
            return RSN_CALLER_CREDENTIALS
    return 0
