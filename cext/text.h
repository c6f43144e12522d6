/* text.h: short texts: digits, comparisons with letters folded, and what is written into messages.
 *
 * Vector loads may read what lies behind a text, and no result depends on it. It keeps
 * no state but tables of digits, and never allocates. Part of hot.h.
 */
#ifndef EDGE_TEXT_H
#define EDGE_TEXT_H

/* ---- read ---- */

/* n (1..16) digits at p to their value, or -1 when one is none. Reads 16 bytes. */
__attribute__((no_sanitize("address")))
static inline int64_t ea_digits(const uint8_t *p, size_t n)
{
#ifdef __SSE2__
    /* The digits go to the end of two words, zeros before them; then neighbours are joined, three times. */
    unsigned shift = (unsigned)(128 - 8 * n) & 63;
    uint64_t high = ea_load64(p) ^ 0x3030303030303030ull, low = high << shift;
    if (EA_LIKELY(n > 8)) {
        low = ea_load64(p + 8) ^ 0x3030303030303030ull;
        if (n < 16) {
            low = low << shift | high >> (64 - shift);
            high <<= shift;
        }
    } else {
        high = 0;
    }
    const __m128i nine = _mm_set1_epi8(9);
    __m128i v = _mm_set_epi64x((long long)low, (long long)high);
    if (EA_UNLIKELY(_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(v, nine), nine)) != 0xffff))
        return -1;
    __m128i tens = _mm_mullo_epi16(_mm_and_si128(v, _mm_set1_epi16(0xff)), _mm_set1_epi16(10));
    v = _mm_madd_epi16(_mm_add_epi16(tens, _mm_srli_epi16(v, 8)), _mm_set1_epi32(1 << 16 | 100));
    v = _mm_madd_epi16(_mm_packs_epi32(v, v), _mm_set1_epi32(1 << 16 | 10000));
    uint64_t halves = (uint64_t)_mm_cvtsi128_si64(v);
    return (int64_t)((halves & 0xffffffff) * 100000000 + (halves >> 32));
#else
    int64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        if (!EA_IS(p[i], CLS_DIGIT))
            return -1;
        value = value * 10 + (p[i] - '0');
    }
    return value;
#endif
}

/* The same of the n (1..15) digits before `end`. Reads the 16 bytes before it. */
__attribute__((no_sanitize("address")))
static inline int64_t ea_digits_before(const uint8_t *end, size_t n)
{
#ifdef __SSE2__
    static const uint8_t kept[32] = {[16] = 255, 255, 255, 255, 255, 255, 255, 255,
                                     255, 255, 255, 255, 255, 255, 255, 255};
    __m128i v = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(end - 16)), _mm_set1_epi8('0'));
    v = _mm_and_si128(v, _mm_loadu_si128((const __m128i *)(kept + n)));
    if (EA_UNLIKELY(_mm_movemask_epi8(_mm_adds_epu8(v, _mm_set1_epi8(127 - 9)))))
        return -1;
    /* Neighbours are joined, three times: the first time in the upper half of each pair's product. */
    __m128i tens = _mm_set1_epi16(10 << 8 | 1);
    __asm__("" : "+x"(tens)); /* else the multiplication becomes four steps */
    v = _mm_srli_epi16(_mm_mullo_epi16(v, tens), 8);
    v = _mm_madd_epi16(v, _mm_set1_epi32(1 << 16 | 100));
    v = _mm_madd_epi16(_mm_packs_epi32(v, v), _mm_set1_epi32(1 << 16 | 10000));
    uint64_t halves = (uint64_t)_mm_cvtsi128_si64(v);
    return (int64_t)((halves & 0xffffffff) * 100000000 + (halves >> 32));
#else
    return ea_digits(end - n, n);
#endif
}

/* The same of n (1..8) digits, in one word. Reads 8 bytes. */
__attribute__((no_sanitize("address")))
static inline int64_t ea_eight_digits(const uint8_t *p, size_t n)
{
    uint64_t x = (ea_load64(p) ^ 0x3030303030303030ull) << (64 - 8 * n);
    if (EA_UNLIKELY(((x + 0x7676767676767676ull) | x) & 0x8080808080808080ull))
        return -1;
    x = x * 10 + (x >> 8);
    x = ((x & 0xff000000ffull) * 0xf424000000064ull + (x >> 16 & 0xff000000ffull) * 0x271000000001ull) >> 32;
    return (int64_t)(uint32_t)x;
}

