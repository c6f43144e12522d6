# parse.pxi: bytes to SipMsg, in one bounded pass over the lines.
#
# Each line is found by one scan that also proves it free of control bytes; its
# name is looked up in a perfect hash; the values that screening or forwarding
# reads are parsed at once, the others are only kept as rows. The first fault
# stays in `reason`, and the scan goes on, so that a refusal can still be
# addressed with the rows that are sound. Nothing is copied, nothing is guessed:
# what two readers could read differently is a fault.
#
# Grammar: RFC 3261 §25.1, RFC 3966 (tel), RFC 5031 (service URNs), RFC 3325
# (P-Asserted-Identity), RFC 5118 (IPv6). It never looks at sources or policy.

cdef enum:
    PARSE_END = -1
    OWN_BRANCH_LEN = 52     # act.pxi writes it


cdef inline void parse_fault(SipMsg *m, int reason) noexcept nogil:
    if m.reason == 0:
        m.reason = <uint16_t>reason


cdef inline uint32_t parse_blanks(const uint8_t *p, uint32_t i, uint32_t n) noexcept nogil:
    while i < n and EA_IS(p[i], CLS_LWS):
        i += 1
    return i


cdef inline uint32_t parse_run(const uint8_t *p, uint32_t i, uint32_t n, int classes) noexcept nogil:
    while i < n and EA_IS(p[i], classes):
        i += 1
    return i


cdef inline Slice slice_of(uint32_t start, uint32_t end) noexcept nogil:
    cdef Slice s
    s.off = start
    s.len = end - start
    return s


cdef inline bint slice_is(const uint8_t *p, Slice s, const char *low, uint32_t n) noexcept nogil:
    return s.len == n and ea_same_fold(p + s.off, low, n)


# Behind the closing quote of the quoted string that opens at i, or PARSE_END.
cdef inline int32_t parse_quoted(const uint8_t *p, uint32_t i, uint32_t n) noexcept nogil:
    i += 1
    while i < n:
        if p[i] == b'\\':
            i += 2
        elif p[i] == b'"':
            return <int32_t>(i + 1)
        else:
            i += 1
    return PARSE_END


# Decimal digits in [i, end) to *value; False when none, another byte, or more than `limit`.
cdef inline bint parse_uint(const uint8_t *p, uint32_t i, uint32_t end, uint64_t limit, uint64_t *value) noexcept nogil:
    cdef uint64_t x = 0
    if i >= end or end - i > 32:
        return False
    while i < end:
        if not EA_IS(p[i], CLS_DIGIT):
            return False
        x = x * 10 + (p[i] - 48)
        if x > limit:
            return False
        i += 1
    value[0] = x
    return True


cdef inline int parse_hex_digit(uint8_t c) noexcept nogil:
    if c <= 57:
        return c - 48
    return (c | 0x20) - 87


# A user part to a packed number: an optional '+', digits, visual separators
# (RFC 3966 §5.1.1), percent escapes decoded once. Anything else: 0.
cdef inline uint64_t parse_number(const uint8_t *p, uint32_t n) noexcept nogil:
    cdef uint64_t value = 0, plus = 0
    cdef uint32_t i = 0, digits = 0
    cdef uint8_t c
    while i < n:
        c = p[i]
        if c == b'%':
            if i + 2 >= n or not EA_IS(p[i + 1], CLS_HEX) or not EA_IS(p[i + 2], CLS_HEX):
                return 0
            c = <uint8_t>(parse_hex_digit(p[i + 1]) * 16 + parse_hex_digit(p[i + 2]))
            i += 2
        i += 1
        if 48 <= c <= 57:
            digits += 1
            if digits <= 15:
                value = value * 10 + (c - 48)
        elif c == b'+' and digits == 0 and plus == 0:
            plus = NUM_PLUS
        elif c != b'-' and c != b'.' and c != b'(' and c != b')':
            return 0
    if digits == 0:
        return 0
    if digits > 15:
        return NUM_LONG | plus
    return value | <uint64_t>digits << NUM_LEN_SHIFT | plus


