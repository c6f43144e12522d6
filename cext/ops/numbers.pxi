# ops/numbers.pxi: numbers as integers: canonical form, numbering plans, sets of numbers.
#
# A canonical number is E.164 without '+' (RFC 8224 §8.3), packed as in msg.pxd
# with no plus bit; every rule sees this one form. Sets hold single numbers in
# buckets of one cache line and ranges in a sorted array; packed numbers order
# by length, then value, so a range never crosses a length.

cdef uint64_t POW10[20]


cdef void numbers_init() noexcept nogil:
    cdef int i
    POW10[0] = 1
    for i in range(1, 20):
        POW10[i] = POW10[i - 1] * 10


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


# Does the number say that it is local to another country? (RFC 3966 §5.1.5: a
# phone-context is no prefix, and a reader that takes it for one shows another number.)
cdef bint uri_context_foreign(const uint8_t *p, Uri *u, Plan *plan) noexcept nogil:
    cdef uint32_t i = u.user.off + u.user.len, end = u.whole.off + u.whole.len, k
    cdef uint64_t cc
    if u.scheme != SCHEME_TEL:
        end = u.host.off
    while i + 15 < end:
        if p[i] == b';' and ea_same_fold(p + i + 1, b"phone-context=", 14):
            i += 15
            if p[i] == b'%' and i + 3 < end and p[i + 1] == b'2' and (p[i + 2] | 0x20) == b'b':
                i += 3
            elif p[i] == b'+':
                i += 1
            else:
                return False        # a domain
            k = parse_digits(p, i, end)
            return not (parse_uint(p, i, k, 999, &cc) and cc == plan.cc)
        i += 1
    return False


# The canonical number of a URI's user part.
cdef inline uint64_t uri_canonical(const uint8_t *p, Uri *u, Plan *plan) noexcept nogil:
    if u.number & (NUM_PLUS | NUM_LONG) == NUM_PLUS:
        return number_international(u.number)
    return uri_canonical_dialled(p, u, plan)


# The same of a number without '+'. It may be longer than E.164's 15 digits by its
# international prefix, and is then read again without it.
cdef uint64_t uri_canonical_dialled(const uint8_t *p, Uri *u, Plan *plan) noexcept nogil:
    cdef uint8_t digits[24]
    cdef uint32_t i, n = 0
    cdef uint64_t prefix
    if u.number & NUM_PLUS or u.number == 0:
        return 0
    if u.whole.len and uri_context_foreign(p, u, plan):
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
    cdef uint32_t npa, exchange, line
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
    line = <uint32_t>(value % 10000)
    if npa < 200 or npa / 10 % 10 == 9 or npa % 100 == 11 or npa / 10 == 37 or npa / 10 == 96:
        return RSN_CALLER_PLAN
    if exchange < 200 or (exchange % 100 == 11 and not number_is_toll_free(npa)):
        return RSN_CALLER_PLAN
    if exchange == 555 and 100 <= line <= 199:
        return RSN_CALLER_PLAN
    return 0


cdef inline bint number_is_toll_free(uint32_t npa) noexcept nogil:
    return npa == 800 or npa == 833 or npa == 844 or npa == 855 or npa == 866 or npa == 877 or npa == 888


cdef inline uint64_t set_bucket(NumberTable *t, uint64_t number) noexcept nogil:
    # The set is the operator's, not the attacker's: a fixed multiplier does, and keeps the table's content stable.
    return (number * 0x9e3779b97f4a7c15ULL >> 24) & t.buckets_mask


cdef bint set_has(NumberTable *t, uint64_t number) noexcept nogil:
    cdef uint32_t low, high, middle
    cdef uint64_t bucket, word
    cdef int i
    if t.range_count:
        low = 0
        high = t.range_count
        while low < high:
            middle = (low + high) / 2
            if t.ranges[2 * middle + 1] < number:
                low = middle + 1
            else:
                high = middle
        if low < t.range_count and t.ranges[2 * low] <= number:
            return True
    if t.single_count:
        bucket = set_bucket(t, number)
        while True:
            for i in range(8):
                word = t.slot[bucket * 8 + i]
                if word == number:
                    return True
                if word == 0:
                    return False
            bucket = (bucket + 1) & t.buckets_mask
    return False