/* The same of n (1..4) digits, in half of one. Reads 4 bytes. */
__attribute__((no_sanitize("address")))
static inline int32_t ea_four_digits(const uint8_t *p, size_t n)
{
    uint32_t x = (ea_load32(p) ^ 0x30303030u) << (32 - 8 * n);
    if (EA_UNLIKELY(((x + 0x76767676u) | x) & 0x80808080u))
        return -1;
    x = x * 10 + (x >> 8);
    return (int32_t)((x & 0xff) * 100 + (x >> 16 & 0xff));
}

/* Do the 16 bytes at p, letters folded, have those of `low` wherever `others` has no bit? Reads 16. */
__attribute__((no_sanitize("address")))
static inline int ea_same_name(const uint8_t *p, const uint8_t *low, uint32_t others)
{
#ifdef __SSE2__
    __m128i v = _mm_or_si128(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8(0x20));
    return ((uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_load_si128((const __m128i *)low))) | others) == 0xffff;
#else
    for (int i = 0; i < 16; i++)
        if ((p[i] | 0x20) != low[i] && !(others >> i & 1))
            return 0;
    return 1;
#endif
}

/* How many digits stand among n bytes of printable ASCII; -1 when one is of another kind. Reads up to 15 bytes past n. */
__attribute__((no_sanitize("address")))
static inline int ea_count_digits(const uint8_t *p, uint32_t n)
{
    int digits = 0;
#ifdef __SSE2__
    for (uint32_t i = 0; i < n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + i));
        __m128i digit = _mm_cmpgt_epi8(_mm_add_epi8(v, _mm_set1_epi8(127 - '9')), _mm_set1_epi8(127 - 10));
        __m128i plain = _mm_cmpgt_epi8(_mm_add_epi8(v, _mm_set1_epi8(1)), _mm_set1_epi8(0x20));
        uint32_t kept = n - i < 16 ? (1u << (n - i)) - 1 : 0xffff;
        if (~(uint32_t)_mm_movemask_epi8(plain) & kept)
            return -1;
        for (kept &= (uint32_t)_mm_movemask_epi8(digit); kept; kept &= kept - 1)
            digits++;
    }
#else
    for (uint32_t i = 0; i < n; i++) {
        if (p[i] < 0x20 || p[i] > 0x7e)
            return -1;
        digits += p[i] >= '0' && p[i] <= '9';
    }
#endif
    return digits;
}

/* The first min(n, 8) bytes as a word, letters folded to lower case. Reads 8. */
__attribute__((no_sanitize("address")))
static inline uint64_t ea_fold8(const uint8_t *p, uint32_t n)
{
    uint64_t x;
    memcpy(&x, p, 8);
    x |= 0x2020202020202020ull;
    return n >= 8 ? x : x & ea_kept[n];
}

/* Equal, byte for byte. */
static inline int ea_same(const uint8_t *p, const uint8_t *q, uint32_t n)
{
    if (EA_LIKELY(n <= 8))
        return ea_load_part(p, n) == ea_load_part(q, n);
    return memcmp(p, q, n) == 0;
}

/* The same, where the texts are rarely of one kind but for all of their bytes; n is at least 16. */
__attribute__((no_sanitize("address")))
static inline int ea_same_blocks(const uint8_t *p, const uint8_t *q, size_t n)
{
#ifdef __SSE2__
    for (size_t i = 0;; i = i + 32 < n ? i + 16 : n - 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + i)), w = _mm_loadu_si128((const __m128i *)(q + i));
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(v, w)) != 0xffff)
            return 0;
        if (i + 16 == n)
            return 1;
    }
#else
    return memcmp(p, q, n) == 0;
#endif
}

/* Eight bytes with letters, and nothing else, folded to lower case. */
static inline uint64_t ea_lower8(uint64_t x)
{
    uint64_t seven = x & 0x7f7f7f7f7f7f7f7full;
    uint64_t from_a = seven + 0x3f3f3f3f3f3f3f3full, past_z = seven + 0x2525252525252525ull;
    return x | ((from_a ^ past_z) & ~x & 0x8080808080808080ull) >> 2;
}