cdef bint parse_host(const uint8_t *p, uint32_t *at, uint32_t end, Slice *host, bint *v6) noexcept nogil:
    cdef uint32_t i = at[0], start
    cdef uint8_t address[16]
    if i < end and p[i] == b'[':
        start = i + 1
        i = start
        while i < end and p[i] != b']':
            i += 1
        if i >= end or not ea_parse_v6(p + start, i - start, address):
            return False
        host[0] = slice_of(start, i)
        v6[0] = True
        at[0] = i + 1
        return True
    start = i
    i = parse_run(p, i, end, CLS_HOST)
    if i == start or i - start > 255:
        return False
    host[0] = slice_of(start, i)
    v6[0] = False
    at[0] = i
    return True


# ;name[=value] of a URI, up to '?' or the end. Marks lr and maddr.
cdef bint parse_uri_params(const uint8_t *p, uint32_t i, uint32_t end, Uri *u) noexcept nogil:
    cdef uint32_t start = i, name, name_end
    while i < end and p[i] == b';':
        i += 1
        name = i
        while i < end and (EA_IS(p[i], CLS_PARAM) or p[i] == b'%') and p[i] != b'?':
            i += 1
        name_end = i
        if name == name_end:
            return False
        if i < end and p[i] == b'=':
            i += 1
            while i < end and (EA_IS(p[i], CLS_PARAM) or p[i] == b'%') and p[i] != b'?':
                i += 1
            if i == name_end + 1:
                return False
        if name_end - name == 2 and ea_same_fold(p + name, b"lr", 2):
            u.flags |= URI_LR
        elif name_end - name == 5 and ea_same_fold(p + name, b"maddr", 5):
            u.flags |= URI_MADDR
    u.params = slice_of(start, i)
    if i < end and p[i] == b'?' and u.scheme != SCHEME_TEL:
        u.flags |= URI_HEADERS
        i += 1
        if i == end:
            return False
        while i < end and (EA_IS(p[i], CLS_PARAM) or p[i] == b'%' or p[i] == b'='):
            i += 1
    return i == end


cdef bint parse_sip_uri(const uint8_t *p, uint32_t i, uint32_t end, Uri *u) noexcept nogil:
    cdef uint32_t at = i, k = i
    cdef uint64_t port
    cdef bint v6 = False
    cdef uint32_t cut
    # '@' is legal nowhere else in the URI, so the first one ends the userinfo.
    while k < end and p[k] != b'@':
        k += 1
    if k < end:
        cut = k
        while at < k:
            if p[at] == b'%':
                if at + 2 >= k or not EA_IS(p[at + 1], CLS_HEX) or not EA_IS(p[at + 2], CLS_HEX):
                    return False
                u.flags |= URI_ESCAPED
                at += 3
                continue
            if not EA_IS(p[at], CLS_USER):
                return False
            if (p[at] == b';' or p[at] == b':') and cut == k:
                cut = at
            at += 1
        if k == i:
            return False
        u.user = slice_of(i, cut)
        u.number = parse_number(p + i, cut - i)
        i = k + 1
    if not parse_host(p, &i, end, &u.host, &v6):
        return False
    if v6:
        u.flags |= URI_V6
    if i < end and p[i] == b':':
        i += 1
        k = parse_run(p, i, end, CLS_DIGIT)
        if not parse_uint(p, i, k, 65535, &port) or port == 0:
            return False
        u.port = <uint16_t>port
        i = k
    return parse_uri_params(p, i, end, u)


cdef bint parse_tel_uri(const uint8_t *p, uint32_t i, uint32_t end, Uri *u) noexcept nogil:
    cdef uint32_t start = i
    while i < end and p[i] != b';':
        if not EA_IS(p[i], CLS_HEX) and p[i] not in b"+-.()*#%":
            return False
        i += 1
    if i == start:
        return False
    u.user = slice_of(start, i)
    u.number = parse_number(p + start, i - start)
    return parse_uri_params(p, i, end, u)


