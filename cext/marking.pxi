# marking.pxi: the edits that take a forged marking out of a message: rows, values of a list, verstat parameters.
#
# The same for an INVITE, its copies, its CANCEL and its ACK, since they follow
# from the message and the policy alone. It never decides what is forged.

cdef const char *NAME_ASSERTED = b"P-Asserted-Identity\0\0\0\0\0\0\0\0\0\0\0\0\0"     # padded for ea_copy


cdef enum:                  # where a parameter stands
    PART_USER = 0           # before the '@'
    PART_PARAMS = 1         # in the URI, or a tel URI's
    PART_BEHIND = 2         # behind the URI


# Behind a parameter's name at i that reads "verstat", in any case, its letters perhaps escaped; 0: it is another.
cdef uint32_t verstat_name(const uint8_t *p, uint32_t i, uint32_t end, int part) noexcept nogil:
    cdef const char *name = b"verstat"
    cdef uint32_t k
    cdef uint8_t c
    while i < end and EA_IS(p[i], CLS_LWS):
        i += 1
    for k in range(7):
        if i >= end:
            return 0
        c = p[i]
        if c == b'%' and i + 2 < end and EA_IS(p[i + 1], CLS_HEX) and EA_IS(p[i + 2], CLS_HEX):
            c = <uint8_t>(parse_hex_digit(p[i + 1]) * 16 + parse_hex_digit(p[i + 2]))
            i += 2
        if (c | 0x20) != <uint8_t>name[k]:
            return 0
        i += 1
    if i == end or p[i] == b';' or p[i] == b'=' or (part == PART_USER and p[i] == b':'):
        return i
    if part == PART_BEHIND and (p[i] == b',' or EA_IS(p[i], CLS_LWS)):
        return i
    return 0


# Behind the value at i of a parameter that stands behind a URI: a quoted string, or up to a blank or the next sign.
cdef uint32_t verstat_value(const uint8_t *p, uint32_t i, uint32_t end) noexcept nogil:
    cdef bint quoted = False
    while i < end and (quoted or not (p[i] == b';' or p[i] == b',' or EA_IS(p[i], CLS_LWS))):
        if p[i] == b'"':
            quoted = not quoted
        elif quoted and p[i] == b'\\':
            i += 1
        i += 1
    return i if i < end else end


# The next parameter verstat in [i, end), from its ';' to the next one; length 0: there is none. Inside a URI all up to
# the next ';' is its value. Behind one, blanks may stand around '=', and what is quoted is no parameter.
cdef Slice verstat_next(const uint8_t *p, uint32_t i, uint32_t end, int part) noexcept nogil:
    cdef uint32_t at, k, n
    while i < end:
        at = i
        if part == PART_BEHIND and p[i] == b'"':
            i = verstat_value(p, i, end)
            continue
        i += 1
        if p[at] != b';':
            continue
        k = verstat_name(p, i, end, part)
        if k == 0:
            continue
        if part != PART_BEHIND:
            return slice_of(at, ea_find(p, k, end, b';'))
        n = <uint32_t>parse_blanks(p, k, end)
        if n < end and p[n] == b'=':
            k = verstat_value(p, <uint32_t>parse_blanks(p, n + 1, end), end)
        return slice_of(at, k)
    return slice_of(end, end)


# `count`, and those in [i, end), neighbours as one; edited out as far as MARKING_CUTS.
cdef uint32_t verstats_in(Edits *e, const uint8_t *p, uint32_t i, uint32_t end, int part,
                          uint32_t count) noexcept nogil:
    cdef uint32_t start = i, cut
    cdef Slice one = verstat_next(p, i, end, part)
    while one.len:
        cut = one.off
        i = cut
        while one.len and one.off == i:
            i += one.len
            one = verstat_next(p, i, end, part)
        count += 1
        if e != NULL and count <= MARKING_CUTS:
            # Nothing may be left before an '@'.
            edit_add(e, cut, i - cut + (part == PART_USER and cut == start and i == end), NULL, 0)
    return count


# The user part of a sip or sips URI with its parameters and password, up to the '@', whatever stands before the first
# ';'; length 0: it has none.
cdef inline Slice uri_userinfo(Uri *u) noexcept nogil:
    if (u.scheme != SCHEME_SIP and u.scheme != SCHEME_SIPS) or u.user.off == 0:
        return slice_of(0, 0)
    return slice_of(u.user.off, u.host.off - 1 - ((u.flags & URI_V6) != 0))


# Those of one caller's URI and of what follows it, up to `end`.
cdef uint32_t verstats_of(Edits *e, Screen *s, Uri *u, uint32_t end, uint32_t count) noexcept nogil:
    cdef Slice user = uri_userinfo(u)
    cdef uint32_t behind = u.whole.off + u.whole.len
    if user.len and u.flags & URI_USER_PARAMS:
        count = verstats_in(e, s.p, user.off, user.off + user.len, PART_USER, count)
    if u.flags & URI_VERSTAT:
        count = verstats_in(e, s.p, u.params.off, u.params.off + u.params.len, PART_PARAMS, count)
    return verstats_in(e, s.p, behind, end, PART_BEHIND, count)


# How many verstat parameters stand in a request's From and the other callers' headers; with `e` they are edited out.
cdef uint32_t marking_verstats(Edits *e, Screen *s) noexcept nogil:
    cdef Identity *it
    cdef Row *row
    cdef uint32_t count = 0
    cdef int i
    for i in range(s.m.rows):
        row = &s.m.row[i]
        # A response has the From of its request.
        if row.id == H_FROM and s.m.kind == KIND_REQUEST:
            count = verstats_of(e, s, &s.m.from_, row.value + row.value_len, count)
    for i in range(s.m.identities):
        it = &s.m.identity[i]
        if not (s.marking.cut >> it.header & 1 or s.marking.values >> i & 1):
            count = verstats_of(e, s, &it.uri, it.value.off + it.value.len, count)
    return count


# One value out of a list of two at most, or its row.
cdef void marking_edit_value(Edits *e, Screen *s, Identity *it) noexcept nogil:
    cdef Row *row = &s.m.row[it.row]
    cdef Identity *other
    cdef uint32_t end = it.value.off + it.value.len, start
    cdef int i
    for i in range(s.m.identities):
        other = &s.m.identity[i]
        if other != it and other.row == it.row:
            start = other.value.off + other.value.len
            if start < end:
                edit_add(e, start, end - start, NULL, 0)
            else:
                edit_add(e, it.value.off, other.value.off - it.value.off, NULL, 0)
            return
    edit_add(e, row.off, row.end - row.off, NULL, 0)


# Edits of what goes on without its forged markings, and the headers (bits H_) none of whose rows do.
cdef uint64_t marking_edits(Edits *e, Screen *s) noexcept nogil:
    cdef Marking *k
    cdef int i
    if s.peer.mode[s.policy.reason_rule[RSN_MARKING_VERSTAT]] != MODE_ENFORCE:
        return 0
    k = markings_of(s) if s.m.kind == KIND_REQUEST else &s.marking     # see marking_response
    for i in range(s.m.identities):
        if k.values >> i & 1:
            marking_edit_value(e, s, &s.m.identity[i])
    if k.verstats:
        marking_verstats(e, s)
    if k.promote:
        for i in range(s.m.rows):
            if s.m.row[i].id == H_P_PREFERRED_IDENTITY:
                edit_add(e, s.m.row[i].off, 20, <const uint8_t *>NAME_ASSERTED, 19)
    return k.cut
