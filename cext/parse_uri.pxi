# parse_uri.pxi: URIs and the numbers in them: sip and sips (RFC 3261 §19.1), tel (RFC 3966), service URNs (RFC 5031).
#
# Every function reads only [i, end) of p; slots are padded, so a vector load may
# touch what lies behind, and what of the datagram lies before, and no result
# depends on it. `stop` are the stops of the
# scan (scan.h); what a function is given ends at one of them.

# Words of the grammar as a little-endian load gives them, letters folded where case doesn't matter.
cdef extern from *:
    """
    #define WORD_SIP 0x3a706973u                /* "sip:" */
    #define WORD_TEL 0x3a6c6574u                /* "tel:" */
    #define WORD_SIPS 0x73706973u               /* "sips" */
    #define WORD_SIP_SLASH 0x2f706973u          /* "sip/" */
    #define WORD_VERSION 0x302e322f706973ull    /* "sip/2.0" */
    #define WORD_LR 0x726cu
    #define WORD_MADDR 0x726464616dull
    #define WORD_TAG 0x676174u
    #define WORD_SEMICOLON_TAG 0x6761743bu
    #define WORD_BRANCH 0x68636e617262ull
    #define WORD_RPORT 0x74726f7072ull
    #define WORD_SIP_2_0 0x2f302e322f504953ull  /* "SIP/2.0/" */
    #define WORD_UDP 0x20504455u                /* "UDP " */
    #define WORD_VERSTAT 0x74617473726576ull
    #define WORD_X_EDGE 0x2d656764652d78ull     /* "x-edge-" */
    """
    uint32_t WORD_SIP, WORD_TEL, WORD_SIPS, WORD_SIP_SLASH, WORD_LR, WORD_TAG, WORD_SEMICOLON_TAG, WORD_UDP
    uint64_t WORD_VERSION, WORD_MADDR, WORD_BRANCH, WORD_RPORT, WORD_SIP_2_0, WORD_VERSTAT, WORD_X_EDGE


cdef inline size_t parse_blanks(const uint8_t *p, size_t i, size_t n) noexcept nogil:
    if EA_LIKELY(p[i] > 32):    # n may be read: at the least a line end stands there
        return i
    while i < n and EA_IS(p[i], CLS_LWS):
        i += 1
        if EA_LIKELY(p[i] > 32):
            break
    return i


cdef inline size_t parse_digits(const uint8_t *p, size_t i, size_t n) noexcept nogil:
    while i < n and EA_IS(p[i], CLS_DIGIT):
        i += 1
    return i


cdef inline Slice slice_of(size_t start, size_t end) noexcept nogil:
    cdef Slice s
    s.off = <uint32_t>start
    s.len = <uint32_t>(end - start)
    return s


# Decimal digits in [i, end) to *value; False when none, another byte, or more than `limit`.
cdef inline bint parse_uint(const uint8_t *p, size_t i, size_t end, uint64_t limit, uint64_t *value) noexcept nogil:
    cdef int32_t few
    if EA_LIKELY(end - i - 1 < 4):
        few = ea_four_digits(p + i, end - i)
        value[0] = <uint64_t>few
        return few >= 0 and <uint64_t>few <= limit
    return parse_long_uint(p, i, end, limit, value)


cdef bint parse_long_uint(const uint8_t *p, size_t i, size_t end, uint64_t limit, uint64_t *value) noexcept nogil:
    cdef uint64_t x = 0
    cdef int64_t eight
    cdef unsigned int digit
    if i >= end or end - i > 32:
        return False
    if end - i <= 8:
        eight = ea_eight_digits(p + i, end - i)
        value[0] = <uint64_t>eight
        return eight >= 0 and <uint64_t>eight <= limit
    while i < end:
        digit = p[i] - <unsigned int>48
        if digit > 9:
            return False
        x = x * 10 + digit
        if x > limit:
            return False
        i += 1
    value[0] = x
    return True


cdef inline int parse_hex_digit(uint8_t c) noexcept nogil:
    if c <= 57:
        return c - 48
    return (c | 0x20) - 87