/* Eight bytes are mostly written in lower case as well. */
static inline int ea_same_fold8(const uint8_t *p, const uint8_t *low)
{
    uint64_t x = ea_load64(p), y = ea_load64(low);
    return EA_LIKELY(x == y) || ea_lower8(x) == y;
}

/* Equal when letters are folded; `low` is written in lower case. */
static inline int ea_same_fold(const uint8_t *p, const char *low, uint32_t n)
{
    const uint8_t *q = (const uint8_t *)low;
    if (n >= 8) {
        for (uint32_t i = 0; i + 8 < n; i += 8)
            if (!ea_same_fold8(p + i, q + i))
                return 0;
        return ea_same_fold8(p + n - 8, q + n - 8);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint8_t c = p[i];
        if (c >= 'A' && c <= 'Z')
            c |= 0x20;
        if (c != q[i])
            return 0;
    }
    return 1;
}

/* Letters folded, eight bytes at a time: the hash of a host name, and its equality with one in lower case. */
static inline uint64_t ea_name_hash(const uint8_t *p, uint32_t n)
{
    uint64_t h = n * 0x9e3779b97f4a7c15ull;
    for (; n > 8; n -= 8, p += 8)
        h = (h ^ ea_fold8(p, 8)) * 0xd6e8feb86659fd93ull;
    h = (h ^ ea_fold8(p, n)) * 0xd6e8feb86659fd93ull;
    return h ^ h >> 32;
}

/* ---- written ---- */

static inline uint8_t *ea_put(uint8_t *to, const void *from, uint32_t n)
{
    if (n)
        memcpy(to, from, n);
    return to + n;
}

/* The same where both sides have 16 more bytes, which may be read and overwritten: short texts go in blocks. */
__attribute__((no_sanitize("address")))
static inline uint8_t *ea_copy(uint8_t *to, const uint8_t *from, uint32_t n)
{
    if (n > 128)
        return (uint8_t *)memcpy(to, from, n) + n;
    for (uint32_t i = 0; i < n; i += 16)
        memcpy(to + i, from + i, 16);
    return to + n;
}

static uint16_t ea_two_digits[100];
static uint32_t ea_byte_text[256];   /* a byte in decimal: three characters, and how many count */

/* Decimal; up to three bytes behind it are overwritten. */
static inline uint8_t *ea_put_uint(uint8_t *to, uint64_t value)
{
    if (value < 256) {
        memcpy(to, &ea_byte_text[value], 4);
        return to + to[3];
    }
    to = ea_put_uint(to, value / 100);
    memcpy(to, &ea_two_digits[value % 100], 2);
    return to + 2;
}

static inline uint8_t *ea_put_hex(uint8_t *to, uint64_t value, int digits)
{
    static const char hex[] = "0123456789abcdef";
    for (int i = digits - 1; i >= 0; i--)
        *to++ = (uint8_t)hex[value >> (4 * i) & 15];
    return to;
}

/* All 16 hex digits of a word. */
static inline uint8_t *ea_put_hex16(uint8_t *to, uint64_t value)
{
#ifdef __SSE2__
    const __m128i nibble = _mm_set1_epi8(15);
    __m128i v = _mm_cvtsi64_si128((long long)__builtin_bswap64(value));
    __m128i digits = _mm_unpacklo_epi8(_mm_and_si128(_mm_srli_epi16(v, 4), nibble), _mm_and_si128(v, nibble));
    __m128i letter = _mm_and_si128(_mm_cmpgt_epi8(digits, _mm_set1_epi8(9)), _mm_set1_epi8('a' - '0' - 10));
    _mm_storeu_si128((__m128i *)to, _mm_add_epi8(_mm_add_epi8(digits, _mm_set1_epi8('0')), letter));
    return to + 16;
#else
    return ea_put_hex(to, value, 16);
#endif
}

