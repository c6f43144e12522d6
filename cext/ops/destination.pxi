# ops/destination.pxi: where a call goes: the called number as the far side may read it, and the longest listed prefix of it.
#
# A prefix is a key: its digits behind a 1, as a number (51 bits), with its value
# in the thirteen bits above. A table knows which lengths it has, so a look-up is at
# most sixteen probes, and one or two for a usual list.
#
# Whoever wants a denied number writes it so that only the far side understands it:
# with digits behind it that a switch ignores, a service code or an outside line before
# it, another country's phone-context. Such numbers have no canonical form. They are read
# here as switches would, and each reading counts; what has none is under no prefix but "*".
#
# It never looks at an emergency call. Inside a proven dialog the Request-URI is the far
# side's Contact, whoever took the call, and nobody remembers it here: see below. A To tag
# proves no dialog. A Refer-To it reads wherever one stands.

cdef enum:
    PREFIX_KEY_BITS = 51
    PREFIX_ALLOW = 1            # values of a trunk's table
    PREFIX_DENY = 2
    DIALLED = 40                # characters that are read of a dial string
    DIALLED_BEFORE = 6          # as many may stand before a '+' or a pause within the number
    DIALLED_LONG = 11           # digits that have more than one reading, if no plan has them
    DIALLED_ABROAD = 8          # digits of a number behind an international prefix
    READINGS = 24


cdef inline uint64_t prefix_at(const PrefixTable *t, uint64_t key) noexcept nogil:
    # The table is the operator's, and its longest run of full slots is what he made it: a fixed multiplier does.
    return (key * 0x9e3779b97f4a7c15ULL >> 30) & t.mask


# The value of the longest prefix of a canonical number (0: of a number that can't be read), or 0.
cdef uint32_t prefix_find(const PrefixTable *t, uint64_t number) noexcept nogil:
    cdef uint64_t value = number_value(number), key, word, at
    cdef uint32_t digits = number_len(number)
    cdef int n
    if digits > 15:
        digits = 15                 # no canonical number is longer
    for n in range(<int>digits, -1, -1):
        if not t.lengths >> n & 1:
            continue
        key = POW10[n] + value / POW10[digits - n]
        at = prefix_at(t, key)
        while t.slot[at]:
            word = t.slot[at]
            if word & ((<uint64_t>1 << PREFIX_KEY_BITS) - 1) == key:
                return <uint32_t>(word >> PREFIX_KEY_BITS)
            at = (at + 1) & t.mask
    return 0


# The first digits of a number, as many as E.164 has; `before` and its length stand before them. 0: it starts with a 0.
cdef uint64_t called_leading(const uint8_t *digits, uint32_t n, uint64_t before, uint32_t before_len) noexcept nogil:
    cdef uint64_t value = before
    cdef uint32_t i, count = before_len
    if count == 0 and digits[0] == b'0':
        return 0
    for i in range(n):
        if count == 15:
            break
        value = value * 10 + (digits[i] - 48)
        count += 1
    return number_pack(value, count)


# A user part without a canonical number as the digits that a switch dials, and how many: without a service code,
# separators, an outside line before a '+', and what stands behind the number. 0: that is no number.
cdef uint32_t called_digits(const uint8_t *p, uint32_t n, uint8_t *text, bint *plus) noexcept nogil:
    cdef uint32_t i = 0, out = 0, at = 0
    cdef uint8_t c
    while i < n and out < DIALLED:
        c = p[i]
        if c == b'%' and i + 2 < n and EA_IS(p[i + 1], CLS_HEX) and EA_IS(p[i + 2], CLS_HEX):
            c = <uint8_t>(parse_hex_digit(p[i + 1]) * 16 + parse_hex_digit(p[i + 2]))
            i += 2
        i += 1
        if c in b";:" or (c in b"+,pPwW" and out > DIALLED_BEFORE):
            break
        if c == b'+':
            while out:
                out -= 1
                if not EA_IS(text[out], CLS_DIGIT) and text[out] not in b"*#+":
                    return 0
        if c not in b" -.(),pPwW":
            text[out] = c
            out += 1
    while out > at + 3 and text[at] in b"*#" and EA_IS(text[at + 1], CLS_DIGIT) and EA_IS(text[at + 2], CLS_DIGIT):
        at += 4 if text[at + 3] == b'#' else 3
    while out > at and text[out - 1] == b'#':
        out -= 1
    plus[0] = out > at and text[at] == b'+'
    at += plus[0]
    if out > at and text[at] == b'0':
        plus[0] = False             # no country code starts with it
    if parse_digits(text, at, out) != out:
        return 0
    memmove(text, text + at, out - at)
    return out - at


