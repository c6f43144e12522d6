# ops/numbers.pxi: numbers as integers: canonical form, numbering plans, sets of numbers.
#
# A canonical number is E.164 without '+' (RFC 8224 §8.3), packed as in msg.pxd
# with no plus bit; every rule sees this one form. A set (NumberTable, read from
# text by number_sets.pxi) is asked by a key: the digits behind a 1, as a number.
# Keys order by length, then value, so a range never crosses a length, and fit 51
# bits; the thirteen above them hold when an entry ends, and the bucket's filter.
#
# Single numbers sit in buckets of one cache line. Which of eight kinds of numbers
# found its bucket full and went on to the next, the top bits of the bucket's words
# say: so nearly every look-up, of a listed number or not, is one cache line.
# Those of a long list stand closer (lines.pxi). A table may be a mapped file: nothing in it leads outside it.

cdef extern from *:
    """
    static inline uint64_t ea_high(uint64_t a, uint64_t b) { return (uint64_t)((unsigned __int128)a * b >> 64); }
    """
    uint64_t ea_high(uint64_t, uint64_t) nogil

cdef enum:
    SET_SLOTS = 8               # of a bucket
    SET_KEY_BITS = 51
    SET_ENDS = 4096             # different ends in one set, "none" among them

cdef enum:
    NANP_NO_AREA = 1        # no area code of the NANP
    NANP_NO_EXCHANGE = 2    # no central office code in an area
    NANP_SERVICE = 4        # N11, a central office code in toll-free areas only

cdef uint64_t POW10[20]
cdef uint8_t NANP[1000]     # what three digits can't be


cdef void numbers_init() noexcept nogil:
    cdef int i
    POW10[0] = 1
    for i in range(1, 20):
        POW10[i] = POW10[i - 1] * 10
    for i in range(1000):
        NANP[i] = ((NANP_NO_AREA | NANP_NO_EXCHANGE if i < 200 else 0) | (NANP_NO_AREA | NANP_SERVICE if i % 100 == 11 else 0)
                   | (NANP_NO_AREA if i / 10 % 10 == 9 or i / 10 == 37 or i / 10 == 96 else 0))


cdef inline uint32_t number_len(uint64_t number) noexcept nogil:
    return <uint32_t>(number >> NUM_LEN_SHIFT & NUM_LEN_MASK)


cdef inline uint64_t number_value(uint64_t number) noexcept nogil:
    return number & NUM_VALUE_MASK


cdef inline uint64_t number_pack(uint64_t value, uint32_t digits) noexcept nogil:
    return value | <uint64_t>digits << NUM_LEN_SHIFT


cdef inline bint number_starts(uint64_t value, uint32_t digits, uint64_t prefix, uint32_t prefix_len) noexcept nogil:
    return digits > prefix_len and value / POW10[digits - prefix_len] == prefix


cdef bint sorted_has(const uint64_t *table, uint32_t count, uint64_t number) noexcept nogil:
    cdef uint32_t low = 0, high = count, middle
    while low < high:
        middle = (low + high) / 2
        if table[middle] < number:
            low = middle + 1
        else:
            high = middle
    return low < count and table[low] == number


# The canonical form of a number with '+' and no more digits than E.164 has; 0: no country code starts with 0.
cdef inline uint64_t number_international(uint64_t number) noexcept nogil:
    return number & ~NUM_PLUS if number_value(number) >= POW10[number_len(number) - 1] else 0


# A number as written to its canonical form under a national plan; 0: unknown.
# Without '+': international prefix, then national prefix, then the own country
# code, then a bare national number, each only where the rest is long enough.
cdef uint64_t number_canonical(uint64_t number, Plan *plan) noexcept nogil:
    cdef uint64_t value = number_value(number)
    cdef uint32_t digits = number_len(number), i, rest
    if number == 0 or number & NUM_LONG:
        return 0
    if number & NUM_PLUS:
        return number_international(number)
    for i in range(9, 0, -1):
        if plan.idd_lengths >> i & 1 and digits > i and sorted_has(
                plan.idd, plan.idd_count, number_pack(value / POW10[digits - i], i)):
            rest = digits - i
            value = value % POW10[rest]
            return number_pack(value, rest) if value >= POW10[rest - 1] else 0
    if plan.national_prefix_len and number_starts(value, digits, plan.national_prefix, plan.national_prefix_len):
        rest = digits - plan.national_prefix_len
        if plan.lengths >> rest & 1 and plan.cc_len + rest <= 15:
            return number_pack(<uint64_t>plan.cc * POW10[rest] + value % POW10[rest], plan.cc_len + rest)
    if number_starts(value, digits, plan.cc, plan.cc_len) and plan.lengths >> (digits - plan.cc_len) & 1:
        return number_pack(value, digits)
    if plan.lengths >> digits & 1 and plan.cc_len + digits <= 15:
        return number_pack(<uint64_t>plan.cc * POW10[digits] + value, plan.cc_len + digits)
    return 0


