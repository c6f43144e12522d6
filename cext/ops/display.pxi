# ops/display.pxi: display-name: what the caller's name shows besides the caller.
#
# A name is read character by character as people see it (numbering/skeleton.py,
# compiled into the policy): digits of any script, letters that look alike, what
# nobody sees. Digits with nothing but separators between them are one number; a
# letter that looks like a digit is one between digits. The names of From, of the
# asserted callers and of who diverted are looked at, for phones show any of them. It never edits one.

cdef enum:
    FOLD_GONE = 1
    FOLD_HIDDEN = 2
    DISPLAY_LETTERS = 256   # letters and digits kept to look for marks in
    DISPLAY_NUMBER = 7      # digits that make a number
    DISPLAY_REAL = 5        # of them written as digits
    UTF8_BAD = 0x110000

cdef struct Display:
    uint64_t value          # of the digits of the group under way
    uint32_t digits
    uint32_t real           # written as digits, not as letters that look like some
    uint32_t letters        # in `text`
    bint plus
    bint hidden
    uint64_t also           # canonical: a number that this name may show besides, 0: none
    uint8_t text[DISPLAY_LETTERS]


# The code point at p[i], and its bytes in `n`. UTF8_BAD for what is none (RFC 3629 §3).
cdef inline uint32_t utf8_code(const uint8_t *p, uint32_t i, uint32_t end, uint32_t *n) noexcept nogil:
    cdef uint32_t c = p[i], need, k
    n[0] = 1
    if c < 0x80:
        return c
    need = 1 if c >> 5 == 6 else 2 if c >> 4 == 14 else 3 if c >> 3 == 30 else 0
    if need == 0 or end - i <= need:
        return UTF8_BAD
    c &= 0x3f >> need
    for k in range(1, need + 1):
        if p[i + k] >> 6 != 2:
            return UTF8_BAD
        c = c << 6 | (p[i + k] & 0x3f)
    n[0] = need + 1
    return c if c >= (0x80 if need == 1 else 0x800 if need == 2 else 0x10000) else UTF8_BAD


cdef inline uint8_t display_class(PolicyImage *policy, uint32_t code) noexcept nogil:
    if code < 0x20000:
        return policy.skeleton[<uint32_t>policy.skeleton_index[code >> 8] << 8 | (code & 255)]
    # Tags, and selectors of a variant, say nothing that is seen.
    return FOLD_HIDDEN if 0xe0000 <= code < 0xe1000 else 0


# The digit that a letter between digits is read as, or 10.
cdef inline uint32_t display_alike(uint8_t c) noexcept nogil:
    if c == b'o':
        return 0
    return 1 if c == b'l' or c == b'i' else 10


# Are the digits other than the last ones of a number?
cdef inline bint display_differs(Display *d, uint64_t number) noexcept nogil:
    return number_len(number) < d.digits or number_value(number) % POW10[d.digits] != d.value


# Is the number that just ended another than the caller's? One too short to be whole may be the end of the caller's.
cdef bint display_foreign(Screen *s, Display *d) noexcept nogil:
    cdef Caller *c = caller_of(s)
    cdef uint64_t number, caller = c.from_ if c.from_ else c.asserted
    if d.digits < DISPLAY_NUMBER or d.real < DISPLAY_REAL:
        return False
    s.found = d.value
    if d.digits > 15:
        return True
    number = number_canonical(number_pack(d.value, d.digits) | (NUM_PLUS if d.plus else 0),
                              &s.policy.plans[s.peer.plan])
    if number:
        return (number != c.from_ and number != c.asserted and number != d.also
                and not peer_owns(s.policy, s.peer, number))
    return display_differs(d, caller) and (d.also == 0 or display_differs(d, d.also))


cdef inline bint display_digit(Screen *s, Display *d, uint32_t digit, bint real) noexcept nogil:
    if d.digits < 15:
        d.value = d.value * 10 + digit
    d.digits += 1
    d.real += real
    return True


cdef inline void display_group(Display *d, bint plus) noexcept nogil:
    d.value = d.digits = d.real = 0
    d.plus = plus


