# parse_fault.pxi: faults, and which of them an emergency call survives.
#
# A *core* fault leaves open who sends, what is asked, of whom, or where the
# message ends: start line, Via, From, To, Call-ID, CSeq, Content-Length,
# Refer-To, line ends, control bytes, header lines, sizes. A *soft* one lies in a
# header that a call is set up without, or in the Request-URI's parameters. The first fault of either kind is the
# reason why a message is refused; that of an authorised trunk's emergency call
# (screen_soft) is refused for core faults only. So the parse goes on behind both.
# The cold half of the grammar that only that lane takes stands here too: the '='
# of base64 in Call-ID, tag and branch.

cdef enum:
    PARSE_PADDED = -2       # less the offset behind the value: read, but with a soft fault


cdef inline void parse_soft(SipMsg *m, int reason) noexcept nogil:
    ea_first(&m.reason, reason)


cdef inline void parse_fault(SipMsg *m, int reason) noexcept nogil:
    ea_first(&m.reason, reason)
    ea_first(&m.core, reason)


# A header that may stand once stands twice. H_OTHER where the first one holds, and the second is only carried along.
cdef int parse_duplicate(SipMsg *m, int id) noexcept nogil:
    if id in (H_FROM, H_TO, H_CALL_ID, H_CSEQ, H_CONTENT_LENGTH, H_REFER_TO):
        parse_fault(m, RSN_DUPLICATE_HEADER)
        return id
    parse_soft(m, RSN_DUPLICATE_HEADER)
    return H_OTHER


# From or To whose parse didn't end with the row.
cdef void parse_party_fault(SipMsg *m, int64_t ended, size_t n, int reason) noexcept nogil:
    if ended == PARSE_PADDED - <int64_t>n:
        parse_soft(m, reason)
    else:
        parse_fault(m, reason)


# Behind the '=' that follow a value which ends at i; i itself where none do.
cdef size_t parse_padding(const uint8_t *p, size_t i, size_t n, Slice *value) noexcept nogil:
    if value.len == 0 or value.off + value.len != i:
        return i
    while i < n and p[i] == b'=':
        i += 1
    value.len = <uint32_t>(i - value.off)
    return i


# A Call-ID that is one but for its '='.
cdef bint parse_padded_call_id(const uint8_t *p, size_t i, size_t n, SipMsg *m) noexcept nogil:
    cdef size_t k, at = 0
    if i >= n or n - i > MAX_CALL_ID or p[i] == b'@' or p[n - 1] == b'@':
        return False
    for k in range(i, n):
        if p[k] == b'@':
            at += 1
        elif p[k] != b'=' and not EA_IS(p[k], CLS_WORD):
            return False
    m.call_id = slice_of(i, n)
    return at <= 1


# True when every control byte of the line is a quoted pair inside a quoted string (RFC 3261 §25.1).
cdef bint parse_controls_quoted(const uint8_t *p, size_t i, size_t end) noexcept nogil:
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
