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


# A dialled number, or one that is local to `context`, the global digits of its phone-context (0: none): together they
# are an international number, of whatever country they name.
cdef int emergency_reached(EmergencyTable *t, uint64_t number, uint64_t context) noexcept nogil:
    cdef int lane = emergency_number(t, number)
    cdef uint32_t digits = number_len(number)
    if EA_LIKELY(context == 0) or lane != LANE_NONE or number & (NUM_PLUS | NUM_LONG) or number_len(context) + digits > 15:
        return lane
    return emergency_number(t, number_pack(
        number_value(context) * POW10[digits] + number_value(number), number_len(context) + digits) | NUM_PLUS)


# One byte of a user part, an escape decoded once; *i goes behind it.
cdef inline uint8_t emergency_byte(const uint8_t *p, uint32_t n, uint32_t *i) noexcept nogil:
    cdef uint32_t at = i[0]
    if p[at] == b'%' and at + 2 < n and EA_IS(p[at + 1], CLS_HEX) and EA_IS(p[at + 2], CLS_HEX):
        i[0] = at + 3
        return <uint8_t>(parse_hex_digit(p[at + 1]) * 16 + parse_hex_digit(p[at + 2]))
    i[0] = at + 1
    return p[at]


# The digits that a telephone would dial of a user part that is no plain number: an
# optional service code (*67), separators, a pause or post-dial part, a closing '#'.
cdef uint64_t emergency_dialled(const uint8_t *p, uint32_t n) noexcept nogil:
    cdef uint8_t text[40]
    cdef uint32_t i = 0, out = 0, start = 0
    cdef uint8_t c
    while i < n and out < sizeof(text):
        c = emergency_byte(p, n, &i)
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


# Two digits of a service code at `at` (*67, #31#), with the '#' that may close it: where it ends; 0: there is none.
cdef uint32_t emergency_code(const uint8_t *p, uint32_t n, uint32_t at) noexcept nogil:
    cdef uint32_t k
    cdef uint8_t c
    for k in range(2):
        if at >= n:
            return 0
        c = emergency_byte(p, n, &at)
        if c < 48 or c > 57:
            return 0
    k = at
    return k if at < n and emergency_byte(p, n, &k) == b'#' else at


# What a telephone would dial of a user part that is no plain number: outside-line digits and service codes (*67)
# before the number, pauses between them, separators, and behind it a closing '#' or post-dial digits. At each pause,
# and at the end, all digits so far must be a dial string; so must those behind the last pause or code by themselves,
# or else the digits of two numbers would make a third one. X is a pause in a `dialstring` only (RFC 4967).
cdef int emergency_dials(EmergencyTable *t, const uint8_t *p, uint32_t n, bint dialstring, uint64_t context) noexcept nogil:
    cdef uint64_t value = 0, rest = 0, plus = 0
    cdef uint32_t i = 0, digits = 0, rests = 0, code
    cdef uint8_t c
    cdef bint over
    cdef int lane
    while True:
        over = i >= n
        c = 0 if over else emergency_byte(p, n, &i)
        if not over and 48 <= c <= 57:
            value = value * 10 + (c - 48)
            rest = rest * 10 + (c - 48)
            digits += 1
            rests += 1
            if digits > 15:
                return LANE_NONE
            continue
        if not over and c in b" -.()":
            continue
        if not over and c == b'+' and digits == 0 and plus == 0:
            plus = NUM_PLUS
            continue
        if not over and plus == 0 and (c == b'*' and digits <= 4 or c == b'#' and digits == 0):
            code = emergency_code(p, n, i)
            if code == 0:
                return LANE_NONE
            i = code
            rest = rests = 0
            continue
        if not over and c not in b",;pPwW#" and not (dialstring and (c | 0x20) == b'x'):
            return LANE_NONE
        if rests and emergency_reached(t, number_pack(rest, rests) | plus, context) != LANE_NONE:
            lane = emergency_reached(t, number_pack(value, digits) | plus, context)
            if lane != LANE_NONE:
                return lane
        if over or c == b'#' or plus:
            return LANE_NONE
        rest = rests = 0