# Do the user part's parameters say that its digits aren't the number of this country? That it is local to another one
# (RFC 3966 §5.1.5: a phone-context is no prefix, and a reader that takes it for one shows another number); that nobody
# may use it who doesn't know a parameter (m-, §5.3); or they have a name that only another reader would decode.
cdef bint uri_params_foreign(const uint8_t *p, Uri *u, Plan *plan) noexcept nogil:
    cdef uint32_t i = u.user.off + u.user.len, end = u.whole.off + u.whole.len, k
    cdef bint local = (u.number & NUM_PLUS) == 0
    cdef uint64_t cc
    if u.scheme != SCHEME_TEL:
        end = u.host.off
    while i + 2 < end:
        if p[i] != b';':
            i += 1
            continue
        i += 1
        k = i
        while k < end and EA_IS(p[k], CLS_TOKEN) and p[k] != b'%':
            k += 1
        if k < end and p[k] == b'%' or ea_same_fold(p + i, b"m-", 2):
            return True
        if local and k - i == 13 and ea_same_fold(p + i, b"phone-context", 13) and k < end and p[k] == b'=':
            k += 1
            if k + 3 < end and p[k] == b'%' and p[k + 1] == b'2' and (p[k + 2] | 0x20) == b'b':
                k += 3
            elif k < end and p[k] == b'+':
                k += 1
            else:
                i = k
                continue            # a domain: the number of who is in it
            i = parse_digits(p, k, end)
            if not (parse_uint(p, k, i, 999, &cc) and cc == plan.cc):
                return True
    return False


# The canonical number of a URI's user part.
cdef inline uint64_t uri_canonical(const uint8_t *p, Uri *u, Plan *plan) noexcept nogil:
    if u.number & (NUM_PLUS | NUM_LONG) == NUM_PLUS:
        if EA_UNLIKELY(p[u.user.off + u.user.len] == b';') and u.whole.len and uri_params_foreign(p, u, plan):
            return 0
        return number_international(u.number)
    return uri_canonical_dialled(p, u, plan)


# The canonical number of the Request-URI, worked out for the first who asks; 0: none.
cdef inline uint64_t uri_called(Screen *s) noexcept nogil:
    if s.uri_number == 0:
        s.uri_number = uri_canonical(s.p, &s.m.uri, &s.policy.plans[s.peer.plan])
    return s.uri_number


# The same of a number without '+'. It may be longer than E.164's 15 digits by its
# international prefix, and is then read again without it.
cdef uint64_t uri_canonical_dialled(const uint8_t *p, Uri *u, Plan *plan) noexcept nogil:
    cdef uint8_t digits[24]
    cdef uint32_t i, n = 0
    cdef uint64_t prefix
    if u.number & NUM_PLUS or u.number == 0:
        return 0
    if u.whole.len and uri_params_foreign(p, u, plan):
        return 0
    if not u.number & NUM_LONG:
        return number_canonical(u.number, plan)
    for i in range(u.user.len):
        if EA_IS(p[u.user.off + i], CLS_DIGIT):
            if n == sizeof(digits):
                return 0
            digits[n] = p[u.user.off + i]
            n += 1
        elif p[u.user.off + i] == b'%':
            return 0
    for i in range(9, 0, -1):
        if plan.idd_lengths >> i & 1 and parse_uint(digits, 0, i, POW10[9], &prefix) and sorted_has(
                plan.idd, plan.idd_count, number_pack(prefix, i)):
            return parse_number(digits + i, n - i) if n - i <= 15 and digits[i] != b'0' else 0
    return 0


# RSN_ why no such number can exist, or 0 (E.164; NANP: ATIS-0300119 and the NANPA's central office code rules).
cdef int number_impossible(PolicyImage *policy, uint64_t canonical) noexcept nogil:
    cdef uint64_t value = number_value(canonical)
    cdef uint32_t digits = number_len(canonical), cc_len, mask
    cdef uint32_t npa, exchange
    if digits < 4:
        return RSN_CALLER_LENGTH
    for cc_len in range(1, 4):
        mask = policy.cc_lengths[value / POW10[digits - cc_len]]
        if mask:
            if not mask >> (digits - cc_len) & 1:
                return RSN_CALLER_LENGTH
            break
    else:
        return RSN_CALLER_COUNTRY
    if value / POW10[digits - 1] != 1:
        return 0
    npa = <uint32_t>(value / 10000000 % 1000)
    exchange = <uint32_t>(value / 10000 % 1000)
    if NANP[npa] & NANP_NO_AREA or NANP[exchange] & NANP_NO_EXCHANGE:
        return RSN_CALLER_PLAN
    if NANP[exchange] & NANP_SERVICE and not number_is_toll_free(npa):
        return RSN_CALLER_PLAN
    if exchange == 555 and 100 <= value % 10000 <= 199:
        return RSN_CALLER_PLAN
    return 0


cdef inline bint number_is_toll_free(uint32_t npa) noexcept nogil:
    return npa == 800 or npa == 833 or npa == 844 or npa == 855 or npa == 866 or npa == 877 or npa == 888


cdef inline uint64_t set_key(uint64_t number) noexcept nogil:
    return number_value(number) + POW10[number_len(number)]


