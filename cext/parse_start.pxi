# parse_start.pxi: the start line (RFC 3261 §7.1, §7.2), its method, and what names a transaction: CSeq and Call-ID.

cdef bint parse_cseq(const uint8_t *p, const uint64_t *stop, size_t i, size_t n, SipMsg *m) noexcept nogil:
    cdef size_t k = ea_stop(stop, i)
    cdef uint64_t number
    # RFC 3261 §8.1.1.5: less than 2**31.
    if not parse_uint(p, i, k, 0x7fffffff, &number):
        return False
    i = parse_blanks(p, k, n)
    if i == k or ea_scan_run(p, stop, i, n, CLS_TOKEN) != n or i == n:
        return False
    m.cseq = <uint32_t>number
    m.cseq_method = slice_of(i, n)
    return True


cdef bint parse_call_id(const uint8_t *p, const uint64_t *stop, size_t i, size_t n, SipMsg *m) noexcept nogil:
    cdef EaStops stops
    cdef size_t k = ea_stops_first(&stops, stop, i)
    while k < n and EA_IS(p[k], CLS_WORD):
        k = ea_stops_next(&stops)
    if k == i or n - i > MAX_CALL_ID:
        return False
    if k < n:
        if p[k] != b'@' or k + 1 == n:
            return False
        k = ea_stops_next(&stops)
        while k < n and EA_IS(p[k], CLS_WORD):
            k = ea_stops_next(&stops)
        if k != n:
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


cdef void parse_start_line(const uint8_t *p, const uint64_t *stop, size_t n, SipMsg *m) noexcept nogil:
    cdef size_t i, k
    cdef uint64_t status
    cdef bint plain
    # No control byte stands in the line, so that only letters have a second form that folds to these words.
    if n >= 4 and ea_load32(p) | 0x20202020 == WORD_SIP_SLASH:
        m.kind = KIND_RESPONSE
        if n < 12 or p[7] != b' ' or p[11] != b' ' or not parse_uint(p, 8, 11, 699, &status) or status < 100:
            parse_fault(m, RSN_START_LINE)
        elif ea_fold8(p, 7) != WORD_VERSION:
            parse_fault(m, RSN_VERSION)
        else:
            m.status = <uint16_t>status
        return
    m.kind = KIND_REQUEST
    i = ea_scan_run(p, stop, 0, n, CLS_TOKEN)
    m.method_name = slice_of(0, i)
    if i == 0 or i >= n or p[i] != b' ' or i > 64:
        m.uri.scheme = SCHEME_NONE
        m.uri.number = 0
        parse_fault(m, RSN_START_LINE)
        return
    m.method = <uint8_t>parse_method(p, m.method_name)
    k = i + 1
    i = parse_plain_uri(p, stop, k, b' ', &m.uri)
    plain = i != 0
    m.uri.display = slice_of(0, 0)
    if not plain:
        i = ea_find(p, k, n, b' ')
    if i == k or i >= n or p[i] != b' ' or n - i < 8 or ea_load32(p + i + 1) | 0x20202020 != WORD_SIP_SLASH:
        m.uri.scheme = SCHEME_NONE
        m.uri.number = 0
        parse_fault(m, RSN_START_LINE)
        return
    if not plain and not parse_uri(p, stop, k, i, &m.uri):
        if parse_uri_head(p, stop, k, i, &m.uri):
            parse_soft(m, RSN_REQUEST_URI)
        else:
            parse_fault(m, RSN_REQUEST_URI)
    if n - i != 8 or ea_fold8(p + i + 1, 7) != WORD_VERSION:
        k = i + 5
        i = parse_digits(p, k, n)
        if i > k and i < n and p[i] == b'.' and i + 1 < n and parse_digits(p, i + 1, n) == n:
            parse_fault(m, RSN_VERSION)
        else:
            parse_fault(m, RSN_START_LINE)
