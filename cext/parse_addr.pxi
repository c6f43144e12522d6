# parse_addr.pxi: name-addr, addr-spec, Via and their parameters (RFC 3261 §20.10, §20.42, §25.1).
#
# List elements return the offset of the ',' behind them, or n at the end of the
# row, or PARSE_END on a fault.

# Behind the closing quote of the quoted string that opens at i, or PARSE_END.
cdef inline int64_t parse_quoted(const uint8_t *p, const uint64_t *stop, size_t i, size_t n) noexcept nogil:
    i = ea_stop(stop, i + 1)
    while i < n:
        if p[i] == b'\\':
            # quoted-pair leaves out CR and LF, so a fold is none (RFC 3261 §25.1).
            if i + 1 < n and (p[i + 1] == b'\r' or p[i + 1] == b'\n'):
                return PARSE_END
            i += 1
        elif p[i] == b'"':
            return <int64_t>(i + 1)
        i += 1
        if i < n:
            i = ea_stop(stop, i)
    return PARSE_END


# Behind a parameter's value: a quoted string, or token characters and those of host. PARSE_END when there is none.
cdef inline int64_t parse_param_value(const uint8_t *p, const uint64_t *stop, size_t i, size_t n) noexcept nogil:
    cdef size_t end
    if i < n and p[i] == b'"':
        return parse_quoted(p, stop, i, n)
    end = ea_scan_run(p, stop, i, n, CLS_VALUE)
    return PARSE_END if end == i else <int64_t>end


# *( ; name [ = value ] ) of a header value. Keeps the value of `tag`.
cdef int64_t parse_params(const uint8_t *p, const uint64_t *stop, size_t i, size_t n, Slice *tag) noexcept nogil:
    cdef size_t name, name_end
    cdef int64_t end
    cdef bint is_tag
    while True:
        i = parse_blanks(p, i, n)
        if i >= n or p[i] == b',':
            return <int64_t>i
        if p[i] != b';':
            if tag == NULL or parse_padding(p, i, n, tag) == i:
                return PARSE_END
            end = parse_params(p, stop, tag.off + tag.len, n, tag)
            return PARSE_END if end < 0 else PARSE_PADDED - end
        name = parse_blanks(p, i + 1, n)
        name_end = ea_scan_run(p, stop, name, n, CLS_TOKEN)
        if name == name_end:
            return PARSE_END
        is_tag = tag != NULL and name_end - name == 3 and ea_fold8(p + name, 3) == WORD_TAG
        i = parse_blanks(p, name_end, n)
        if i >= n or p[i] != b'=':
            if is_tag:
                return PARSE_END
            continue
        name = parse_blanks(p, i + 1, n)
        end = parse_param_value(p, stop, name, n)
        if end < 0:
            return PARSE_END
        i = <size_t>end
        if is_tag:
            if tag.len or ea_scan_run(p, stop, name, i, CLS_TOKEN) != i:
                return PARSE_END
            tag[0] = slice_of(name, i)


# ";tag=" and a token up to the end of the row, as nearly every From ends. False: other parameters, or none.
cdef inline bint parse_tag(const uint8_t *p, const uint64_t *stop, size_t i, size_t n, Slice *tag) noexcept nogil:
    if tag.len or i + 5 >= n or ea_load32(p + i) | 0x20202000 != WORD_SEMICOLON_TAG or p[i + 4] != b'=':
        return False
    if ea_scan_run(p, stop, i + 5, n, CLS_TOKEN) != n:
        return False
    tag[0] = slice_of(i + 5, n)
    return True


# Behind an unquoted display name that ends at '<', or i when there is none. Phones
# write escaped quotes there (\"name\"); a reader that took one for a quoted string
# would find no end, so it has one reading only.
cdef inline size_t parse_display(const uint8_t *p, const uint64_t *stop, size_t i, size_t n) noexcept nogil:
    cdef size_t k = i
    while True:
        k = ea_scan_run(p, stop, k, n, CLS_TOKEN | CLS_LWS)
        if k + 1 < n and p[k] == b'\\' and p[k + 1] > 32:
            k += 2
            continue
        return k if k < n and p[k] == b'<' else i


