# ops/scanner.pxi: names of attack tools in the headers, and the one request shape that only a tool sends.
#
# A signature counts anywhere in User-Agent or in From's display name and user,
# letters folded. The first windows of three bytes of every signature stand in a
# table, as many as the shortest one has. So wherever one stands, a look at every
# so manieth window of the text meets it, and nearly every other text meets none.

cdef enum:
    WINDOW = 3
    MAX_SCANNED = 256       # bytes of a text


# The place of a window: its three bytes, folded by | 0x20, to twelve bits. The fourth is multiplied out of the word.
cdef inline uint32_t signature_window(uint32_t bytes4) noexcept nogil:
    return ((bytes4 | 0x202020) * <uint32_t>0x3779b100) >> 20


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
    cdef uint32_t i = 0, k, window, stride = policy.signature_stride
    if n > MAX_SCANNED:
        n = MAX_SCANNED
    while i + WINDOW <= n:
        window = signature_window(ea_load32(p + i))
        if EA_UNLIKELY(policy.signature_windows[window] != 0):
            for k in range(i + 1 - stride if i >= stride else 0, i + 1):
                if signature_at(policy, p + k, n - k, which):
                    return True
        i += stride
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
