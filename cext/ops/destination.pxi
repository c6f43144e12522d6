# ops/destination.pxi: where a call goes: the called number as the far side may read it, and the longest listed prefix of it.
#
# A prefix is a key: its digits behind a 1, as a number (51 bits), with its value
# in the thirteen bits above. A table knows which lengths it has, so a look-up is at
# most sixteen probes, and one or two for a usual list.
#
# Whoever wants a denied number writes it so that only the far side understands it:
# with digits behind it that a switch ignores, a service code before it, another
# country's phone-context. Such numbers have no canonical form. They are read here
# as a switch would; one that no reading fits is under no prefix but "*".
#
# It never looks at an emergency call, nor at the Request-URI inside a proven dialog: that
# is the far side's Contact, whoever took the call, and nobody remembers it here. A To tag
# proves no dialog. A Refer-To it reads wherever one stands.

cdef enum:
    PREFIX_KEY_BITS = 51
    PREFIX_ALLOW = 1            # values of a trunk's table
    PREFIX_DENY = 2
    DIALLED = 40                # characters that are read of a dial string


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


# A user part without a canonical number as a switch would dial it: a service code, separators and what stands behind a
# pause or parameter left out, digits that are too many cut off. 0: that is no number.
cdef uint64_t called_dialled(const uint8_t *p, uint32_t n, Plan *plan) noexcept nogil:
    cdef uint8_t text[DIALLED]
    cdef uint8_t *digits
    cdef uint32_t i = 0, out = 0, count, k, longest = 31
    cdef uint64_t number
    cdef uint8_t c
    while i < n and out < sizeof(text):
        c = p[i]
        if c == b'%' and i + 2 < n and EA_IS(p[i + 1], CLS_HEX) and EA_IS(p[i + 2], CLS_HEX):
            c = <uint8_t>(parse_hex_digit(p[i + 1]) * 16 + parse_hex_digit(p[i + 2]))
            i += 2
        i += 1
        if c in b",;:pPwW":
            break
        if c not in b" -.()":
            text[out] = c
            out += 1
    digits = text
    if out > 3 and (text[0] == b'*' or text[0] == b'#') and EA_IS(text[1], CLS_DIGIT) and EA_IS(text[2], CLS_DIGIT):
        k = 4 if text[3] == b'#' else 3
        digits += k
        out -= k
    while out and digits[out - 1] == b'#':
        out -= 1
    count = out
    if count and digits[0] == b'+':
        digits += 1
        count -= 1
        if count and digits[0] != b'0':
            k = parse_digits(digits, 0, count)
            return called_leading(digits, count, 0, 0) if k == count else 0
    if count == 0 or parse_digits(digits, 0, count) != count:
        return 0
    if count <= 15:
        number = number_canonical(number_pack(called_value(digits, count), count), plan)
        if number:
            return number
    for k in range(9, 0, -1):
        if plan.idd_lengths >> k & 1 and count > k and sorted_has(
                plan.idd, plan.idd_count, number_pack(called_value(digits, k), k)):
            return called_leading(digits + k, count - k, 0, 0)
    # No number of any country starts with it, and most of the world dials it before one.
    if count > 2 and digits[0] == b'0' and digits[1] == b'0':
        return called_leading(digits + 2, count - 2, 0, 0)
    while longest and not plan.lengths >> longest & 1:
        longest -= 1
    k = plan.national_prefix_len
    if k and count > longest + k and called_value(digits, k) == plan.national_prefix:
        return called_leading(digits + k, count - k, plan.cc, plan.cc_len)
    k = plan.cc_len
    if count > longest + k and called_value(digits, k) == plan.cc:
        return called_leading(digits, count, 0, 0)
    return called_leading(digits, count, plan.cc, plan.cc_len) if count > longest else 0


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


cdef int destination_finding(Screen *s, Uri *u) noexcept nogil:
    cdef Plan *plan = &s.policy.plans[s.peer.plan]
    cdef uint64_t number = uri_canonical(s.p, u, plan)
    cdef bint canonical = number != 0
    if not canonical:
        number = called_dialled(s.p + u.user.off, u.user.len, plan)
    s.found = number_value(number)
    if prefix_find(s.peer.destination, number) == PREFIX_DENY:
        return RSN_DESTINATION
    # Local to another country, or with parameters that not everybody reads: one reader prepends its code, the next dials
    # the digits at home. No telephone sends that.
    if not canonical and number and uri_params_foreign(s.p, u, plan):
        return RSN_DESTINATION
    return 0


# destination: a new call, or a transfer, to a number whose longest listed prefix is denied.
cdef int op_destination(Screen *s) noexcept nogil:
    cdef int finding
    s.found = s.limit = 0
    if s.cookie_state != COOKIE_GOOD:
        finding = destination_finding(s, &s.m.uri)
        if finding:
            return finding
    if s.m.present >> H_REFER_TO & 1:
        return destination_finding(s, &s.m.refer_to)
    return 0