# A user part to a packed number: an optional '+', digits, visual separators
# (RFC 3966 §5.1.1), percent escapes decoded once. Anything else: 0.
cdef uint64_t parse_number_slow(const uint8_t *p, size_t n) noexcept nogil:
    cdef uint64_t value = 0, plus = 0
    cdef size_t i = 0, digits = 0
    cdef uint8_t c
    while i < n:
        c = p[i]
        if c == b'%':
            if i + 2 >= n or not EA_IS(p[i + 1], CLS_HEX) or not EA_IS(p[i + 2], CLS_HEX):
                return 0
            c = <uint8_t>(parse_hex_digit(p[i + 1]) * 16 + parse_hex_digit(p[i + 2]))
            i += 2
        i += 1
        if 48 <= c <= 57:
            digits += 1
            if digits <= 15:
                value = value * 10 + (c - 48)
        elif c == b'+' and digits == 0 and plus == 0:
            plus = NUM_PLUS
        elif c != b'-' and c != b'.' and c != b'(' and c != b')':
            return 0
    if digits == 0:
        return 0
    if digits > 15:
        return NUM_LONG | plus
    return value | <uint64_t>digits << NUM_LEN_SHIFT | plus


# The same; nearly every number is an optional '+' and up to 15 digits in a row.
cdef inline uint64_t parse_number(const uint8_t *p, size_t n) noexcept nogil:
    cdef size_t i = 0, digits
    cdef uint64_t plus = 0
    cdef int64_t value
    if n and p[0] == b'+':
        plus = NUM_PLUS
        i = 1
    digits = n - i
    value = ea_digits(p + i, digits) if 0 < digits <= 15 else -1
    if EA_UNLIKELY(value < 0):
        return parse_number_slow(p, n)
    return <uint64_t>value | <uint64_t>digits << NUM_LEN_SHIFT | plus


cdef inline bint parse_host(const uint8_t *p, const uint64_t *stop, size_t *at, size_t end, Slice *host,
                            bint *v6) noexcept nogil:
    cdef size_t i = at[0], start = i
    cdef uint8_t address[16]
    if i < end and p[i] == b'[':
        start = i + 1
        i = ea_find(p, start, end, b']')
        if i >= end or not ea_parse_v6(p + start, i - start, address):
            return False
        host[0] = slice_of(start, i)
        v6[0] = True
        at[0] = i + 1
        return True
    i = ea_scan_run(p, stop, i, end, CLS_HOST)
    if i == start or i - start > 255:
        return False
    host[0] = slice_of(start, i)
    v6[0] = False
    at[0] = i
    return True


# paramchar or hnv-char up to one that is neither; a '%' must open an escape. PARSE_END when it doesn't.
cdef inline int64_t parse_param_chars(const uint8_t *p, const uint64_t *stop, size_t i,
                                      size_t end) noexcept nogil:
    while True:
        i = ea_scan_run(p, stop, i, end, CLS_PARAM)
        if i >= end or p[i] != b'%':
            return <int64_t>i
        if i + 2 >= end or not EA_IS(p[i + 1], CLS_HEX) or not EA_IS(p[i + 2], CLS_HEX):
            return PARSE_END
        i += 3


# ;name[=value] of a URI, up to '?' or the end. Marks lr and maddr. A blank behind
# the ';' is read over: it stands in Routes of the field and has one reading only.
cdef bint parse_uri_params(const uint8_t *p, const uint64_t *stop, size_t i, size_t end, Uri *u) noexcept nogil:
    cdef size_t start = i, name, length
    cdef int64_t k
    u.params.off = start
    while i < end and p[i] == b';':
        name = i + 1
        while name < end and p[name] == b' ':
            name += 1
        k = parse_param_chars(p, stop, name, end)
        if k < 0:
            return False
        length = <size_t>k - name
        if length == 0:
            return False
        i = <size_t>k
        if i < end and p[i] == b'=':
            k = parse_param_chars(p, stop, i + 1, end)
            if k < 0 or <size_t>k == i + 1:
                return False
            i = <size_t>k
        if length == 2 and ea_same_fold(p + name, b"lr", 2):
            u.flags |= URI_LR
        elif length == 5 and ea_same_fold(p + name, b"maddr", 5):
            u.flags |= URI_MADDR
        elif (length == 7 and ea_fold8(p + name, 7) == WORD_VERSTAT) or (
                length > 7 and memchr(p + name, b'%', length) != NULL):
            u.flags |= URI_VERSTAT
    u.params.len = i - start
    if i < end and p[i] == b'?' and u.scheme != SCHEME_TEL:
        u.flags |= URI_HEADERS
        i += 1
        if i == end:
            return False
        while i < end:
            if p[i] == b'=' or p[i] == b'?':
                i += 1
                continue
            k = parse_param_chars(p, stop, i, end)
            if k < 0 or <size_t>k == i:
                return False
            i = <size_t>k
    return i == end