/* 1 and the value when all n digits are lower-case hex. */
static inline int ea_get_hex(const uint8_t *p, int digits, uint64_t *value)
{
    uint64_t x = 0;
    for (int i = 0; i < digits; i++) {
        uint8_t c = p[i];
        if (c >= '0' && c <= '9')
            x = x << 4 | (c - '0');
        else if (c >= 'a' && c <= 'f')
            x = x << 4 | (c - 'a' + 10);
        else
            return 0;
    }
    *value = x;
    return 1;
}

static const char ea_b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void ea_text_init(void)
{
    for (int i = 0; i < 256; i++) {
        uint8_t digits[3] = {(uint8_t)('0' + i / 100), (uint8_t)('0' + i / 10 % 10), (uint8_t)('0' + i % 10)};
        uint8_t n = i < 10 ? 1 : i < 100 ? 2 : 3, text[4] = {0, 0, 0, n};
        memcpy(text, digits + 3 - n, n);
        memcpy(&ea_byte_text[i], text, 4);
        if (i < 100)
            memcpy(&ea_two_digits[i], digits + 1, 2);
    }
}

#ifdef __SSE2__
/* 24 bytes to 32 characters, 12 in each half of a vector: four times six bits out of three bytes, and to each the
 * distance of its character. */
__attribute__((target("avx2")))
static void ea_put_b64_avx2(uint8_t *to, const uint8_t *p, uint32_t n)
{
    const __m256i spread = _mm256_broadcastsi128_si256(_mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10));
    const __m256i distance = _mm256_broadcastsi128_si256(
        _mm_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                      '0' - 52, '-' - 62, '_' - 63, 'A', 0, 0));
    for (uint32_t i = 0; i < n; i += 24, to += 32) {
        __m256i v = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(p + i))),
                                            _mm_loadu_si128((const __m128i *)(p + i + 12)), 1);
        v = _mm256_shuffle_epi8(v, spread);
        __m256i odd = _mm256_mullo_epi16(_mm256_and_si256(v, _mm256_set1_epi32(0x003f03f0)), _mm256_set1_epi32(0x01000010));
        v = _mm256_mulhi_epu16(_mm256_and_si256(v, _mm256_set1_epi32(0x0fc0fc00)), _mm256_set1_epi32(0x04000040));
        v = _mm256_or_si256(v, odd);
        /* 13: a capital letter; 0: a small one; 1 to 12: a digit, '-' or '_'. */
        __m256i kind = _mm256_and_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(26), v), _mm256_set1_epi8(13));
        kind = _mm256_or_si256(kind, _mm256_subs_epu8(v, _mm256_set1_epi8(51)));
        _mm256_storeu_si256((__m256i *)to, _mm256_add_epi8(v, _mm256_shuffle_epi8(distance, kind)));
    }
}
#endif

/* base64url without padding (RFC 4648 §5); n bytes give (4n+2)/3 characters. `p` has EA_B64_ROOM(n) bytes, those behind
 * n zero, and `to` has twice that. */
#define EA_B64_ROOM(n) (((n) + 23) / 24 * 24 + 4)

static inline uint8_t *ea_put_b64(uint8_t *to, const uint8_t *p, uint32_t n)
{
#ifdef __SSE2__
    if (EA_LIKELY(ea_avx2))
        ea_put_b64_avx2(to, p, n);
    else
#endif
        for (uint32_t i = 0, k = 0; i < n; i += 3)
            for (int shift = 18; shift >= 0; shift -= 6)
                to[k++] = (uint8_t)ea_b64[((uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2]) >> shift & 63];
    return to + (4 * n + 2) / 3;
}

/* Bytes written, or -1 for another character, a wrong length or stray bits. */
static inline int ea_get_b64(uint8_t *to, uint32_t room, const uint8_t *p, uint32_t n)
{
    uint32_t bits = 0, have = 0, out = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t c = p[i];
        uint32_t v;
        if (c >= 'A' && c <= 'Z') v = c - 'A';
        else if (c >= 'a' && c <= 'z') v = c - 'a' + 26;
        else if (c >= '0' && c <= '9') v = c - '0' + 52;
        else if (c == '-') v = 62;
        else if (c == '_') v = 63;
        else return -1;
        bits = bits << 6 | v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            if (out == room)
                return -1;
            to[out++] = (uint8_t)(bits >> have);
        }
    }
    return have < 6 && !(bits & ((1u << have) - 1)) ? (int)out : -1;
}

#endif
