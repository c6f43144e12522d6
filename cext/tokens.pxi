# tokens.pxi: the Identity header that nearly every signed call has, read in one pass: shaken, in the canonical form of RFC 8225 §9.
#
# A short cut of edge_agent/stir/ (identity.py, passport.py), which read everything
# else, and this too, a few times slower: what is accepted here is read there in the
# same way (tests/fuzz/fuzz_usual_token.py), and whatever isn't exactly of this form
# gets None and goes there. So nothing is refused here, and no form is stretched.
# It judges nothing: not the header segment, which is only handed over, no claim
# against the call, no time, no signature.

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.unicode cimport PyUnicode_DecodeASCII

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object, Py_ssize_t *) except NULL

cdef enum:
    TOKEN_LONGEST = 4096        # of the value
    TOKEN_PAYLOAD = 512         # of the JSON; a usual one has 150 bytes
    TOKEN_SIGNATURE = 86        # base64url of 64 bytes

cdef struct Reader:             # a place in text that ends; `bad` once something else stood there
    const uint8_t *p
    const uint8_t *end
    bint bad


cdef inline void read_text(Reader *r, const char *text, uint32_t n) noexcept nogil:
    if r.bad or r.end - r.p < n or memcmp(r.p, text, n) != 0:
        r.bad = True
    else:
        r.p += n


# One to fifteen of the characters of a telephone number (RFC 8225 §5.2.1).
cdef inline Slice read_number(Reader *r, const uint8_t *base) noexcept nogil:
    cdef const uint8_t *first = r.p
    while r.p < r.end and (48 <= r.p[0] <= 57 or r.p[0] == b'*' or r.p[0] == b'#'):
        r.p += 1
    if r.p == first or r.p - first > 15:
        r.bad = True
    return slice_of(<uint32_t>(first - base), <uint32_t>(r.p - base))


# A JSON integer of at most twelve digits.
cdef inline int64_t read_time(Reader *r) noexcept nogil:
    cdef const uint8_t *first = r.p
    cdef int64_t value = 0
    while r.p < r.end and 48 <= r.p[0] <= 57 and r.p - first < 13:
        value = value * 10 + r.p[0] - 48
        r.p += 1
    if r.p == first or r.p - first > 12 or (first[0] == b'0' and r.p - first > 1):
        r.bad = True
    return value


cdef inline void read_uuid(Reader *r) noexcept nogil:
    cdef int i
    if r.bad or r.end - r.p < 36:
        r.bad = True
        return
    for i in range(36):
        if i == 8 or i == 13 or i == 18 or i == 23:
            r.bad = r.bad or r.p[i] != b'-'
        else:
            r.bad = r.bad or not EA_IS(r.p[i], CLS_HEX)
    r.p += 36


# Base64url in its one spelling: no padding, no bits that say nothing. How many bytes; -1: something else, or no room.
cdef int token_base64(uint8_t *to, uint32_t room, const uint8_t *p, uint32_t n) noexcept nogil:
    cdef uint32_t i, word = 0, over = n % 4
    cdef int value, out = 0
    if over == 1 or n / 4 * 3 + 2 > room:
        return -1
    for i in range(n):
        value = TOKEN_DIGIT[p[i]]
        if value == 255:
            return -1
        word = word << 6 | <uint32_t>value
        if i % 4 == 3:
            to[out] = <uint8_t>(word >> 16)
            to[out + 1] = <uint8_t>(word >> 8)
            to[out + 2] = <uint8_t>word
            out += 3
            word = 0
    if over == 2:
        if word & 15:
            return -1
        to[out] = <uint8_t>(word >> 4)
        out += 1
    elif over == 3:
        if word & 3:
            return -1
        to[out] = <uint8_t>(word >> 10)
        to[out + 1] = <uint8_t>(word >> 2)
        out += 2
    return out


cdef uint8_t TOKEN_DIGIT[256]   # 255: no digit of base64url


cdef void tokens_init() noexcept nogil:
    cdef const char *alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    cdef int i
    memset(TOKEN_DIGIT, 255, 256)
    for i in range(64):
        TOKEN_DIGIT[<uint8_t>alphabet[i]] = <uint8_t>i


# A DER INTEGER of 32 bytes, most significant first.
cdef inline uint8_t *put_integer(uint8_t *to, const uint8_t *p) noexcept nogil:
    cdef uint32_t skip = 0
    cdef bint sign
    while skip < 31 and p[skip] == 0:
        skip += 1
    sign = p[skip] >= 128
    to[0] = 2
    to[1] = <uint8_t>(32 - skip + sign)
    to[2] = 0
    memcpy(to + 2 + sign, p + skip, 32 - skip)
    return to + 2 + sign + 32 - skip