# [off, end) to Uri; False when it can't be read. Schemes that SIP doesn't route
# are kept whole as SCHEME_OTHER.
cdef bint parse_uri(const uint8_t *p, uint32_t off, uint32_t end, Uri *u) noexcept nogil:
    cdef uint32_t i = off, k
    cdef uint64_t word
    memset(u, 0, sizeof(Uri))
    u.whole = slice_of(off, end)
    if end - off >= 5:
        word = ea_fold8(p + off, 4)
        if word == 0x3a706973:                          # "sip:"
            u.scheme = SCHEME_SIP
            return parse_sip_uri(p, off + 4, end, u)
        if word == 0x3a6c6574:                          # "tel:"
            u.scheme = SCHEME_TEL
            return parse_tel_uri(p, off + 4, end, u)
        if word == 0x73706973 and p[off + 4] == b':':   # "sips:"
            u.scheme = SCHEME_SIPS
            return parse_sip_uri(p, off + 5, end, u)
    while i < end and (EA_IS(p[i], CLS_HOST) or p[i] == b'+') and p[i] != b'_':
        i += 1
    if i == off or i >= end or p[i] != b':' or not (97 <= (p[off] | 0x20) <= 122):
        return False
    k = i + 1
    u.scheme = SCHEME_OTHER
    if i - off == 3 and ea_same_fold(p + off, b"urn", 3):
        u.scheme = SCHEME_URN
        u.host = slice_of(k, end)
    if k == end:
        return False
    while k < end:
        if p[k] <= 32 or p[k] == b'<' or p[k] == b'>' or p[k] == b'"':
            return False
        k += 1
    return True


# *( ; name [ = value ] ) of a header value. Keeps the value of `tag`. Returns the
# offset of the ',' that ends this value, or n; PARSE_END on a fault.
cdef int32_t parse_params(const uint8_t *p, uint32_t i, uint32_t n, Slice *tag) noexcept nogil:
    cdef uint32_t name, name_end, value
    cdef int32_t closed
    while True:
        i = parse_blanks(p, i, n)
        if i >= n or p[i] == b',':
            return <int32_t>i
        if p[i] != b';':
            return PARSE_END
        name = parse_blanks(p, i + 1, n)
        name_end = parse_run(p, name, n, CLS_TOKEN)
        if name == name_end:
            return PARSE_END
        i = parse_blanks(p, name_end, n)
        if i >= n or p[i] != b'=':
            continue
        value = parse_blanks(p, i + 1, n)
        if value < n and p[value] == b'"':
            closed = parse_quoted(p, value, n)
            if closed < 0:
                return PARSE_END
            i = <uint32_t>closed
        else:
            i = value
            while i < n and not EA_IS(p[i], CLS_LWS) and p[i] != b';' and p[i] != b',' and p[i] != b'"':
                i += 1
            if i == value:
                return PARSE_END
        if tag != NULL and name_end - name == 3 and ea_same_fold(p + name, b"tag", 3):
            if tag.len or parse_run(p, value, i, CLS_TOKEN) != i:
                return PARSE_END
            tag[0] = slice_of(value, i)


# One name-addr or addr-spec with its parameters (RFC 3261 §20.10). Returns as parse_params.
cdef int32_t parse_addr(const uint8_t *p, uint32_t i, uint32_t n, Uri *u, Slice *tag) noexcept nogil:
    cdef uint32_t start, k
    cdef int32_t closed
    cdef Slice display
    display.off = 0
    display.len = 0
    i = parse_blanks(p, i, n)
    start = i
    if i >= n:
        return PARSE_END
    if p[i] == b'"':
        closed = parse_quoted(p, i, n)
        if closed < 0:
            return PARSE_END
        display = slice_of(start + 1, <uint32_t>closed - 1)
        i = parse_blanks(p, <uint32_t>closed, n)
        if i >= n or p[i] != b'<':
            return PARSE_END
    elif p[i] != b'<':
        # A display name of tokens ends at '<'; an addr-spec has its ':' before that.
        k = i
        while k < n and (EA_IS(p[k], CLS_TOKEN) or EA_IS(p[k], CLS_LWS)):
            k += 1
        if k < n and p[k] == b'<':
            i = k
            while k > start and EA_IS(p[k - 1], CLS_LWS):
                k -= 1
            display = slice_of(start, k)
    if p[i] == b'<':
        start = i + 1
        k = start
        while k < n and p[k] != b'>':
            k += 1
        if k >= n or not parse_uri(p, start, k, u):
            return PARSE_END
        u.display = display
        return parse_params(p, k + 1, n, tag)
    k = i
    while k < n and not EA_IS(p[k], CLS_LWS) and p[k] != b';' and p[k] != b',':
        if p[k] == b'?' or p[k] == b'<' or p[k] == b'"':
            return PARSE_END
        k += 1
    if not parse_uri(p, i, k, u):
        return PARSE_END
    return parse_params(p, k, n, tag)