cdef bint peer_owns(PolicyImage *policy, Peer *peer, uint64_t number) noexcept nogil:
    cdef uint32_t i
    for i in range(peer.set_count):
        if set_has(policy.sets[peer.first_set + i], number):
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
        if set_has(policy.file_sets[i], number):
            return <uint16_t>policy.file_set_peer[i]
    return NO_PEER


# ---- building a set from text ----

cdef int number_compare(const void *a, const void *b) noexcept nogil:
    cdef uint64_t x = (<const uint64_t *>a)[0], y = (<const uint64_t *>b)[0]
    return (x > y) - (x < y)


# One written number in [i, end): '+', digits and separators, nothing else. 0 on a fault.
cdef uint64_t number_entry(const uint8_t *p, uint64_t i, uint64_t end) noexcept nogil:
    cdef uint64_t value = 0
    cdef uint32_t digits = 0
    while i < end and p[i] in b" \t-.()":
        i += 1
    if i < end and p[i] == b'+':
        i += 1
    else:
        return 0
    while i < end:
        if 48 <= p[i] <= 57:
            value = value * 10 + (p[i] - 48)
            digits += 1
            if digits > 15 or (digits == 1 and p[i] == b'0'):
                return 0
        elif p[i] not in b" \t-.()":
            return 0
        i += 1
    return number_pack(value, digits) if digits else 0


class NumberListError(ValueError):
    """A number list with bad lines. ``errors``: (line number from 1, what is wrong), the first twenty."""

    def __init__(self, errors):
        super().__init__(f"{len(errors)} bad line(s)")
        self.errors = errors