# What a switch of the plan's country most likely reads in a user part without a canonical number; 0: no number.
cdef uint64_t called_dialled(const uint8_t *p, uint32_t n, Plan *plan) noexcept nogil:
    cdef uint8_t digits[DIALLED]
    cdef bint plus
    cdef uint32_t count = called_digits(p, n, digits, &plus)
    return called_likely(digits, count, plus, plan)


cdef uint64_t called_likely(const uint8_t *digits, uint32_t count, bint plus, Plan *plan) noexcept nogil:
    cdef uint32_t k, longest = called_longest(plan)
    cdef uint64_t number
    if count == 0:
        return 0
    if plus:
        return called_leading(digits, count, 0, 0)
    if count <= 15:
        number = number_canonical(number_pack(called_value(digits, count), count), plan)
        if number:
            return number
    k = called_idd(digits, count, plan)
    if k:
        return called_leading(digits + k, count - k, 0, 0)
    # No number of any country starts with it, and most of the world dials it before one.
    if count > 2 and digits[0] == b'0' and digits[1] == b'0':
        return called_leading(digits + 2, count - 2, 0, 0)
    k = plan.national_prefix_len
    if k and count > longest + k and called_value(digits, k) == plan.national_prefix:
        return called_leading(digits + k, count - k, plan.cc, plan.cc_len)
    k = plan.cc_len
    if count > longest + k and called_value(digits, k) == plan.cc:
        return called_leading(digits, count, 0, 0)
    return called_leading(digits, count, plan.cc, plan.cc_len) if count > longest else 0


# That, and what other switches may read: 9 or 0 dropped as for an outside line, an international prefix behind any, or
# one of another country, a country code behind none. Returns how many readings there are. What is no longer than some
# national number, or one with a carrier's code of two digits behind its prefix, has the first one only.
cdef uint32_t called_readings(const uint8_t *p, uint32_t n, Plan *plan, uint64_t *number) noexcept nogil:
    cdef uint8_t digits[DIALLED]
    cdef bint plus, national
    cdef uint32_t count = called_digits(p, n, digits, &plus), longest = called_longest(plan), found = 1, line, k, left
    number[0] = called_likely(digits, count, plus, plan)
    if count < DIALLED_LONG or (plus and count <= 15):
        return 1
    # No national number has the international prefix behind its first digit, so that is somebody's outside line.
    k = called_idd(digits + 1, count - 1, plan)
    if k:
        found = called_abroad(digits + 1 + k, count - 1 - k, number, found)
    if plan.cc == 1 and count > 15 and memcmp(digits, b"101", 3) == 0:      # 101XXXX: by that carrier
        number[found] = called_likely(digits + 7, count - 7, False, plan)
        found += number[found] != 0
    k = plan.national_prefix_len
    national = k and called_value(digits, k) == plan.national_prefix and count <= longest + k + 2
    for line in range(3):
        if line and (digits[line - 1] != digits[0] or (digits[0] != b'9' and digits[0] != b'0')):
            break
        left = count - line
        k = called_idd(digits + line, left, plan)
        if k:
            found = called_abroad(digits + line + k, left - k, number, found)
        if memcmp(digits + line, b"00", 2) == 0:
            found = called_abroad(digits + line + 2, left - 2, number, found)
        if plus:
            continue
        if line and left <= 15:
            number[found] = number_canonical(number_pack(called_value(digits + line, left), left), plan)
            found += number[found] != 0
        if national or left <= longest:
            continue
        found = called_abroad(digits + line, left, number, found)
        if memcmp(digits + line, b"0011", 4) == 0:
            found = called_abroad(digits + line + 4, left - 4, number, found)
        if digits[line] == b'0' and (digits[line + 1] | 1) == b'1' and (digits[line + 2] | 1) == b'1':
            found = called_abroad(digits + line + 3, left - 3, number, found)
    return found


# Adds a number behind an international prefix, where it is long enough to be one.
cdef inline uint32_t called_abroad(const uint8_t *digits, uint32_t n, uint64_t *number, uint32_t found) noexcept nogil:
    if n < DIALLED_ABROAD or digits[0] == b'0':
        return found
    number[found] = called_leading(digits, n, 0, 0)
    return found + 1