cdef bint parse_userinfo(const uint8_t *p, const uint64_t *stop, size_t i, size_t end, Uri *u) noexcept nogil:
    cdef size_t at = i, cut = end
    if at < end and p[at] == b'+':
        at += 1
    while True:
        at = ea_scan_run(p, stop, at, end, CLS_HOST)
        if at >= end:
            break
        if p[at] == b'%':
            if at + 2 >= end or not EA_IS(p[at + 1], CLS_HEX) or not EA_IS(p[at + 2], CLS_HEX):
                return False
            u.flags |= URI_ESCAPED
            at += 3
            continue
        if not EA_IS(p[at], CLS_USER):
            return False
        if (p[at] == b';' or p[at] == b':') and cut == end:
            cut = at
            u.flags |= URI_USER_PARAMS
        at += 1
    if end == i:
        return False
    u.user = slice_of(i, cut)
    u.number = parse_number(p + i, cut - i)
    return True


cdef bint parse_sip_uri(const uint8_t *p, const uint64_t *stop, size_t i, size_t end, Uri *u) noexcept nogil:
    # '@' is legal nowhere else in the URI, so the first one ends the userinfo.
    cdef size_t k = ea_find(p, i, end, b'@')
    cdef uint64_t port
    cdef bint v6 = False
    if k < end:
        if not parse_userinfo(p, stop, i, k, u):
            return False
        i = k + 1
    if not parse_host(p, stop, &i, end, &u.host, &v6):
        return False
    if v6:
        u.flags |= URI_V6
    if i < end and p[i] == b':':
        i += 1
        k = ea_stop(stop, i)        # a plain character that is no digit is a fault either way
        if not parse_uint(p, i, k, 65535, &port) or port == 0:
            return False
        u.port = <uint16_t>port
        i = k
    return i == end or parse_uri_params(p, stop, i, end, u)


# Pauses (p, w) are RFC 2806's; telephones still write them.
cdef bint parse_tel_uri(const uint8_t *p, const uint64_t *stop, size_t i, size_t end, Uri *u) noexcept nogil:
    cdef size_t start = i
    while i < end and p[i] != b';':
        if not EA_IS(p[i], CLS_HEX) and p[i] not in b"+-.()*#%pPwW":
            return False
        i += 1
    if i == start:
        return False
    u.user = slice_of(start, i)
    u.number = parse_number(p + start, i - start)
    return parse_uri_params(p, stop, i, end, u)


# [off, end) to Uri; False when it can't be read. Schemes that SIP doesn't route
# are kept whole as SCHEME_OTHER.
cdef bint parse_uri(const uint8_t *p, const uint64_t *stop, size_t off, size_t end, Uri *u) noexcept nogil:
    cdef size_t i = off, k
    cdef uint64_t word
    memset(u, 0, sizeof(Uri))
    u.whole = slice_of(off, end)
    if end - off >= 5:
        word = ea_fold8(p + off, 4)
        if word == WORD_SIP:
            u.scheme = SCHEME_SIP
            return parse_sip_uri(p, stop, off + 4, end, u)
        if word == WORD_TEL:
            u.scheme = SCHEME_TEL
            return parse_tel_uri(p, stop, off + 4, end, u)
        if word == WORD_SIPS and p[off + 4] == b':':
            u.scheme = SCHEME_SIPS
            return parse_sip_uri(p, stop, off + 5, end, u)
    while i < end and (EA_IS(p[i], CLS_HOST) or p[i] == b'+') and p[i] != b'_':
        i += 1
    if i == off or i >= end or p[i] != b':' or not (97 <= (p[off] | 0x20) <= 122):
        return False
    k = i + 1
    u.scheme = SCHEME_OTHER
    if i - off == 3 and ea_same_fold(p + off, b"urn", 3):
        u.scheme = SCHEME_URN
        u.host = slice_of(k, end)
    if k == end:
        return False
    while k < end:
        if p[k] <= 32 or p[k] >= 127 or p[k] in b'<>"\\^`{|}[]':
            return False
        k += 1
    return True