# The digits alone, where no letter, pause or + * # stands: a sloppy reader may take 911! or 91/1 for 911. 0: none or too many.
cdef uint64_t emergency_digits(const uint8_t *p, uint32_t n) noexcept nogil:
    cdef uint64_t value = 0
    cdef uint32_t i = 0, digits = 0
    cdef uint8_t c
    while i < n:
        c = emergency_byte(p, n, &i)
        if 48 <= c <= 57:
            value = value * 10 + (c - 48)
            digits += 1
            if digits > 15:
                return 0
        elif c in b"+*#,;" or 97 <= (c | 0x20) <= 122:
            return 0
    return number_pack(value, digits) if digits else 0


cdef struct ServiceText:
    uint32_t len
    uint8_t text[64]


# Of the service URN's second labels those that are registered (RFC 5031 §4.2, RFC 7163, RFC 8147): a user part "sos.team"
# is somebody's name.
cdef const char *SERVICES[11]
SERVICES[:] = [b"ambulance", b"animal-control", b"country-specific", b"ecall", b"fire", b"gas", b"marine", b"mountain",
               b"physician", b"poison", b"police"]


# Text decoded once, letters folded. More than its room holds isn't read; False when there is more.
cdef bint emergency_text(const uint8_t *p, uint32_t n, ServiceText *to) noexcept nogil:
    cdef uint32_t i = 0
    cdef uint8_t c
    to.len = 0
    while i < n:
        if to.len == sizeof(to.text):
            return False
        c = emergency_byte(p, n, &i)
        to.text[to.len] = c | 0x20 if 65 <= c <= 90 else c
        to.len += 1
    return True


# Where "sos" begins behind what may stand before it, and whether it is a test; -1: it isn't there.
cdef int service_at(ServiceText *s, uint32_t at, int *lane) noexcept nogil:
    lane[0] = LANE_CALL
    # NG9-1-1 test suites write the ':'.
    if s.len - at > 5 and memcmp(s.text + at, b"test", 4) == 0 and (s.text[at + 4] == b'.' or s.text[at + 4] == b':'):
        at += 5
        lane[0] = LANE_TEST
    return <int>at if s.len - at >= 3 and memcmp(s.text + at, b"sos", 3) == 0 else -1


# A service as a user part: "sos", "sos.fire", "test.sos", perhaps as the whole URN. Its decoded text stays in `s`,
# without what stands before "sos".
cdef int emergency_service(const uint8_t *p, uint32_t n, ServiceText *s) noexcept nogil:
    cdef uint32_t at = 0, length
    cdef int lane, k, found
    if not emergency_text(p, n, s):
        return LANE_NONE
    if s.len > 12 and memcmp(s.text, b"urn:service:", 12) == 0:
        at = 12
    found = service_at(s, at, &lane)
    if found < 0:
        return LANE_NONE
    s.len -= <uint32_t>found
    memmove(s.text, s.text + found, s.len)
    if s.len == 3:
        return lane
    if s.text[3] != b'.':
        return LANE_NONE
    for k in range(11):
        length = <uint32_t>strlen(SERVICES[k])
        if s.len >= 4 + length and memcmp(s.text + 4, SERVICES[k], length) == 0 and (
                s.len == 4 + length or s.text[4 + length] == b'.'):
            return lane
    return LANE_NONE


# A service URN, of any service below sos: "service:sos", "service:sos.fire", "service:test.sos". What RFC 8141 lets
# stand behind a name (?, #) names nothing else.
cdef int emergency_urn(const uint8_t *p, uint32_t n) noexcept nogil:
    cdef ServiceText s
    cdef int lane, found
    emergency_text(p, n, &s)
    if s.len < 11 or memcmp(s.text, b"service:", 8) != 0:
        return LANE_NONE
    found = service_at(&s, 8, &lane)
    if found < 0:
        return LANE_NONE
    return lane if s.len == <uint32_t>found + 3 or s.text[found + 3] in b".?#;" else LANE_NONE


# The user part with what parse cut off as a password: of "urn:service:sos" that is the rest of the name.
cdef inline uint32_t service_length(const uint8_t *p, Uri *u) noexcept nogil:
    cdef uint32_t n = u.user.len
    if n == 3 and ea_same_fold(p + u.user.off, b"urn", 3):
        n = <uint32_t>ea_find(p, u.user.off, u.host.off, b'@')
        return <uint32_t>ea_find(p, u.user.off, n, b';') - u.user.off
    return n