# One Via value (RFC 3261 §20.42). Returns the offset of the ',' behind it, or n; PARSE_END on a fault.
cdef int32_t parse_via(const uint8_t *p, uint32_t i, uint32_t n, Via *v) noexcept nogil:
    cdef uint32_t k, name, name_end, value, length
    cdef uint64_t number
    cdef int32_t closed
    memset(v, 0, sizeof(Via))
    v.rport = -1
    i = parse_blanks(p, i, n)
    v.value.off = i
    if n - i < 7 or not ea_same_fold(p + i, b"sip", 3):
        return PARSE_END
    i = parse_blanks(p, i + 3, n)
    if i >= n or p[i] != b'/':
        return PARSE_END
    i = parse_blanks(p, i + 1, n)
    if i + 3 > n or p[i] != b'2' or p[i + 1] != b'.' or p[i + 2] != b'0':
        return PARSE_END
    i = parse_blanks(p, i + 3, n)
    if i >= n or p[i] != b'/':
        return PARSE_END
    i = parse_blanks(p, i + 1, n)
    k = parse_run(p, i, n, CLS_TOKEN)
    v.transport = slice_of(i, k)
    i = parse_blanks(p, k, n)
    if v.transport.len == 0 or i == k:
        return PARSE_END
    v.sent_by.off = i
    if not parse_host(p, &i, n, &v.host, &v.v6):
        return PARSE_END
    v.sent_by.len = i - v.sent_by.off
    k = parse_blanks(p, i, n)
    if k < n and p[k] == b':':
        k = parse_blanks(p, k + 1, n)
        i = parse_run(p, k, n, CLS_DIGIT)
        if not parse_uint(p, k, i, 65535, &number) or number == 0:
            return PARSE_END
        v.port = <uint16_t>number
        v.sent_by.len = i - v.sent_by.off
        k = parse_blanks(p, i, n)
    i = k
    v.value.len = v.sent_by.off + v.sent_by.len - v.value.off
    while True:
        if i >= n or p[i] == b',':
            return <int32_t>i
        if p[i] != b';':
            return PARSE_END
        name = parse_blanks(p, i + 1, n)
        name_end = parse_run(p, name, n, CLS_TOKEN)
        length = name_end - name
        if length == 0:
            return PARSE_END
        i = parse_blanks(p, name_end, n)
        value = 0
        if i < n and p[i] == b'=':
            value = parse_blanks(p, i + 1, n)
            if value < n and p[value] == b'"':
                closed = parse_quoted(p, value, n)
                if closed < 0:
                    return PARSE_END
                i = <uint32_t>closed
            else:
                i = value
                while i < n and not EA_IS(p[i], CLS_LWS) and p[i] != b';' and p[i] != b',' and p[i] != b'"':
                    i += 1
                if i == value:
                    return PARSE_END
        else:
            i = name_end
        v.value.len = i - v.value.off
        if length == 6 and ea_same_fold(p + name, b"branch", 6):
            if value == 0 or v.branch.len or parse_run(p, value, i, CLS_TOKEN) != i:
                return PARSE_END
            v.branch = slice_of(value, i)
        elif length == 8 and ea_same_fold(p + name, b"received", 8):
            if value == 0 or v.received.len:
                return PARSE_END
            v.received = slice_of(value, i)
        elif length == 5 and ea_same_fold(p + name, b"rport", 5):
            if v.rport >= 0:
                return PARSE_END
            v.rport = 0
            v.rport_value = slice_of(name_end, name_end)
            if value:
                v.rport_value = slice_of(value, i)
                if not parse_uint(p, value, i, 65535, &number) or number == 0:
                    return PARSE_END
                v.rport = <int32_t>number
        i = parse_blanks(p, i, n)
        # RFC 3261 §8.1.1.7: a branch is the cookie and more; the bare cookie names no transaction.
        if v.branch.len == 7 and ea_same_fold(p + v.branch.off, b"z9hg4bk", 7):
            return PARSE_END