cdef inline object text_at(const uint8_t *p, Slice s):
    return PyUnicode_DecodeASCII(<const char *>p + s.off, s.len, NULL)


# The next dot from i on, or n. Python's strings have no room behind them that ea_find could read.
cdef inline uint32_t token_dot(const uint8_t *p, uint32_t i, uint32_t n) noexcept nogil:
    while i < n and p[i] != b'.':
        i += 1
    return i


def usual_token(value: str):
    """A shaken header in the form that nearly every signer writes, else None: anything else, right or wrong.

    (header segment, info, attest, dest, iat, orig, origid, what is signed, signature in DER, signature). Nothing of it is checked
    against anything.
    """
    cdef Py_ssize_t size = 0
    cdef const uint8_t *p
    cdef uint8_t json[TOKEN_PAYLOAD]
    cdef uint8_t raw[72]
    cdef uint8_t der[80]
    cdef uint8_t *to
    cdef Reader r
    cdef Slice head, payload, info, dest, orig, origid
    cdef uint32_t n, at, token
    cdef int64_t iat
    cdef uint8_t attest
    cdef int got
    if not value.isascii():
        return None
    p = <const uint8_t *>PyUnicode_AsUTF8AndSize(value, &size)
    if size > TOKEN_LONGEST:
        return None
    n = <uint32_t>size
    head = slice_of(0, token_dot(p, 0, n))
    payload = slice_of(head.len + 1, token_dot(p, head.len + 1, n))
    token = payload.off + payload.len + 1 + TOKEN_SIGNATURE
    if head.len == 0 or payload.off >= n or payload.len == 0 or token >= n:
        return None
    r.bad = False
    with nogil:
        # The segment's spelling is part of what was read when it was found good; here it only has to be one.
        for at in range(head.len):
            r.bad = r.bad or TOKEN_DIGIT[p[at]] == 255
        r.p = p + token
        r.end = p + n
        read_text(&r, b";info=<", 7)
        info = slice_of(<uint32_t>(r.p - p), <uint32_t>(r.p - p))
        while not r.bad and r.p < r.end and 33 <= r.p[0] <= 126 and r.p[0] != b'<' and r.p[0] != b'>' and r.p[0] != b'"':
            r.p += 1
        info = slice_of(info.off, <uint32_t>(r.p - p))
        read_text(&r, b">;alg=ES256;ppt=", 16)
        if not r.bad and r.p < r.end and r.p[0] == b'"':
            read_text(&r, b"\"shaken\"", 8)
        else:
            read_text(&r, b"shaken", 6)
        r.bad = r.bad or r.p != r.end or info.len == 0
        r.bad = r.bad or token_base64(raw, 72, p + token - TOKEN_SIGNATURE, TOKEN_SIGNATURE) != 64
        got = -1 if r.bad else token_base64(json, TOKEN_PAYLOAD, p + payload.off, payload.len)
        r.bad = r.bad or got < 0
        r.p = json
        r.end = json + (got if got > 0 else 0)
        read_text(&r, b'{"attest":"', 11)
        attest = r.p[0] if not r.bad and r.p < r.end else 0
        r.bad = r.bad or not 65 <= attest <= 67
        r.p += not r.bad
        read_text(&r, b'","dest":{"tn":["', 17)
        dest = read_number(&r, json)
        read_text(&r, b'"]},"iat":', 10)
        iat = read_time(&r)
        read_text(&r, b',"orig":{"tn":"', 15)
        orig = read_number(&r, json)
        read_text(&r, b'"},"origid":"', 13)
        origid = slice_of(<uint32_t>(r.p - json), <uint32_t>(r.p - json) + 36)
        read_uuid(&r)
        read_text(&r, b'"}', 2)
        r.bad = r.bad or r.p != r.end
    if r.bad:
        return None
    to = put_integer(put_integer(der + 2, raw), raw + 32)
    der[0] = 0x30
    der[1] = <uint8_t>(to - der - 2)
    return (text_at(p, head), text_at(p, info), TOKEN_LEVELS[attest - 65], text_at(json, dest), iat, text_at(json, orig),
            text_at(json, origid), PyBytes_FromStringAndSize(<const char *>p, payload.off + payload.len),
            PyBytes_FromStringAndSize(<const char *>der, to - der),
            PyBytes_FromStringAndSize(<const char *>raw, 64))


TOKEN_LEVELS = ("A", "B", "C")
tokens_init()
