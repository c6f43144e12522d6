# ops/scanner.pxi: names of attack tools in the headers, and the one request shape that only a tool sends.
#
# A signature counts anywhere in User-Agent or in From's display name and user,
# letters folded. A bitmap of two-byte beginnings skips nearly every position.

cdef bint signature_at(PolicyImage *policy, const uint8_t *p, uint32_t n, uint64_t *which) noexcept nogil:
    cdef uint32_t at = 0, length
    cdef uint64_t number = 0
    while at < policy.signature_bytes:
        length = policy.signatures[at]
        if length <= n and ea_same_fold(p, <const char *>policy.signatures + at + 1, length):
            which[0] = number
            return True
        at += length + 1
        number += 1
    return False


cdef bint signature_in(PolicyImage *policy, const uint8_t *p, uint32_t n, uint64_t *which) noexcept nogil:
    cdef uint32_t i, pair
    if n > 256:
        n = 256
    i = 0
    while i + 1 < n:
        pair = (p[i] | <uint32_t>p[i + 1] << 8) | 0x2020
        if EA_UNLIKELY(policy.signature_starts[pair >> 6] >> (pair & 63) & 1):
            if signature_at(policy, p + i, n - i, which):
                return True
        i += 1
    return False


cdef int op_scanner(Screen *s) noexcept nogil:
    cdef SipMsg *m = s.m
    s.found = 0
    s.limit = 0
    if m.user_agent.len and signature_in(s.policy, s.p + m.user_agent.off, m.user_agent.len, &s.found):
        return RSN_SCANNER_AGENT
    if m.from_.display.len and signature_in(s.policy, s.p + m.from_.display.off, m.from_.display.len, &s.found):
        return RSN_SCANNER_AGENT
    if m.from_.number == 0 and m.from_.user.len and signature_in(
            s.policy, s.p + m.from_.user.off, m.from_.user.len, &s.found):
        return RSN_SCANNER_AGENT
    # The default of a well-known sweep tool: caller and callee are 100@1.1.1.1.
    if (m.from_.host.len == 7 and m.to.host.len == 7 and memcmp(s.p + m.from_.host.off, b"1.1.1.1", 7) == 0
            and memcmp(s.p + m.to.host.off, b"1.1.1.1", 7) == 0):
        return RSN_SCANNER_SHAPE
    return 0