cdef bint parse_via_row(const uint8_t *p, uint32_t i, uint32_t n, SipMsg *m) noexcept nogil:
    cdef Via further
    cdef Via *v
    cdef int32_t next_
    while True:
        if m.vias >= MAX_VIAS:
            parse_fault(m, RSN_TOO_MANY_VIAS)
            return True
        v = &m.via[m.vias] if m.vias < 2 else &further
        next_ = parse_via(p, i, n, v)
        if next_ < 0:
            return False
        m.vias += 1
        if (v.branch.len == OWN_BRANCH_LEN and p[v.branch.off + 7] == b'e' and p[v.branch.off + 8] == b'a'
                and m.own_vias < MAX_OWN_VIAS):
            m.own_via[m.own_vias] = v.branch
            m.own_vias += 1
        if <uint32_t>next_ >= n:
            return True
        i = <uint32_t>next_ + 1


cdef bint parse_route_row(const uint8_t *p, uint32_t i, uint32_t n, SipMsg *m, bint keep) noexcept nogil:
    cdef Uri spare
    cdef Uri *u
    cdef int32_t next_
    cdef uint32_t start
    while True:
        start = parse_blanks(p, i, n)
        if start >= n or (p[start] != b'<' and p[start] != b'"' and not EA_IS(p[start], CLS_TOKEN)):
            return False
        keep = keep and m.routes < MAX_ROUTES
        u = &m.route[m.routes] if keep else &spare
        next_ = parse_addr(p, i, n, u, NULL)
        if next_ < 0:
            return False
        if keep:
            m.route_value[m.routes] = slice_of(start, <uint32_t>next_)
            m.route_row[m.routes] = m.rows
            m.routes += 1
        m.routes_total += 1
        if <uint32_t>next_ >= n:
            return True
        i = <uint32_t>next_ + 1


cdef bint parse_identity_row(const uint8_t *p, uint32_t i, uint32_t n, SipMsg *m, int header) noexcept nogil:
    cdef Identity *it
    cdef int32_t next_
    cdef uint8_t order = 0
    cdef int k
    for k in range(m.identities):
        if m.identity[k].header == header:
            order += 1
    while True:
        if m.identities >= MAX_IDENTITIES:
            return False
        it = &m.identity[m.identities]
        next_ = parse_addr(p, i, n, &it.uri, NULL)
        if next_ < 0:
            return False
        it.header = <uint8_t>header
        it.order = order
        if header == H_P_ASSERTED_IDENTITY or header == H_P_PREFERRED_IDENTITY:
            # RFC 3325 §9.1: at most one sip or sips and one tel value.
            for k in range(m.identities):
                if m.identity[k].header == header and (
                        (m.identity[k].uri.scheme == SCHEME_TEL) == (it.uri.scheme == SCHEME_TEL)):
                    return False
        m.identities += 1
        order += 1
        if <uint32_t>next_ >= n:
            return True
        i = <uint32_t>next_ + 1


cdef bint parse_contact_row(const uint8_t *p, uint32_t i, uint32_t n, SipMsg *m) noexcept nogil:
    cdef Uri further
    cdef int32_t next_
    if n - i == 1 and p[i] == b'*':
        return True
    while True:
        next_ = parse_addr(p, i, n, &m.contact if m.contacts == 0 else &further, NULL)
        if next_ < 0:
            return False
        m.contacts += 1
        if <uint32_t>next_ >= n:
            return True
        i = <uint32_t>next_ + 1


cdef bint parse_cseq(const uint8_t *p, uint32_t i, uint32_t n, SipMsg *m) noexcept nogil:
    cdef uint32_t k = parse_run(p, i, n, CLS_DIGIT)
    cdef uint64_t number
    # RFC 3261 §8.1.1.5: less than 2**31.
    if not parse_uint(p, i, k, 0x7fffffff, &number):
        return False
    i = parse_blanks(p, k, n)
    if i == k or parse_run(p, i, n, CLS_TOKEN) != n or i == n:
        return False
    m.cseq = <uint32_t>number
    m.cseq_method = slice_of(i, n)
    return True


cdef bint parse_call_id(const uint8_t *p, uint32_t i, uint32_t n, SipMsg *m) noexcept nogil:
    cdef uint32_t k = parse_run(p, i, n, CLS_WORD)
    if k == i or n - i > MAX_CALL_ID:
        return False
    if k < n:
        if p[k] != b'@' or k + 1 == n or parse_run(p, k + 1, n, CLS_WORD) != n:
            return False
    m.call_id = slice_of(i, n)
    return True


