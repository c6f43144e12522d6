# emergency.pxi: the lane's matcher: is this Request-URI an emergency call? First, in constant time, outside the rows.
#
# It reads the number as received, before '+' is dropped, and only ever matches
# the complete dial string: +91 11 ... (New Delhi) is no 911. Forms: RFC 5031
# (service URNs), RFC 6881 SP-7 (dial strings), and the outside-line, trunk and
# country prefixes that policy compiled into the tables.

cdef int emergency_number(EmergencyTable *t, uint64_t number) noexcept nogil:
    if number & NUM_LONG or number_len(number) > t.longest:
        return LANE_NONE
    if number & NUM_PLUS:
        return LANE_CALL if sorted_has(t.plus, t.plus_count, number & ~NUM_PLUS) else LANE_NONE
    if sorted_has(t.exact, t.exact_count, number):
        return LANE_CALL
    return LANE_TEST if sorted_has(t.test, t.test_count, number) else LANE_NONE


# The digits that a telephone would dial of a user part that is no plain number: an
# optional service code (*67), separators, a pause or post-dial part, a closing '#'.
cdef uint64_t emergency_dialled(const uint8_t *p, uint32_t n) noexcept nogil:
    cdef uint8_t text[40]
    cdef uint32_t i = 0, out = 0, start = 0
    cdef uint8_t c
    while i < n and out < sizeof(text):
        c = p[i]
        if c == b'%' and i + 2 < n and EA_IS(p[i + 1], CLS_HEX) and EA_IS(p[i + 2], CLS_HEX):
            c = <uint8_t>(parse_hex_digit(p[i + 1]) * 16 + parse_hex_digit(p[i + 2]))
            i += 2
        i += 1
        if c in b",;pPwW":
            break
        if c not in b" -.()":
            text[out] = c
            out += 1
    # A service code: *67 and its like, and #31# as mobile phones have it.
    if out > 3 and (text[0] == b'*' or text[0] == b'#') and EA_IS(text[1], CLS_DIGIT) and EA_IS(text[2], CLS_DIGIT):
        start = 4 if text[3] == b'#' else 3
    while out > start and text[out - 1] == b'#':
        out -= 1
    if out <= start or out - start > 15:
        return 0
    # Decoded once already: what still holds a '%' is no dial string.
    return 0 if memchr(text, b'%', out) != NULL else parse_number(text + start, out - start)


# The digits alone, where no letter and none of + * # stands: a sloppy reader may take 911! or 9,911 for 911. 0: none or too many.
cdef uint64_t emergency_digits(const uint8_t *p, uint32_t n) noexcept nogil:
    cdef uint64_t value = 0
    cdef uint32_t i = 0, digits = 0
    cdef uint8_t c
    while i < n:
        c = p[i]
        if c == b'%' and i + 2 < n and EA_IS(p[i + 1], CLS_HEX) and EA_IS(p[i + 2], CLS_HEX):
            c = <uint8_t>(parse_hex_digit(p[i + 1]) * 16 + parse_hex_digit(p[i + 2]))
            i += 2
        i += 1
        if 48 <= c <= 57:
            value = value * 10 + (c - 48)
            digits += 1
            if digits > 15:
                return 0
        elif c in b"+*#" or 97 <= (c | 0x20) <= 122:
            return 0
    return number_pack(value, digits) if digits else 0


# Of the service URN's second labels those that are registered (RFC 5031 §4.2, RFC 7163, RFC 8147): a user part "sos.team"
# is somebody's name.
cdef const char *SERVICES[11]
SERVICES[:] = [b"ambulance", b"animal-control", b"country-specific", b"ecall", b"fire", b"gas", b"marine", b"mountain",
               b"physician", b"poison", b"police"]


# A service as a user part: "sos", "sos.fire", "test.sos", perhaps as the whole URN; escapes decoded once, letters folded.
cdef int emergency_service(const uint8_t *p, uint32_t n) noexcept nogil:
    cdef uint8_t text[64]
    cdef uint32_t i = 0, out = 0, at = 0, length
    cdef uint8_t c
    cdef int lane = LANE_CALL, k
    while i < n:
        c = p[i]
        if c == b'%' and i + 2 < n and EA_IS(p[i + 1], CLS_HEX) and EA_IS(p[i + 2], CLS_HEX):
            c = <uint8_t>(parse_hex_digit(p[i + 1]) * 16 + parse_hex_digit(p[i + 2]))
            i += 2
        i += 1
        if out == sizeof(text):
            return LANE_NONE
        text[out] = c | 0x20 if 65 <= c <= 90 else c
        out += 1
    if out > 12 and memcmp(text, b"urn:service:", 12) == 0:
        at = 12
    if out - at > 5 and memcmp(text + at, b"test", 4) == 0 and (text[at + 4] == b'.' or text[at + 4] == b':'):
        at += 5
        lane = LANE_TEST
    if out - at < 3 or memcmp(text + at, b"sos", 3) != 0:
        return LANE_NONE
    if out - at == 3:
        return lane
    if text[at + 3] != b'.':
        return LANE_NONE
    at += 4
    for k in range(11):
        length = <uint32_t>strlen(SERVICES[k])
        if out - at >= length and memcmp(text + at, SERVICES[k], length) == 0 and (
                out - at == length or text[at + length] == b'.'):
            return lane
    return LANE_NONE


cdef bint label_starts(const uint8_t *p, Slice s, const char *label, uint32_t n) noexcept nogil:
    return s.len >= n and ea_same_fold(p + s.off, label, n) and (s.len == n or p[s.off + n] == b'.')


cdef int emergency_match(EmergencyTable *t, const uint8_t *p, Uri *u) noexcept nogil:
    cdef int lane
    cdef uint64_t number
    if u.scheme == SCHEME_URN:
        if label_starts(p, u.host, b"service:sos", 11):
            return LANE_CALL
        # NG9-1-1 test suites write the second form.
        if label_starts(p, u.host, b"service:test.sos", 16) or label_starts(p, u.host, b"service:test:sos", 16):
            return LANE_TEST
        return LANE_NONE
    if u.scheme == SCHEME_OTHER or u.user.len == 0:
        return LANE_NONE
    if u.number:
        return emergency_number(t, u.number)
    if u.user.len > 120:
        return LANE_NONE
    if u.scheme != SCHEME_TEL:
        number = u.user.len
        if number == 3 and ea_same_fold(p + u.user.off, b"urn", 3):
            # What reads like a password behind the ':' is the rest of the name.
            number = ea_find(p, u.user.off, u.host.off, b'@') - u.user.off
            number = ea_find(p, u.user.off, u.user.off + number, b';') - u.user.off
        lane = emergency_service(p + u.user.off, <uint32_t>number)
        if lane != LANE_NONE:
            return lane
    number = emergency_dialled(p + u.user.off, u.user.len)
    lane = emergency_number(t, number) if number else LANE_NONE
    if lane != LANE_NONE:
        return lane
    number = emergency_digits(p + u.user.off, u.user.len)
    return emergency_number(t, number) if number else LANE_NONE