# One name-addr or addr-spec with its parameters.
cdef int64_t parse_addr(const uint8_t *p, const uint64_t *stop, size_t i, size_t n, Uri *u, Slice *tag) noexcept nogil:
    cdef size_t start, k
    cdef int64_t closed
    cdef Slice display
    display.off = 0
    display.len = 0
    i = parse_blanks(p, i, n)
    start = i
    if i >= n:
        return PARSE_END
    if p[i] == b'"':
        closed = parse_quoted(p, stop, i, n)
        if closed < 0:
            return PARSE_END
        display = slice_of(start + 1, <size_t>closed - 1)
        i = parse_blanks(p, <size_t>closed, n)
        if i >= n or p[i] != b'<':
            return PARSE_END
    elif p[i] != b'<':
        i = parse_display(p, stop, i, n)
        k = i
        while k > start and EA_IS(p[k - 1], CLS_LWS):
            k -= 1
        display = slice_of(start, k)
    if p[i] == b'<':
        start = i + 1
        k = parse_plain_uri(p, stop, start, b'>', u)
        if k == 0:
            k = ea_find(p, start, n, b'>')
            if k >= n or not parse_uri(p, stop, start, k, u):
                return PARSE_END
        u.display = display
        if k + 1 == n or tag != NULL and parse_tag(p, stop, k + 1, n, tag):
            return <int64_t>n
        return parse_params(p, stop, k + 1, n, tag)
    # Without <> the parameters are the header's, and '?' and ',' can't be the URI's (§20).
    k = i
    while k < n and not EA_IS(p[k], CLS_LWS) and p[k] != b';' and p[k] != b',':
        if p[k] == b'?' or p[k] == b'<' or p[k] == b'"':
            return PARSE_END
        k += 1
    if not parse_uri(p, stop, i, k, u):
        return PARSE_END
    return parse_params(p, stop, k, n, tag)


# "<URI>" from i to n with the bytes of one that was read from brackets: a caller is often named twice. What a URI is
# read as depends on nothing else. False: another, or something with it.
cdef inline bint parse_same_uri(const uint8_t *p, size_t i, size_t n, const Uri *known, Uri *u) noexcept nogil:
    cdef uint32_t at = known.whole.off, length = known.whole.len, shift
    if length < 16 or n - i != <size_t>length + 2 or p[i] != b'<' or p[n - 1] != b'>' or p[at - 1] != b'<':
        return False
    if p[at + length] != b'>' or not ea_same_blocks(p + i + 1, p + at, length):
        return False
    shift = <uint32_t>(i + 1) - at
    u[0] = known[0]
    u.whole.off += shift
    # An offset of 0 says that there is none.
    if u.user.off:
        u.user.off += shift
    if u.host.off:
        u.host.off += shift
    if u.params.off:
        u.params.off += shift
    u.display = slice_of(0, 0)
    return True


# May what stands around or behind the URI at the end of a value hold a verstat parameter? What says who calls and little more can't.
cdef inline bint parse_marked(Uri *u, size_t tail) noexcept nogil:
    return (u.flags & (URI_USER_PARAMS | URI_VERSTAT)) != 0 or tail > 7      # ";verstat" has eight


# sent-protocol and sent-by. Returns the offset of what follows, 0 on a fault.
cdef inline size_t parse_sent(const uint8_t *p, const uint64_t *stop, size_t i, size_t n, Via *v) noexcept nogil:
    cdef size_t k
    cdef uint64_t number
    if n - i < 11:
        return 0
    # "SIP/2.0/UDP " and no further blank, as nearly every Via opens.
    if ea_load64(p + i) == WORD_SIP_2_0 and ea_load32(p + i + 8) == WORD_UDP and p[i + 12] > 32:
        v.transport = slice_of(i + 8, i + 11)
        i += 12
    else:
        if not ea_same_fold(p + i, b"sip", 3):
            return 0
        i = parse_blanks(p, i + 3, n)
        if i >= n or p[i] != b'/':
            return 0
        i = parse_blanks(p, i + 1, n)
        if i + 3 > n or p[i] != b'2' or p[i + 1] != b'.' or p[i + 2] != b'0':
            return 0
        i = parse_blanks(p, i + 3, n)
        if i >= n or p[i] != b'/':
            return 0
        i = parse_blanks(p, i + 1, n)
        k = ea_scan_run(p, stop, i, n, CLS_TOKEN)
        v.transport = slice_of(i, k)
        i = parse_blanks(p, k, n)
        if v.transport.len == 0 or i == k:
            return 0
    v.sent_by.off = i
    if not parse_host(p, stop, &i, n, &v.host, &v.v6):
        return 0
    v.sent_by.len = i - v.sent_by.off
    k = parse_blanks(p, i, n)
    if k < n and p[k] == b':':
        k = parse_blanks(p, k + 1, n)
        i = ea_stop(stop, k)
        if not parse_uint(p, k, i, 65535, &number) or number == 0:
            return 0
        v.port = <uint16_t>number
        v.sent_by.len = i - v.sent_by.off
        k = parse_blanks(p, i, n)
    return k


# received is where the response is sent, so it must be an address (RFC 3261 §25.1; brackets: RFC 5118 §4.5).
cdef bint parse_received(const uint8_t *p, Slice s) noexcept nogil:
    cdef uint8_t v6[16]
    cdef uint32_t v4
    if s.len and p[s.off] == b'[':
        return s.len > 2 and p[s.off + s.len - 1] == b']' and ea_parse_v6(p + s.off + 1, s.len - 2, v6)
    return ea_parse_v4(p + s.off, s.len, &v4) or ea_parse_v6(p + s.off, s.len, v6)