cdef int parse_method(const uint8_t *p, Slice s) noexcept nogil:
    cdef const uint8_t *t = p + s.off
    if s.len == 3:
        if memcmp(t, b"ACK", 3) == 0:
            return M_ACK
        if memcmp(t, b"BYE", 3) == 0:
            return M_BYE
    elif s.len == 4:
        if memcmp(t, b"INFO", 4) == 0:
            return M_INFO
    elif s.len == 5:
        if memcmp(t, b"REFER", 5) == 0:
            return M_REFER
        if memcmp(t, b"PRACK", 5) == 0:
            return M_PRACK
    elif s.len == 6:
        if memcmp(t, b"INVITE", 6) == 0:
            return M_INVITE
        if memcmp(t, b"CANCEL", 6) == 0:
            return M_CANCEL
        if memcmp(t, b"UPDATE", 6) == 0:
            return M_UPDATE
        if memcmp(t, b"NOTIFY", 6) == 0:
            return M_NOTIFY
    elif s.len == 7:
        if memcmp(t, b"OPTIONS", 7) == 0:
            return M_OPTIONS
        if memcmp(t, b"MESSAGE", 7) == 0:
            return M_MESSAGE
        if memcmp(t, b"PUBLISH", 7) == 0:
            return M_PUBLISH
    elif s.len == 8:
        if memcmp(t, b"REGISTER", 8) == 0:
            return M_REGISTER
    elif s.len == 9:
        if memcmp(t, b"SUBSCRIBE", 9) == 0:
            return M_SUBSCRIBE
    return M_UNKNOWN


cdef void parse_start_line(const uint8_t *p, uint32_t n, SipMsg *m) noexcept nogil:
    cdef uint32_t i, k
    cdef uint64_t status
    if n >= 4 and ea_same_fold(p, b"sip/", 4):
        m.kind = KIND_RESPONSE
        if n < 12 or p[7] != b' ' or p[11] != b' ' or not parse_uint(p, 8, 11, 699, &status) or status < 100:
            parse_fault(m, RSN_START_LINE)
        elif not ea_same_fold(p, b"sip/2.0", 7):
            parse_fault(m, RSN_VERSION)
        else:
            m.status = <uint16_t>status
        return
    m.kind = KIND_REQUEST
    i = parse_run(p, 0, n, CLS_TOKEN)
    m.method_name = slice_of(0, i)
    if i == 0 or i >= n or p[i] != b' ' or i > 64:
        parse_fault(m, RSN_START_LINE)
        return
    m.method = <uint8_t>parse_method(p, m.method_name)
    k = i + 1
    i = k
    while i < n and p[i] != b' ' and p[i] != b'\t':
        i += 1
    if i == k or i >= n or p[i] != b' ' or n - i < 8 or not ea_same_fold(p + i + 1, b"sip/", 4):
        parse_fault(m, RSN_START_LINE)
        return
    if not parse_uri(p, k, i, &m.uri):
        parse_fault(m, RSN_REQUEST_URI)
    if n - i != 8 or not ea_same_fold(p + i + 1, b"sip/2.0", 7):
        k = i + 5
        i = parse_run(p, k, n, CLS_DIGIT)
        if i > k and i < n and p[i] == b'.' and i + 1 < n and parse_run(p, i + 1, n, CLS_DIGIT) == n:
            parse_fault(m, RSN_VERSION)
        else:
            parse_fault(m, RSN_START_LINE)


# True when every control byte of the line is a quoted pair inside a quoted string (RFC 3261 §25.1).
cdef bint parse_controls_quoted(const uint8_t *p, uint32_t i, uint32_t end) noexcept nogil:
    cdef bint quoted = False
    while i < end:
        if quoted and p[i] == b'\\' and i + 1 < end:
            i += 2
            continue
        if p[i] == b'"':
            quoted = not quoted
        elif (p[i] < 32 and not EA_IS(p[i], CLS_LWS)) or p[i] == 127:
            return False
        i += 1
    return True