# user=dialstring among the URI's parameters (RFC 4967).
cdef bint uri_is_dialstring(const uint8_t *p, Uri *u) noexcept nogil:
    cdef uint32_t i = u.params.off, end = u.params.off + u.params.len
    while i + 16 <= end:
        if p[i] == b';' and ea_same_fold(p + i + 1, b"user=dialstring", 15) and (i + 16 == end or p[i + 16] == b';'):
            return True
        i += 1
    return False


cdef enum:
    MAX_CONTEXTS = 4        # none may stand twice (RFC 3966 §3): some readers take the first, some the last


# The global digits of the next phone-context that has some, packed; 0: there is none. *at is 0 for the first. It may
# stand among the number's parameters or the URI's.
cdef uint64_t uri_context(const uint8_t *p, Uri *u, uint32_t *at) noexcept nogil:
    cdef uint32_t i = at[0] if at[0] else u.user.off + u.user.len, end = u.whole.off + u.whole.len, digits
    cdef uint64_t value
    cdef uint8_t c
    while i + 17 <= end:
        i = ea_find(p, i, end, b';') + 1
        while i < end and p[i] == b' ':
            i += 1
        if i + 16 > end or p[i + 13] != b'=' or not ea_same_fold(p + i, b"phone-context", 13):
            continue
        i += 14
        if emergency_byte(p, end, &i) != b'+':
            continue
        value = digits = 0
        while i < end and digits < 15:
            c = emergency_byte(p, end, &i)
            if 48 <= c <= 57:
                value = value * 10 + (c - 48)
                digits += 1
            elif c not in b"-.()":
                i -= 1              # perhaps the next parameter's ';'
                break
        if digits:
            at[0] = i
            return number_pack(value, digits)
    return 0


cdef int emergency_local(EmergencyTable *t, const uint8_t *p, Uri *u) noexcept nogil:
    cdef uint32_t at = 0
    cdef uint64_t context
    cdef int lane, k
    for k in range(MAX_CONTEXTS):
        context = uri_context(p, u, &at)
        if context == 0:
            break
        lane = emergency_reached(t, u.number, context)
        if lane != LANE_NONE:
            return lane
    return LANE_NONE


cdef inline int emergency_match(EmergencyTable *t, const uint8_t *p, Uri *u) noexcept nogil:
    cdef int lane
    if EA_UNLIKELY(u.number == 0):
        return emergency_text_match(t, p, u)
    # No phone-context makes a long number short.
    if EA_LIKELY(u.number & NUM_LONG or number_len(u.number) > t.longest):
        return LANE_NONE
    lane = emergency_number(t, u.number)
    if EA_UNLIKELY(lane == LANE_NONE and (u.flags & URI_USER_PARAMS or u.params.len)):
        lane = emergency_local(t, p, u)
    return lane


# Of what is no number, or a number in another form.
cdef int emergency_text_match(EmergencyTable *t, const uint8_t *p, Uri *u) noexcept nogil:
    cdef int lane, k
    cdef int64_t few
    cdef uint32_t at = 0
    cdef uint64_t number, context
    cdef ServiceText service
    if u.scheme == SCHEME_URN:
        return emergency_urn(p + u.host.off, u.host.len)
    if u.scheme == SCHEME_OTHER or u.scheme == SCHEME_NONE:
        return LANE_NONE
    if u.user.len == 0:
        # sip:911 has no host that could be one: its digits are what was dialled.
        few = ea_digits(p + u.host.off, u.host.len) if 0 < u.host.len <= 15 and not u.flags & URI_V6 else -1
        return emergency_number(t, number_pack(<uint64_t>few, u.host.len)) if few >= 0 else LANE_NONE
    if u.user.len > 120:
        return LANE_NONE
    if u.scheme != SCHEME_TEL:
        lane = emergency_service(p + u.user.off, service_length(p, u), &service)
        if lane != LANE_NONE:
            return lane
    number = emergency_digits(p + u.user.off, u.user.len)
    for k in range(MAX_CONTEXTS):
        context = uri_context(p, u, &at)
        lane = emergency_dials(t, p + u.user.off, u.user.len, uri_is_dialstring(p, u), context)
        if lane == LANE_NONE and number:
            lane = emergency_reached(t, number, context)
        if lane != LANE_NONE or context == 0:
            return lane
    return LANE_NONE