cdef inline uint64_t set_hash(uint64_t key) noexcept nogil:
    # The set is the operator's, not the attacker's: fixed multipliers do, and keep a table's content stable.
    key *= 0x9e3779b97f4a7c15ULL
    return (key ^ key >> 32) * 0xd6e8feb86659fd93ULL


cdef inline uint64_t set_home(const NumberTable *t, uint64_t hashed) noexcept nogil:
    return ea_high(hashed, t.buckets)


cdef inline uint32_t set_kind(uint64_t hashed) noexcept nogil:
    return <uint32_t>(hashed >> 16) & (SET_SLOTS - 1)


# Does the entry hold at that time? In a set of its own its ends are wall time; a policy has them by the engine's clock.
cdef inline bint set_live(const NumberTable *t, uint64_t word, uint64_t now) noexcept nogil:
    return set_open(t, <uint32_t>(word >> SET_KEY_BITS) & (SET_ENDS - 1), now)


cdef inline bint set_open(const NumberTable *t, uint32_t end, uint64_t now) noexcept nogil:
    return EA_LIKELY(end == 0) or (end < t.end_count and now < t.ends[end])


# The word of a number that is listed by itself, or NULL.
cdef inline const uint64_t *set_find(const NumberTable *t, uint64_t key) noexcept nogil:
    cdef uint64_t hashed = set_hash(key), bucket = set_home(t, hashed), left = t.longest
    cdef const uint64_t *word
    cdef int i
    while True:
        word = t.slot + bucket * SET_SLOTS
        for i in range(SET_SLOTS):
            if (word[i] ^ key) << (64 - SET_KEY_BITS) == 0:
                return word + i
        if EA_LIKELY(word[set_kind(hashed)] >> 63 == 0) or left == 0:
            return NULL
        left -= 1
        bucket += 1
        if bucket == t.buckets:
            bucket = 0


cdef bint set_has_range(const NumberTable *t, uint64_t key, uint64_t now) noexcept nogil:
    cdef uint64_t low = 0, high = t.range_count, middle
    while low < high:
        middle = (low + high) / 2
        if t.ranges[2 * middle + 1] < key:
            low = middle + 1
        else:
            high = middle
    return (low < t.range_count and t.ranges[2 * low] & ((<uint64_t>1 << SET_KEY_BITS) - 1) <= key
            and set_live(t, t.ranges[2 * low], now))


# Is the number listed by itself, whether its entry has ended or not?
cdef inline bint set_lists(const NumberTable *t, uint64_t key) noexcept nogil:
    if t.lines:
        return line_end(t, key) >= 0
    return t.single_count != 0 and set_find(t, key) != NULL


# What a look-up will read first, fetched ahead of it.
cdef inline void set_prefetch(const NumberTable *t, uint64_t number) noexcept nogil:
    cdef uint64_t key = set_key(number)
    if t.lines:
        if key >> t.key_bits == 0:
            EA_PREFETCH(t.line + line_home(line_mixed(key, t.key_bits), t.key_bits, t.lines) * LINE_WORDS)
    elif t.single_count:
        EA_PREFETCH(t.slot + set_home(t, set_hash(key)) * SET_SLOTS)


# Is the number listed, by itself or in a range? A set without ends doesn't ask for the time.
cdef inline bint set_has(const NumberTable *t, uint64_t number, uint64_t now) noexcept nogil:
    cdef uint64_t key = set_key(number)
    cdef const uint64_t *word
    cdef int end
    if t.lines:
        end = line_end(t, key)
        if EA_UNLIKELY(end >= 0) and set_open(t, <uint32_t>end, now):
            return True
    elif t.single_count:
        word = set_find(t, key)
        if word != NULL and set_live(t, word[0], now):
            return True
    return t.range_count != 0 and set_has_range(t, key, now)


cdef bint peer_owns(PolicyImage *policy, Peer *peer, uint64_t number) noexcept nogil:
    cdef uint32_t i
    for i in range(peer.set_count):
        if set_has(policy.sets[peer.first_set + i], number, 0):
            return True
    return False


# A number that the trunk may assert beside a caller of its own, without being called or calling by it.
cdef bint peer_pilot(PolicyImage *policy, Peer *peer, uint64_t number) noexcept nogil:
    cdef uint32_t i
    for i in range(peer.pilot_count):
        if set_has(policy.sets[peer.first_pilot + i], number, 0):
            return True
    return False


# Index of the trunk that owns the number, NO_PEER for nobody. Lists given in
# the configuration are merged into one sorted array; files are asked in turn.
cdef uint16_t number_owner(PolicyImage *policy, uint64_t number) noexcept nogil:
    cdef uint32_t low = 0, high = policy.range_count, middle, i
    while low < high:
        middle = (low + high) / 2
        if policy.owners[middle].high < number:
            low = middle + 1
        else:
            high = middle
    if low < policy.range_count and policy.owners[low].low <= number:
        return <uint16_t>policy.owners[low].peer
    for i in range(policy.file_set_count):
        if set_has(policy.file_sets[i], number, 0):
            return <uint16_t>policy.file_set_peer[i]
    return NO_PEER