cdef void parse_value(const uint8_t *p, uint32_t i, uint32_t n, SipMsg *m, int id) noexcept nogil:
    cdef uint64_t number
    cdef int32_t next_
    if id == H_VIA:
        if not parse_via_row(p, i, n, m):
            parse_fault(m, RSN_VIA)
    elif id == H_FROM:
        next_ = parse_addr(p, i, n, &m.from_, &m.from_tag)
        if next_ < 0 or <uint32_t>next_ != n:
            parse_fault(m, RSN_FROM)
    elif id == H_TO:
        m.to_value = slice_of(i, n)
        next_ = parse_addr(p, i, n, &m.to, &m.to_tag)
        if next_ < 0 or <uint32_t>next_ != n:
            parse_fault(m, RSN_TO)
    elif id == H_CALL_ID:
        if not parse_call_id(p, i, n, m):
            parse_fault(m, RSN_CALL_ID)
    elif id == H_CSEQ:
        if not parse_cseq(p, i, n, m):
            parse_fault(m, RSN_CSEQ)
    elif id == H_MAX_FORWARDS:
        if not parse_uint(p, i, n, 255, &number):
            parse_fault(m, RSN_MAX_FORWARDS)
        else:
            m.max_forwards = <int32_t>number
            m.max_forwards_value = slice_of(i, n)
    elif id == H_CONTENT_LENGTH:
        if not parse_uint(p, i, n, 0x7fffffff, &number):
            parse_fault(m, RSN_CONTENT_LENGTH)
        else:
            m.content_length = <int32_t>number
    elif id == H_CONTENT_TYPE:
        m.content_type = slice_of(i, n)
    elif id == H_CONTACT:
        if not parse_contact_row(p, i, n, m):
            parse_fault(m, RSN_CONTACT)
    elif id == H_ROUTE or id == H_RECORD_ROUTE:
        if not parse_route_row(p, i, n, m, id == H_ROUTE):
            parse_fault(m, RSN_ROUTE)
    elif H_P_ASSERTED_IDENTITY <= id <= H_HISTORY_INFO:
        if not parse_identity_row(p, i, n, m, id):
            parse_fault(m, RSN_IDENTITY_HEADER)
    elif id == H_USER_AGENT:
        m.user_agent = slice_of(i, n)
    elif id == H_PRIVACY:
        if m.privacy.len == 0:
            m.privacy = slice_of(i, n)
    elif id == H_REFER_TO:
        next_ = parse_addr(p, i, n, &m.refer_to, NULL)
        if next_ < 0 or <uint32_t>next_ != n:
            parse_fault(m, RSN_IDENTITY_HEADER)


# The line that starts at i to a row. Returns the first byte behind it, or 0 when the datagram ends first.
cdef uint32_t parse_line(const uint8_t *p, uint32_t i, uint32_t n, SipMsg *m) noexcept nogil:
    cdef uint32_t j = i, k, end, next_
    cdef bint controls = False
    cdef uint64_t fold
    cdef const EaHeaderName *name
    cdef Row *row = &m.row[m.rows]
    cdef int id = H_OTHER
    row.bad = 0
    while True:
        j += ea_scan_line(p + j, n - j)
        if EA_UNLIKELY(j >= n):
            parse_fault(m, RSN_NO_END)
            return 0
        if EA_LIKELY(p[j] == b'\r' and j + 1 < n and p[j + 1] == b'\n'):
            end = j
            next_ = j + 2
        elif p[j] == b'\n':
            parse_fault(m, RSN_LINE_END)
            row.bad = 1
            end = j
            next_ = j + 1
        else:
            if p[j] == b'\r':
                parse_fault(m, RSN_LINE_END)
                row.bad = 1
            controls = True
            j += 1
            continue
        if next_ < n and (p[next_] == b' ' or p[next_] == b'\t'):
            j = next_
            continue
        break
    if controls and not parse_controls_quoted(p, i, end):
        parse_fault(m, RSN_CONTROL_BYTE)
        row.bad = 1
    k = parse_run(p, i, end, CLS_TOKEN)
    fold = ea_fold8(p + i, k - i)
    name = &ea_header_names[((fold ^ (<uint64_t>(k - i) << 56)) * HEADER_HASH_MULTIPLIER) >> HEADER_HASH_SHIFT]
    if (name.len == k - i and name.fold == fold and k != i
            and (k - i <= 8 or ea_same_fold(p + i + 8, name.name + 8, k - i - 8))):
        id = name.id
    row.off = i
    row.end = next_
    row.id = <uint16_t>id
    j = k
    while k < end and (p[k] == b' ' or p[k] == b'\t'):
        k += 1
    if EA_UNLIKELY(j == i or k >= end or p[k] != b':'):
        parse_fault(m, RSN_HEADER_NAME)
        row.id = H_OTHER
        row.value = end
        row.value_len = 0
        m.rows += 1
        return next_
    k = parse_blanks(p, k + 1, end)
    while end > k and EA_IS(p[end - 1], CLS_LWS):
        end -= 1
    row.value = k
    row.value_len = end - k
    if id != H_OTHER:
        if (m.present & HEADER_SINGLE) >> id & 1:
            parse_fault(m, RSN_DUPLICATE_HEADER)
        m.present |= <uint64_t>1 << id
        if not row.bad:
            parse_value(p, k, end, m, id)
    m.rows += 1
    return next_