# Printable ASCII with too few digits for a number, as nearly every name is: nothing but a mark can be found in it.
cdef inline bint display_plain(const uint8_t *p, Slice name) noexcept nogil:
    return (name.len <= DISPLAY_LETTERS and 0 <= ea_count_digits(p + name.off, name.len) < DISPLAY_REAL
            and memchr(p + name.off, b':', name.len) == NULL)


# Is the word before a ':' the scheme of a SIP URI? ("Tel:" stands before many a caller's own number.)
cdef inline bint display_scheme(Display *d, uint32_t word) noexcept nogil:
    cdef uint32_t n = d.letters - word
    return (n == 3 or (n == 4 and d.text[word + 3] == b's')) and memcmp(d.text + word, b"sip", 3) == 0


# One name. RSN_ or 0.
cdef int display_look(Screen *s, Slice name, Display *d) noexcept nogil:
    cdef uint32_t i = name.off, end = name.off + name.len, n, code, word = 0
    cdef uint8_t c
    cdef bint after_digit = False, scheme = False, uri = False
    if s.peer.marks.len == 0 and display_plain(s.p, name):
        return 0
    display_group(d, False)
    d.letters = 0
    d.hidden = False
    while i < end:
        code = utf8_code(s.p, i, end, &n)
        i += n
        if code == b'\\' and i < end:
            continue                # a quoted pair is its second character (RFC 3261 §25.1)
        c = display_class(s.policy, code)
        if c == FOLD_GONE or c == FOLD_HIDDEN:
            d.hidden = d.hidden or c == FOLD_HIDDEN
            continue
        uri = uri or (scheme and c != b'-')
        scheme = False
        if c == b'-':
            word = d.letters
            continue
        if d.letters == DISPLAY_LETTERS:
            d.hidden = True         # longer than anybody reads
        elif EA_IS(c, CLS_DIGIT) or 97 <= c <= 122:
            d.text[d.letters] = c
            d.letters += 1
        else:
            scheme = c == b':' and display_scheme(d, word)
            word = d.letters
        if EA_IS(c, CLS_DIGIT):
            after_digit = display_digit(s, d, c - 48, True)
        elif after_digit and display_alike(c) < 10:
            display_digit(s, d, display_alike(c), False)
        else:
            if display_foreign(s, d):
                return RSN_DISPLAY_NUMBER
            display_group(d, c == b'+')
            after_digit = False
            if display_alike(c) < 10:
                # It may begin a number: O12 555 2000.
                after_digit = display_digit(s, d, display_alike(c), False)
    if display_foreign(s, d):
        return RSN_DISPLAY_NUMBER
    if uri:
        s.found = name.len
        return RSN_DISPLAY_URI
    if d.hidden:
        s.found = name.len
        return RSN_DISPLAY_HIDDEN
    return RSN_DISPLAY_MARK if display_marked(s, d) else 0


# Does the name hold a protected mark? Each is a length byte and its letters, folded as names are.
cdef bint display_marked(Screen *s, Display *d) noexcept nogil:
    cdef const uint8_t *mark = s.policy.text + s.peer.marks.off
    cdef const uint8_t *end = mark + s.peer.marks.len
    while mark < end:
        if memmem(d.text, d.letters, mark + 1, mark[0]) != NULL:
            s.found = mark[0]
            return True
        mark += mark[0] + 1
    return False


# display-name: From's name, then those of the asserted callers.
cdef int op_display_name(Screen *s) noexcept nogil:
    cdef Display d
    cdef Identity *it
    cdef int i, reason = 0
    s.found = s.limit = d.also = 0
    if s.m.from_.display.len:
        reason = display_look(s, s.m.from_.display, &d)
    for i in range(s.m.identities):
        it = &s.m.identity[i]
        if reason:
            break
        if it.uri.display.len and it.header != H_HISTORY_INFO:
            # Who diverted may be named by his own number, which caller-consistent looks at.
            d.also = uri_canonical(s.p, &it.uri, &s.policy.plans[s.peer.plan]) if it.header == H_DIVERSION else 0
            reason = display_look(s, it.uri.display, &d)
    return reason