cdef inline uint32_t called_longest(Plan *plan) noexcept nogil:
    cdef uint32_t longest = 31
    while longest and not plan.lengths >> longest & 1:
        longest -= 1
    return longest


# Digits of the plan's international prefix, the longest that stands before a number; 0: none.
cdef inline uint32_t called_idd(const uint8_t *digits, uint32_t count, Plan *plan) noexcept nogil:
    cdef uint32_t k
    for k in range(9, 0, -1):
        if plan.idd_lengths >> k & 1 and count > k and sorted_has(
                plan.idd, plan.idd_count, number_pack(called_value(digits, k), k)):
            return k
    return 0


cdef inline uint64_t called_value(const uint8_t *digits, uint32_t n) noexcept nogil:
    cdef uint64_t value = 0
    cdef uint32_t i
    for i in range(n):
        value = value * 10 + (digits[i] - 48)
    return value


# The number that a URI leads to, canonical where it has that form; 0: none that anybody could read.
cdef inline uint64_t called_reading(Screen *s, Uri *u) noexcept nogil:
    cdef Plan *plan = &s.policy.plans[s.peer.plan]
    cdef uint64_t number = uri_canonical(s.p, u, plan)
    return number if number else called_dialled(s.p + u.user.off, u.user.len, plan)


# Every number that somebody may read there, the likely one first: a canonical one is the only one. Returns how many.
cdef inline uint32_t called_numbers(Screen *s, Uri *u, uint64_t *number) noexcept nogil:
    cdef Plan *plan = &s.policy.plans[s.peer.plan]
    number[0] = uri_canonical(s.p, u, plan)
    return 1 if EA_LIKELY(number[0] != 0) else called_readings(s.p + u.user.off, u.user.len, plan, number)


cdef int destination_finding(Screen *s, Uri *u) noexcept nogil:
    cdef Plan *plan = &s.policy.plans[s.peer.plan]
    cdef uint64_t number[READINGS]
    cdef bint canonical
    cdef uint32_t i, count = 1
    number[0] = uri_canonical(s.p, u, plan)
    canonical = number[0] != 0
    if EA_UNLIKELY(not canonical):
        count = called_readings(s.p + u.user.off, u.user.len, plan, number)
    for i in range(count):
        s.found = number_value(number[i])
        if prefix_find(s.peer.destination, number[i]) == PREFIX_DENY:
            return RSN_DESTINATION
    s.found = number_value(number[0])
    # Local to another country, or with parameters that not everybody reads: one reader prepends its code, the next dials
    # the digits at home. No telephone sends that.
    if not canonical and number[0] and uri_params_foreign(s.p, u, plan):
        return RSN_DESTINATION
    return 0


# Inside a proven dialog that the trunk began: its Request-URI is the Contact of who took the call, and may have any
# number, as a call can be passed on. So a list that allows little says nothing of it; but what is denied by name isn't reached with a To tag of
# the sender's own making either, nor by a Route that becomes the Request-URI.
cdef bint destination_denied(Screen *s, Uri *u) noexcept nogil:
    cdef uint64_t number[READINGS]
    cdef uint32_t i
    if prefix_find(s.peer.destination, 0) == PREFIX_DENY:
        return False
    for i in range(called_numbers(s, u, number)):
        if number[i] and prefix_find(s.peer.destination, number[i]) == PREFIX_DENY:
            s.found = number_value(number[i])
            return True
    return False


cdef int destination_in_dialog(Screen *s) noexcept nogil:
    cdef uint32_t i
    if s.m.method != M_INVITE or s.cookie.from_upstream or s.cookie.emergency:
        return 0
    if destination_denied(s, &s.m.uri):
        return RSN_DESTINATION
    for i in range(s.own_routes, s.m.routes):
        if destination_denied(s, &s.m.route[i]):
            return RSN_DESTINATION
    return 0


# destination: a new call, or a transfer, to a number whose longest listed prefix is denied.
cdef int op_destination(Screen *s) noexcept nogil:
    cdef int finding
    s.found = s.limit = 0
    finding = destination_in_dialog(s) if s.cookie_state == COOKIE_GOOD else destination_finding(s, &s.m.uri)
    if finding:
        return finding
    if s.m.present >> H_REFER_TO & 1:
        return destination_finding(s, &s.m.refer_to)
    return 0