cdef inline void parse_reset(SipMsg *m) noexcept nogil:
    # Everything before `uri` is small; the arrays behind it are valid only as far as their counts.
    memset(m, 0, <size_t>(<uint8_t *>&m.uri - <uint8_t *>m))
    m.max_forwards = -1
    m.content_length = -1


# n bytes at p, of which the slot holds 64 more that may be read but never mean anything.
# Returns how many leading bytes to cut; all offsets count from there.
cdef uint32_t parse_message(const uint8_t *p, uint32_t n, SipMsg *m) noexcept nogil:
    cdef uint32_t skip = 0, i, end, next_
    parse_reset(m)
    # RFC 3261 §7.5: empty lines before the start line are ignored.
    while skip < n and (p[skip] == b'\r' or p[skip] == b'\n'):
        skip += 1
    p += skip
    n -= skip
    if n == 0 or (n < 12 and not EA_IS(p[0], CLS_TOKEN)) or p[0] == 0:
        m.kind = KIND_KEEPALIVE
        m.reason = RSN_KEEPALIVE
        return skip
    i = ea_scan_line(p, n)
    if i >= n:
        m.reason = RSN_START_LINE
        return skip
    end = i
    next_ = i + 1
    if p[i] == b'\r' and i + 1 < n and p[i + 1] == b'\n':
        next_ = i + 2
        parse_start_line(p, end, m)
    elif p[i] == b'\n':
        parse_start_line(p, end, m)
        parse_fault(m, RSN_LINE_END)
    else:
        m.reason = RSN_START_LINE
        return skip
    i = next_
    m.first_row = i
    if i < n and (p[i] == b' ' or p[i] == b'\t'):
        parse_fault(m, RSN_START_LINE)
    while True:
        if i + 1 >= n:
            parse_fault(m, RSN_NO_END)
            m.header_end = n
            break
        if p[i] == b'\r' and p[i + 1] == b'\n':
            m.header_end = i + 2
            break
        if p[i] == b'\n':
            parse_fault(m, RSN_LINE_END)
            m.header_end = i + 1
            break
        if m.rows == MAX_ROWS:
            parse_fault(m, RSN_TOO_MANY_HEADERS)
            m.header_end = n
            break
        i = parse_line(p, i, n, m)
        if i == 0:
            m.header_end = n
            break
    m.length = n
    parse_whole(p, n, m)
    if m.reason:
        m.method = m.method if m.kind == KIND_REQUEST else M_UNKNOWN
    return skip


# What no single line can tell: mandatory headers, CSeq against the start line, the body's length.
cdef void parse_whole(const uint8_t *p, uint32_t n, SipMsg *m) noexcept nogil:
    cdef uint64_t mandatory = (<uint64_t>1 << H_VIA | <uint64_t>1 << H_FROM | <uint64_t>1 << H_TO
                               | <uint64_t>1 << H_CALL_ID | <uint64_t>1 << H_CSEQ)
    if m.header_end > MAX_HEADER_BYTES:
        parse_fault(m, RSN_TOO_LARGE)
    if m.present & mandatory != mandatory:
        parse_fault(m, RSN_MISSING_HEADER)
    if m.reason:
        return
    if m.content_length >= 0:
        if <uint32_t>m.content_length > n - m.header_end:
            parse_fault(m, RSN_CONTENT_LENGTH)
            return
        # RFC 3261 §18.3: on UDP, bytes beyond Content-Length are no part of the message.
        m.length = m.header_end + <uint32_t>m.content_length
    if m.kind == KIND_RESPONSE:
        m.method = <uint8_t>parse_method(p, m.cseq_method)
    elif (m.cseq_method.len != m.method_name.len
            or memcmp(p + m.cseq_method.off, p + m.method_name.off, m.method_name.len) != 0):
        parse_fault(m, RSN_CSEQ_METHOD)