cdef bint parse_via_param(const uint8_t *p, const uint64_t *stop, size_t name, size_t length, Slice value,
                          Via *v) noexcept nogil:
    cdef uint64_t number
    cdef size_t end = value.off + value.len
    if length == 6 and ea_fold8(p + name, 6) == WORD_BRANCH:
        if value.len == 0 or v.branch.len or ea_scan_run(p, stop, value.off, end, CLS_TOKEN) != end:
            return False
        v.branch = value
        # RFC 3261 §8.1.1.7: a branch is the cookie and more; the bare cookie names no transaction.
        return not (value.len == 7 and ea_same_fold(p + value.off, b"z9hg4bk", 7))
    if length == 5 and ea_fold8(p + name, 5) == WORD_RPORT:
        if v.rport >= 0:
            return False
        v.rport = 0
        v.rport_value = slice_of(name + length, name + length)
        if value.len:
            if not parse_uint(p, value.off, end, 65535, &number) or number == 0:
                return False
            v.rport = <int32_t>number
            v.rport_value = value
    elif length == 8 and ea_same_fold(p + name, b"received", 8):
        if v.received.len or not parse_received(p, value):
            return False
        v.received = value
    return True


# "SIP/2.0/UDP host[:port]*(;name[=value])" without blanks, as nearly every Via is, in one go from stop to stop. *v is
# clear. Returns what stands behind it; 0: another one, or none, read it the general way.
cdef inline size_t parse_plain_via(const uint8_t *p, const uint64_t *stop, size_t i, size_t n, Via *v) noexcept nogil:
    cdef size_t k, name, length
    cdef uint64_t number
    cdef Slice value
    cdef EaStops stops
    if n - i <= 12 or ea_load64(p + i) != WORD_SIP_2_0 or ea_load32(p + i + 8) != WORD_UDP:
        return 0
    v.transport = slice_of(i + 8, i + 11)
    i += 12
    v.sent_by.off = i
    k = ea_stops_first(&stops, stop, i)
    if k == i or k - i > 255:
        return 0
    v.host = slice_of(i, k)
    if p[k] == b':':
        i = k + 1
        k = ea_stops_next(&stops)
        if not parse_uint(p, i, k, 65535, &number) or number == 0:
            return 0
        v.port = <uint16_t>number
    v.sent_by.len = k - v.sent_by.off
    # n itself is a stop, and no character of these.
    while p[k] == b';':
        name = k + 1
        k = ea_stops_next(&stops)
        length = k - name
        if length == 0:
            return 0
        value = slice_of(k, k)
        if p[k] == b'=':
            i = k + 1
            k = ea_stops_next(&stops)
            while EA_IS(p[k], CLS_TOKEN):
                k = ea_stops_next(&stops)
            if k == i:
                return 0
            value = slice_of(i, k)
        if length == 6 and ea_fold8(p + name, 6) == WORD_BRANCH:
            if value.len <= 7 or v.branch.len:
                return 0
            v.branch = value
        elif (length == 5 or length == 8) and not parse_via_param(p, stop, name, length, value, v):
            return 0
    v.value.len = k - v.value.off
    return k if k == n or p[k] == b',' else 0


# One Via value.
cdef int64_t parse_via(const uint8_t *p, const uint64_t *stop, size_t i, size_t n, Via *v) noexcept nogil:
    cdef size_t k, name, name_end
    cdef int64_t end
    cdef Slice value
    memset(v, 0, sizeof(Via))
    v.rport = -1
    i = parse_blanks(p, i, n)
    v.value.off = i
    if i >= n:
        return PARSE_END
    k = parse_plain_via(p, stop, i, n, v)
    if k != 0:
        return <int64_t>k
    memset(v, 0, sizeof(Via))
    v.rport = -1
    v.value.off = i
    i = parse_sent(p, stop, i, n, v)
    if i == 0:
        return PARSE_END
    v.value.len = v.sent_by.off + v.sent_by.len - v.value.off
    while True:
        if i >= n or p[i] == b',':
            return <int64_t>i
        if p[i] != b';':
            k = parse_padding(p, i, n, &v.branch)
            if k == i:
                return PARSE_END
            v.padded = 1
            v.value.len = k - v.value.off
            i = parse_blanks(p, k, n)
            continue
        name = parse_blanks(p, i + 1, n)
        name_end = ea_scan_run(p, stop, name, n, CLS_TOKEN)
        if name_end == name:
            return PARSE_END
        value = slice_of(name_end, name_end)
        i = name_end
        k = parse_blanks(p, i, n)
        if k < n and p[k] == b'=':
            k = parse_blanks(p, k + 1, n)
            end = parse_param_value(p, stop, k, n)
            if end < 0:
                return PARSE_END
            value = slice_of(k, <size_t>end)
            i = <size_t>end
        v.value.len = i - v.value.off
        if not parse_via_param(p, stop, name, name_end - name, value, v):
            return PARSE_END
        i = parse_blanks(p, i, n)