# A URI with parameters that nobody can read, as "tel:911;": without them, where it is one then. What was cut is left out
# when it goes on, as headers are.
cdef bint parse_uri_head(const uint8_t *p, const uint64_t *stop, size_t off, size_t end, Uri *u) noexcept nogil:
    cdef size_t at = ea_find(p, off, end, b'@'), cut
    cut = ea_find(p, off if at == end else at, end, b';')
    if cut == end or not parse_uri(p, stop, off, cut, u) or u.scheme == SCHEME_OTHER or u.scheme == SCHEME_URN:
        return False
    u.whole = slice_of(off, end)
    u.params = slice_of(cut, cut)
    u.flags |= URI_HEADERS
    return True


# sip:user@host[:port]*(;name[=value]) of plain characters, as nearly every URI is, in one go from stop to stop.
# Returns where `closing` stands behind it; 0: another URI or none, read it the general way. The display name isn't set.
cdef inline size_t parse_plain_uri(const uint8_t *p, const uint64_t *stop, size_t i, uint8_t closing,
                                   Uri *u) noexcept nogil:
    cdef size_t start = i, k, length, digits
    cdef uint8_t flags = 0
    cdef uint64_t port = 0
    cdef int64_t number = -1
    cdef bint plus
    cdef EaStops stops
    if ea_load32(p + i) | 0x20202020 != WORD_SIP:
        return 0
    i += 4
    plus = p[i] == b'+'
    k = ea_stops_first(&stops, stop, i + plus)
    if k == i or p[k] != b'@':
        return 0
    u.user = slice_of(i, k)
    digits = k - i - plus
    if EA_LIKELY(digits - 1 < 15 and k >= 16):
        number = ea_digits_before(p + k, digits)
    if EA_LIKELY(number >= 0):
        u.number = <uint64_t>number | (digits | <uint64_t>plus << (NUM_PLUS_SHIFT - NUM_LEN_SHIFT)) << NUM_LEN_SHIFT
    else:
        u.number = parse_number_slow(p + i, k - i)
    i = k + 1
    k = ea_stops_next(&stops)
    if k == i or k - i > 255:
        return 0
    u.host = slice_of(i, k)
    u.scheme = SCHEME_SIP
    if p[k] == b':':
        i = k + 1
        k = ea_stops_next(&stops)
        if not parse_uint(p, i, k, 65535, &port) or port == 0:
            return 0
    u.port = <uint16_t>port
    u.params = slice_of(0, 0)
    if p[k] == b';':
        u.params.off = k
        while p[k] == b';':
            i = k + 1
            k = ea_stops_next(&stops)
            length = k - i
            if length == 0:
                return 0
            if length == 2 and ea_fold8(p + i, 2) == WORD_LR:
                flags |= URI_LR
            elif length == 5 and ea_fold8(p + i, 5) == WORD_MADDR:
                flags |= URI_MADDR
            elif length == 7 and ea_fold8(p + i, 7) == WORD_VERSTAT:
                flags |= URI_VERSTAT
            if p[k] == b'=':
                i = k + 1
                k = ea_stops_next(&stops)
                if k == i:
                    return 0
        u.params.len = k - u.params.off
    if p[k] != closing:
        return 0
    u.flags = flags
    u.whole = slice_of(start, k)
    return k