cdef class NumberSet:
    """An immutable set of E.164 numbers: singles, ranges and prefixes.

    ``text`` has one entry a line: ``+12125550100``, ``+12125000000..+12125099999``
    or ``+1646555*``. ``#`` starts a comment; blanks and the separators ``-.()``
    mean nothing. Raises NumberListError with every bad line (at most twenty).
    """

    cdef NumberTable table

    def __cinit__(self, text: bytes):
        cdef const uint8_t *p = text
        cdef uint64_t n = len(text), i = 0, end, next_, dots, low, high, star
        cdef uint64_t *singles = NULL
        cdef uint64_t single_count = 0, single_room = 0, k, scale
        cdef long line = 0
        ranges = []
        errors = []
        # A line of a number takes at least nine bytes or so; counting lines first keeps this exact.
        for i in range(n):
            if p[i] == b'\n':
                single_room += 1
        single_room += 1
        singles = <uint64_t *>malloc(single_room * 8)
        if singles == NULL:
            raise MemoryError
        try:
            i = 0
            while i < n:
                line += 1
                end = i
                while end < n and p[end] != b'\n':
                    end += 1
                next_ = end + 1
                k = i
                while k < end and p[k] != b'#':
                    k += 1
                end = k
                while end > i and p[end - 1] in b" \t\r":
                    end -= 1
                while i < end and p[i] in b" \t":
                    i += 1
                if i == end:
                    i = next_
                    continue
                dots = i
                while dots + 1 < end and not (p[dots] == b'.' and p[dots + 1] == b'.'):
                    dots += 1
                if dots + 1 < end:
                    low = number_entry(p, i, dots)
                    high = number_entry(p, dots + 2, end)
                    if low == 0 or high == 0:
                        errors.append((line, "a range is written +LOW..+HIGH, both E.164"))
                    elif number_len(low) != number_len(high):
                        errors.append((line, "both ends of a range need the same number of digits"))
                    elif low > high:
                        errors.append((line, "the range ends before it starts"))
                    else:
                        ranges.append((low, high))
                elif p[end - 1] == b'*':
                    star = number_entry(p, i, end - 1)
                    if star == 0:
                        errors.append((line, "a prefix is written +DIGITS*"))
                    else:
                        for digits in range(max(number_len(star), 4), 16):
                            scale = POW10[<uint32_t>digits - number_len(star)]
                            low = number_value(star) * scale
                            ranges.append((number_pack(low, digits), number_pack(low + scale - 1, digits)))
                else:
                    low = number_entry(p, i, end)
                    if low == 0:
                        errors.append((line, "no E.164 number: write + and up to 15 digits"))
                    else:
                        singles[single_count] = low
                        single_count += 1
                if len(errors) == 20:
                    break
                i = next_
            if errors:
                raise NumberListError(errors)
            self.build(singles, single_count, ranges)
        finally:
            free(singles)

    cdef build(self, uint64_t *singles, uint64_t count, list ranges):
        cdef uint64_t k, unique = 0, buckets = 1, bucket
        cdef int i
        merged = []
        for low, high in sorted(ranges):
            if merged and low <= merged[-1][1] + 1 and low >> NUM_LEN_SHIFT == merged[-1][1] >> NUM_LEN_SHIFT:
                merged[-1][1] = max(merged[-1][1], high)
            else:
                merged.append([low, high])
        self.table.range_count = len(merged)
        self.table.ranges = <uint64_t *>malloc(max(len(merged), 1) * 16)
        if self.table.ranges == NULL:
            raise MemoryError
        for at, (low, high) in enumerate(merged):
            self.table.ranges[2 * at] = low
            self.table.ranges[2 * at + 1] = high
        qsort(singles, count, 8, number_compare)
        for k in range(count):
            if k == 0 or singles[k] != singles[k - 1]:
                singles[unique] = singles[k]
                unique += 1
        self.table.single_count = <uint32_t>unique
        # Six of eight slots filled at most: a probe rarely leaves its cache line.
        while buckets * 6 < unique:
            buckets *= 2
        self.table.buckets_mask = buckets - 1
        self.table.slot = <uint64_t *>calloc(buckets * 8, 8)
        if self.table.slot == NULL:
            raise MemoryError
        for k in range(unique):
            bucket = set_bucket(&self.table, singles[k])
            while True:
                for i in range(8):
                    if self.table.slot[bucket * 8 + i] == 0:
                        self.table.slot[bucket * 8 + i] = singles[k]
                        break
                else:
                    bucket = (bucket + 1) & self.table.buckets_mask
                    continue
                break

    def __dealloc__(self):
        free(self.table.slot)
        free(self.table.ranges)

    def __len__(self):
        """Numbers covered; one in a range and alone counts twice."""
        return sum(high - low + 1 for low, high in self.ranges()) + self.table.single_count

    def __contains__(self, digits: str) -> bool:
        """Is the E.164 number (digits, no '+') in the set?"""
        if not digits.isascii() or not digits.isdigit() or len(digits) > 15:
            return False
        return set_has(&self.table, number_pack(int(digits), len(digits)))

    @property
    def single_count(self) -> int:
        """How many numbers are listed one by one."""
        return self.table.single_count

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return (self.table.buckets_mask + 1) * 64 + self.table.range_count * 16

    def ranges(self):
        """The ranges as packed (low, high) pairs, sorted and disjoint."""
        return [(self.table.ranges[2 * i], self.table.ranges[2 * i + 1]) for i in range(self.table.range_count)]

    def singles(self):
        """The single numbers, packed, in no order."""
        cdef uint64_t i
        return [self.table.slot[i] for i in range((self.table.buckets_mask + 1) * 8) if self.table.slot[i]]

    def overlaps(self, NumberSet other) -> str | None:
        """A number (digits) that both hold, or None."""
        cdef uint64_t i
        cdef uint32_t i_few = 0, i_many = 0
        cdef NumberSet few = self, many = other
        if self.table.single_count > other.table.single_count:
            few, many = other, self
        if few.table.single_count:
            for i in range((few.table.buckets_mask + 1) * 8):
                if few.table.slot[i] and set_has(&many.table, few.table.slot[i]):
                    return number_text(few.table.slot[i])
        # Both lists of ranges are sorted: one walk along the two.
        while i_few < few.table.range_count and i_many < many.table.range_count:
            low = max(few.table.ranges[2 * i_few], many.table.ranges[2 * i_many])
            if low <= min(few.table.ranges[2 * i_few + 1], many.table.ranges[2 * i_many + 1]):
                return number_text(low)
            if few.table.ranges[2 * i_few + 1] < many.table.ranges[2 * i_many + 1]:
                i_few += 1
            else:
                i_many += 1
        if few.table.range_count:
            for i in range((many.table.buckets_mask + 1) * 8):
                if many.table.slot[i] and set_has(&few.table, many.table.slot[i]):
                    return number_text(many.table.slot[i])
        return None


def number_text(number: int) -> str:
    """The digits of a packed number."""
    return f"{number & ((1 << 54) - 1):0{number >> 54 & 31}d}"
