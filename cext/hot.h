/* hot.h: what Cython can't say well: byte classes, the SSE2 line scan, atomics,
 * base64url, and the two socket calls with their control messages.
 *
 * It knows nothing of SIP beyond the character classes of RFC 3261 §25.1, keeps
 * no state but the class table, and never allocates.
 */
#ifndef EDGE_HOT_H
#define EDGE_HOT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif
#include "hash.h"

#define EA_LIKELY(x) __builtin_expect(!!(x), 1)
#define EA_UNLIKELY(x) __builtin_expect(!!(x), 0)
/* A function that does nothing but fetch ahead is one without an effect to GCC, which leaves its calls out: so it has one. */
#define EA_PREFETCH(p) ({ __builtin_prefetch((p), 1, 3); __asm__ volatile(""); })
#define EA_COLD __attribute__((cold, noinline, unused))

/* The first of its kind stays. Kept out of the path that never takes it. */
EA_COLD static void ea_first(uint16_t *kept, int value)
{
    if (*kept == 0)
        *kept = (uint16_t)value;
}

/* ---- character classes (RFC 3261 §25.1) ---- */

enum {
    CLS_TOKEN = 1,  /* token */
    CLS_USER = 2,   /* user and password, '%' left out */
    CLS_HOST = 4,   /* letters, digits, '-', '.', '_' (names in the field carry it) */
    CLS_PARAM = 8,  /* paramchar and hnv-char, '%' left out */
    CLS_DIGIT = 16,
    CLS_HEX = 32,
    CLS_LWS = 64,   /* SP, TAB, and the CR LF of a fold */
    CLS_WORD = 128, /* word, as in Call-ID */
    CLS_VALUE = 256, /* token and the characters of host: an unquoted parameter value */
};

static uint16_t ea_class[256];

static void ea_class_add(const char *chars, int bits)
{
    for (; *chars; chars++)
        ea_class[(uint8_t)*chars] |= bits;
}

static void ea_class_init(void)
{
    memset(ea_class, 0, sizeof ea_class);
    for (int c = '0'; c <= '9'; c++)
        ea_class[c] |= CLS_TOKEN | CLS_USER | CLS_HOST | CLS_PARAM | CLS_DIGIT | CLS_HEX | CLS_WORD | CLS_VALUE;
    for (int c = 'a'; c <= 'z'; c++) {
        int bits = CLS_TOKEN | CLS_USER | CLS_HOST | CLS_PARAM | CLS_WORD | CLS_VALUE | (c <= 'f' ? CLS_HEX : 0);
        ea_class[c] |= bits;
        ea_class[c - 32] |= bits;
    }
    ea_class_add("-.!%*_+`'~", CLS_TOKEN | CLS_VALUE);
    ea_class_add("[]:", CLS_VALUE);
    /* '#' ends dial strings in the field (911#) and stands in RFC 3966's local numbers. */
    ea_class_add("-_.!~*'()&=+$,;?/:#", CLS_USER);
    ea_class_add("-._", CLS_HOST);
    ea_class_add("-_.!~*'()[]/:&+$", CLS_PARAM);
    ea_class_add("-.!%*_+`'~()<>:\\\"/[]?{}", CLS_WORD);
    ea_class_add(" \t\r\n", CLS_LWS);
}

#define EA_IS(c, bits) (ea_class[(uint8_t)(c)] & (bits))

/* ---- the scan: 64 bytes at a time, each block once ----
 *
 * Every run of the grammar (a name, a host, a parameter) is mostly letters,
 * digits, '-' and '.'. A byte that is none of these is a stop. The stops of a
 * block are kept as bits, so that finding the end of a run is a shift and a count,
 * with no loop over its bytes. Control bytes are stops, hence so is the end of
 * every line, and no search passes it.
 */

enum {
    EA_SCAN_WORDS = 65536 / 64 + 2,
    EA_SCAN_STRIDE = 6 * 64, /* scanned at once: a longer one reads more of the body, which nobody asks for */
};

typedef struct {
    const uint8_t *p;
    size_t n;
    size_t end;                   /* scanned so far: whole blocks; a word of 0 stands there in both */
    uint64_t odd[EA_SCAN_WORDS];  /* control bytes, and with them TAB and bytes above 0x7f; valid up to `end` */
    uint64_t stop[EA_SCAN_WORDS]; /* valid up to `end` */
} EaScan;

/* The place of the lowest bit of a word that has one. */
static inline size_t ea_low_bit(uint64_t word)
{
#ifdef __x86_64__
    uint64_t at; /* __builtin_ctzll is an int, which the compiler extends by an instruction more */
    __asm__("rep bsfq %1, %0" : "=r"(at) : "r"(word) : "cc");
    return at;
#else
    return (size_t)__builtin_ctzll(word);
#endif
}

/* The bits of a word from bit i mod 64 on. Written for the compiler, which else makes the remainder by itself. */
static inline uint64_t ea_from(uint64_t word, size_t i)
{
#ifdef __x86_64__
    __asm__("shrq %%cl, %0" : "+r"(word) : "c"(i) : "cc");
    return word;
#else
    return word >> (i & 63);
#endif
}

/* The stops among 64 bytes, and the odd ones: by the class table, and the same by
 * vectors of 16 bytes (SSE2, which every x86-64 has) and of 32 (AVX2). */
static inline uint64_t ea_scan_block_table(const uint8_t *p, uint64_t *odd)
{
    uint64_t plain = 0, even = 0;
    for (int k = 0; k < 64; k++) {
        plain |= (uint64_t)(EA_IS(p[k], CLS_HOST) && p[k] != '_') << k;
        even |= (uint64_t)(p[k] >= 0x20 && p[k] < 0x7f) << k;
    }
    *odd = ~even;
    return ~plain;
}

#ifdef __SSE2__
static int ea_avx2; /* the processor has it */

/* Both ranges end at 127 after an addition, so that one signed comparison bounds each. */
__attribute__((no_sanitize("address")))
static inline uint64_t ea_scan_block_sse2(const uint8_t *p, uint64_t *odd)
{
    uint64_t plain = 0, even = 0;
    for (int k = 0; k < 64; k += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + k));
        __m128i letter = _mm_add_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8(127 - 'z'));
        __m128i number = _mm_add_epi8(v, _mm_set1_epi8(127 - '9'));
        letter = _mm_cmpgt_epi8(letter, _mm_set1_epi8(127 - 26));
        number = _mm_cmpgt_epi8(number, _mm_set1_epi8(127 - '9' + '-' - 1));
        number = _mm_andnot_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('/')), number);
        plain |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_or_si128(letter, number)) << k;
        v = _mm_add_epi8(v, _mm_set1_epi8(1)); /* DEL becomes the lowest of all */
        even |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(v, _mm_set1_epi8(0x20))) << k;
    }
    *odd = ~even;
    return ~plain;
}

/* The high half of a byte says which of five rows it is in, the low half in which of these rows it is what. Of a plain
 * byte the two have a bit of 4 or more in common, of another printable one only a lower bit, of an odd one none. A byte
 * above 0x7f has no low half here, and DEL is the one of its row that isn't printable. */
typedef struct {
    __m256i low, high, half, four;
} EaScanTables;

__attribute__((target("avx2")))
static inline EaScanTables ea_scan_tables(void)
{
#define EA_TWICE(...) {__VA_ARGS__, __VA_ARGS__}
    static const uint8_t __attribute__((aligned(32))) text[4][32] = {
        EA_TWICE(43, 59, 59, 59, 59, 59, 59, 59, 59, 59, 51, 19, 19, 23, 23, 17),
        EA_TWICE(0, 0, 5, 9, 17, 33, 17, 34, 0, 0, 0, 0, 0, 0, 0, 0),
        EA_TWICE(15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15),
        EA_TWICE(4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4),
    };
    const __m256i *t = (const __m256i *)text;
    EaScanTables tables = {t[0], t[1], t[2], t[3]};
    /* What the compiler knows, it makes anew for every block, and compares with in two steps. */
    __asm__("" : "+x"(tables.low), "+x"(tables.high), "+x"(tables.half), "+x"(tables.four));
    return tables;
}

__attribute__((target("avx2"), no_sanitize("address")))
static inline uint64_t ea_scan_block_tables(const uint8_t *p, uint64_t *odd, const EaScanTables *t)
{
    uint64_t stop = 0, strange = 0;
    for (int k = 0; k < 64; k += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(p + k));
        __m256i row = _mm256_shuffle_epi8(t->high, _mm256_and_si256(_mm256_srli_epi16(v, 4), t->half));
        __m256i kind = _mm256_and_si256(_mm256_shuffle_epi8(t->low, v), row);
        stop |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(t->four, kind)) << k;
        strange |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(kind, _mm256_setzero_si256())) << k;
    }
    *odd = strange;
    return stop;
}

__attribute__((target("avx2")))
static inline uint64_t ea_scan_block_avx2(const uint8_t *p, uint64_t *odd)
{
    const EaScanTables tables = ea_scan_tables();
    return ea_scan_block_tables(p, odd, &tables);
}
#endif

static inline uint64_t ea_scan_block(const uint8_t *p, uint64_t *odd)
{
#ifdef __SSE2__
    return ea_scan_block_sse2(p, odd);
#else
    return ea_scan_block_table(p, odd);
#endif
}

/* Slots are padded, so the last block may reach behind n. */
static inline void ea_scan_start(EaScan *s, const uint8_t *p, size_t n)
{
    s->p = p;
    s->n = n;
    s->end = 0;
    s->odd[0] = s->stop[0] = 0;
}

/* How many blocks come next; from here on they count as scanned. */
static inline size_t ea_scan_next(EaScan *s)
{
    size_t left = s->n - s->end, blocks = (left < EA_SCAN_STRIDE ? left + 63 : EA_SCAN_STRIDE) / 64;
    s->end += 64 * blocks;
    s->odd[s->end / 64] = s->stop[s->end / 64] = 0;
    return blocks;
}

/* The next blocks, where there are any. */
static inline void ea_scan_on_any(EaScan *s)
{
    size_t at = s->end / 64, blocks = ea_scan_next(s);
    for (size_t k = at; k < at + blocks; k++)
        s->stop[k] = ea_scan_block(s->p + 64 * k, &s->odd[k]);
}

/* The first odd byte from i on, or one behind n when there is none. i is at most one byte behind what was scanned. */
#define EA_SCAN_MORE(on)                           \
    do {                                           \
        if (i >= s->n)                             \
            return s->n;                           \
        if (i >= s->end)                           \
            on(s);                                 \
        uint64_t odd = ea_from(s->odd[i / 64], i); \
        if (odd)                                   \
            return i + ea_low_bit(odd);            \
        i = (i | 63) + 1;                          \
    } while (1)

static size_t ea_scan_more_any(EaScan *s, size_t i) { EA_SCAN_MORE(ea_scan_on_any); }

static size_t (*ea_scan_more)(EaScan *s, size_t i) = ea_scan_more_any;

#ifdef __SSE2__
__attribute__((target("avx2")))
static inline void ea_scan_on_avx2(EaScan *s)
{
    const EaScanTables tables = ea_scan_tables();
    const uint8_t *p = s->p + s->end;
    uint64_t *stop = s->stop + s->end / 64, *odd = s->odd + s->end / 64;
    size_t blocks = ea_scan_next(s);
    for (size_t k = 0; k < blocks; k++)
        stop[k] = ea_scan_block_tables(p + 64 * k, &odd[k], &tables);
}

__attribute__((target("avx2")))
static size_t ea_scan_more_avx2(EaScan *s, size_t i) { EA_SCAN_MORE(ea_scan_on_avx2); }
#endif

static void ea_scan_init(void)
{
#ifdef __SSE2__
    ea_avx2 = __builtin_cpu_supports("avx2");
    if (ea_avx2)
        ea_scan_more = ea_scan_more_avx2;
#endif
}

/* The same, when the rest of the word of i is known to have none. */
static inline size_t ea_scan_behind(EaScan *s, size_t i)
{
    size_t next = i;
    uint64_t odd;
    do {
        next = (next | 63) + 1;
        if (EA_UNLIKELY(next >= s->end))
            return ea_scan_more(s, i < s->end ? next : i);
        odd = s->odd[next / 64];
    } while (!odd);
    return next + ea_low_bit(odd);
}

static inline size_t ea_scan_odd(EaScan *s, size_t i)
{
    uint64_t odd = ea_from(s->odd[i / 64], i);
    return odd ? i + ea_low_bit(odd) : ea_scan_behind(s, i);
}

/* The same, of control bytes other than TAB. */
static inline size_t ea_scan_control(EaScan *s, size_t i)
{
    while ((i = ea_scan_odd(s, i)) < s->n && (s->p[i] == '\t' || s->p[i] >= 0x80))
        i++;
    return i;
}

/* The first stop behind the word of i. There is one: i lies in a line whose end has been scanned. */
static inline size_t ea_stop_behind(const uint64_t *stop, size_t i)
{
    do
        i = (i | 63) + 1;
    while (!stop[i / 64]);
    return i + ea_low_bit(stop[i / 64]);
}

/* The first stop from i on, which lies in such a line. */
static inline size_t ea_stop(const uint64_t *stop, size_t i)
{
    uint64_t word = ea_from(stop[i / 64], i);
    return EA_LIKELY(word) ? i + ea_low_bit(word) : ea_stop_behind(stop, i);
}

/* The same where i lies in a line that ends at `end`, or where nothing ended it. */
static __attribute__((noinline)) size_t ea_stop_before(EaScan *s, size_t i, size_t end)
{
    return end < s->n ? ea_stop(s->stop, i) : end;
}

/* The first odd byte from i on, as ea_scan_odd gives it, and the first stop, where there is one as early as that. */
static inline size_t ea_scan_line(EaScan *s, size_t i, size_t *stop)
{
    uint64_t odd = ea_from(s->odd[i / 64], i), word = ea_from(s->stop[i / 64], i);
    size_t end = odd ? i + ea_low_bit(odd) : ea_scan_behind(s, i);
    *stop = EA_LIKELY(word) ? i + ea_low_bit(word) : ea_stop_before(s, i, end);
    return end;
}

/* The same of several stops in a row, each looked for behind the one before, which isn't the end of its line. */
typedef struct {
    const uint64_t *word;
    uint64_t left; /* of *word: the stop that was found, and those behind it */
    size_t block;  /* where *word begins */
} EaStops;

static inline size_t ea_stops_found(EaStops *s)
{
    while (EA_UNLIKELY(!s->left)) {
        s->left = *++s->word;
        s->block += 64;
    }
    return s->block + ea_low_bit(s->left);
}

static inline size_t ea_stops_first(EaStops *s, const uint64_t *stop, size_t i)
{
    s->word = stop + i / 64;
    s->left = ea_from(*s->word, i) << (i & 63);
    s->block = i & ~(size_t)63;
    return ea_stops_found(s);
}

static inline size_t ea_stops_next(EaStops *s)
{
    s->left &= s->left - 1;
    return ea_stops_found(s);
}

/* Behind the characters of a class that holds all plain ones (token, host, value,
 * word, param). n itself is a stop, or the end of what was scanned. */
static inline size_t ea_scan_run(const uint8_t *p, const uint64_t *stop, size_t i, size_t n, int bits)
{
    while ((i = ea_stop(stop, i)) < n && EA_IS(p[i], bits))
        i++;
    return i;
}

/* Offset of the first `c` in p[i..n), or n. Reads up to 15 bytes past n. */
__attribute__((no_sanitize("address")))
static inline uint32_t ea_find(const uint8_t *p, uint32_t i, uint32_t n, uint8_t c)
{
#ifdef __SSE2__
    const __m128i wanted = _mm_set1_epi8((char)c);
    for (; i < n; i += 16) {
        uint32_t mask = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(p + i)), wanted));
        if (mask) {
            i += (uint32_t)__builtin_ctz(mask);
            return i < n ? i : n;
        }
    }
    return n;
#else
    while (i < n && p[i] != c)
        i++;
    return i;
#endif
}

/* Behind the characters of a class, where nothing has been scanned. */
static inline uint32_t ea_run(const uint8_t *p, uint32_t i, uint32_t n, int bits)
{
    while (i < n && EA_IS(p[i], bits))
        i++;
    return i;
}

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

/* Sets a bit (0..63), and tells whether it was set already. */
static inline int ea_set_bit(uint64_t *word, int bit)
{
    int was;
#ifdef __x86_64__
    __asm__("btsq %q2, %0" : "+r"(*word), "=@ccc"(was) : "r"(bit));
#else
    was = (int)(*word >> bit & 1);
    *word |= 1ull << bit;
#endif
    return was;
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

/* memset to 0 by plain stores: what the compiler makes of a memset of this size takes longer to start than to run. */
static inline void ea_clear(void *start, size_t n)
{
    uint8_t *p = (uint8_t *)start, *end = p + (n & ~(size_t)63);
    for (; p < end; p += 64) {
        memset(p, 0, 64);
        __asm__ volatile("" : : "r"(p) : "memory"); /* else the loop becomes that memset */
    }
    memset(end, 0, n & 63);
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

/* Is one of `count` words (a multiple of four) no more than `reach` from `value`, and not 0? Four at a time. */
static inline int ea_near(const uint32_t *word, uint32_t count, uint32_t value, uint32_t reach)
{
    uint32_t hit = 0;
    for (uint32_t i = 0; i < count; i++)
        hit |= (word[i] - value + reach <= 2 * reach) & (word[i] != 0);
    return (int)hit;
}

/* ---- atomics ---- */

static inline uint64_t ea_get(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static inline uint64_t ea_get_relaxed(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
/* Where `wanted` stands among `count` words that lie `step` words apart, from the given one on; `count`: nowhere. Others
 * may write there meanwhile, so whoever finds one looks again; a word is never seen in part. What is read after this was
 * written before the word that was found. */
static inline int ea_find_word(const uint64_t *p, int from, int count, int step, uint64_t wanted)
{
    int i;
#pragma GCC unroll 8
    for (i = from; i < count; i++)
        if (p[i * step] == wanted)
            break;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return i;
}
static inline void ea_set(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
static inline void ea_set_relaxed(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }
static inline int ea_swap(uint64_t *p, uint64_t old, uint64_t new_)
{
    return __atomic_compare_exchange_n(p, &old, new_, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
static inline void *ea_get_ptr(void *const *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static inline void ea_set_ptr(void **p, void *v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }
static inline void ea_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
/* Counters have one writer each; readers only need to see whole words. */
static inline void ea_count(uint64_t *p, uint64_t by) { __atomic_store_n(p, *p + by, __ATOMIC_RELAXED); }

/* ---- text ---- */

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

/* ---- sockets ---- */

/* An address as the engine keeps it: IPv4 mapped into IPv6 (RFC 4291 §2.5.5.2). */
typedef struct {
    uint64_t hi, lo; /* network order bytes, as they lie in memory */
    uint16_t port;   /* host order */
    uint16_t v4;
    uint32_t pad;
} EaAddr;

#define EA_MAPPED_LO_PREFIX 0xffff0000ull /* bytes 8..11 of ::ffff:0:0/96, little endian */

static inline void ea_addr_v4(EaAddr *a, uint32_t network_order, uint16_t port)
{
    a->hi = 0;
    a->lo = EA_MAPPED_LO_PREFIX | (uint64_t)network_order << 32;
    a->port = port;
    a->v4 = 1;
    a->pad = 0;
}

static inline void ea_addr_v6(EaAddr *a, const uint8_t *bytes, uint16_t port)
{
    memcpy(&a->hi, bytes, 8);
    memcpy(&a->lo, bytes + 8, 8);
    a->port = port;
    a->v4 = a->hi == 0 && (uint32_t)a->lo == EA_MAPPED_LO_PREFIX;
    a->pad = 0;
}

static inline int ea_addr_same_host(const EaAddr *a, const EaAddr *b)
{
    return a->hi == b->hi && a->lo == b->lo;
}

static inline void ea_from_sockaddr(EaAddr *a, const struct sockaddr_storage *s)
{
    if (s->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)s;
        ea_addr_v4(a, v4->sin_addr.s_addr, ntohs(v4->sin_port));
    } else {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)s;
        ea_addr_v6(a, v6->sin6_addr.s6_addr, ntohs(v6->sin6_port));
    }
}

static inline socklen_t ea_to_sockaddr(const EaAddr *a, int v6_socket, struct sockaddr_storage *s)
{
    if (a->v4 && !v6_socket) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)s;
        memset(v4, 0, sizeof *v4);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(a->port);
        v4->sin_addr.s_addr = (uint32_t)(a->lo >> 32);
        return sizeof *v4;
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)s;
    memset(v6, 0, sizeof *v6);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(a->port);
    memcpy(v6->sin6_addr.s6_addr, &a->hi, 8);
    memcpy(v6->sin6_addr.s6_addr + 8, &a->lo, 8);
    return sizeof *v6;
}

/* "a.b.c.d" in dotted decimal without leading zeros; 1 when it is one. */
static inline int ea_parse_v4(const uint8_t *p, uint32_t n, uint32_t *network_order)
{
    uint8_t bytes[4];
    uint32_t at = 0;
    for (int part = 0; part < 4; part++) {
        uint32_t value = 0, digits = 0;
        while (at < n && p[at] >= '0' && p[at] <= '9' && digits < 4) {
            value = value * 10 + (p[at++] - '0');
            digits++;
        }
        if (!digits || digits > 3 || value > 255 || (digits > 1 && p[at - digits] == '0'))
            return 0;
        bytes[part] = (uint8_t)value;
        if (part < 3 && (at >= n || p[at++] != '.'))
            return 0;
    }
    if (at != n)
        return 0;
    memcpy(network_order, bytes, 4);
    return 1;
}

/* Text of an IPv6 address without brackets; ":::" is read as "::" (RFC 5118 §4.10). */
static inline int ea_parse_v6(const uint8_t *p, uint32_t n, uint8_t *bytes)
{
    char text[64];
    uint32_t out = 0;
    if (n < 2 || n > 45)
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        if (i >= 2 && p[i] == ':' && p[i - 1] == ':' && p[i - 2] == ':') {
            if (i >= 3 && p[i - 3] == ':')
                return 0;
            continue;
        }
        text[out++] = (char)p[i];
    }
    text[out] = 0;
    return inet_pton(AF_INET6, text, bytes) == 1;
}

static inline uint8_t *ea_put_host(uint8_t *to, const EaAddr *a)
{
    if (a->v4) {
        const uint8_t *b = (const uint8_t *)&a->lo + 4;
        for (int i = 0; i < 4; i++) {
            memcpy(to, &ea_byte_text[b[i]], 4);
            to += to[3];
            *to++ = '.';
        }
        return to - 1;
    }
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    memcpy(bytes, &a->hi, 8);
    memcpy(bytes + 8, &a->lo, 8);
    inet_ntop(AF_INET6, bytes, text, sizeof text);
    return ea_put(to, text, (uint32_t)strlen(text));
}

static inline uint64_t ea_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* Asks the kernel to cut the message into datagrams of `length` (udp(7), UDP_SEGMENT). `control` has CMSG_SPACE(2). */
/* One more item of control data for the kernel. */
static inline void ea_control(struct msghdr *m, uint8_t *control, int level, int type, const void *data, size_t n)
{
    struct cmsghdr *c = (struct cmsghdr *)(control + m->msg_controllen);
    c->cmsg_len = CMSG_LEN(n);
    c->cmsg_level = level;
    c->cmsg_type = type;
    memcpy(CMSG_DATA(c), data, n);
    m->msg_control = control;
    m->msg_controllen += CMSG_SPACE(n);
}

static inline void ea_segment(struct msghdr *m, uint8_t *control, uint16_t length)
{
    ea_control(m, control, SOL_UDP, UDP_SEGMENT, &length, sizeof length);
}

/* The message leaves from that address of ours (ip(7) IP_PKTINFO, RFC 3542 §6.2). */
static inline void ea_pin(struct msghdr *m, uint8_t *control, const EaAddr *a)
{
    if (a->v4) {
        struct in_pktinfo info = {.ipi_spec_dst.s_addr = (uint32_t)(a->lo >> 32)};
        ea_control(m, control, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else {
        struct in6_pktinfo info = {0};
        memcpy(info.ipi6_addr.s6_addr, &a->hi, 8);
        memcpy(info.ipi6_addr.s6_addr + 8, &a->lo, 8);
        ea_control(m, control, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

/* Which address of ours a message was sent to; zero when the kernel doesn't say, or when it is nobody's own. */
static inline void ea_local(EaAddr *a, struct msghdr *m)
{
    struct in_pktinfo v4;
    struct in6_pktinfo v6;
    memset(a, 0, sizeof *a);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            memcpy(&v4, CMSG_DATA(c), sizeof v4);
            if (v4.ipi_spec_dst.s_addr)
                ea_addr_v4(a, v4.ipi_spec_dst.s_addr, 0);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            memcpy(&v6, CMSG_DATA(c), sizeof v6);
            if (v6.ipi6_addr.s6_addr[0] != 0xff)
                ea_addr_v6(a, v6.ipi6_addr.s6_addr, 0);
        }
    }
}

/* How many hops a message had left (TTL or hop limit), 0 when the kernel doesn't say. */
static inline uint32_t ea_distance(struct msghdr *m)
{
    int hops = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL)
            || (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT))
            memcpy(&hops, CMSG_DATA(c), sizeof hops);
    return hops > 0 && hops < 256 ? (uint32_t)hops : 0;
}

/* How full a socket's receive buffer is, in parts of 256. The kernel gives freed room back late, so up to a quarter may be
   empty already. */
static inline uint32_t ea_queue_fill(int fd)
{
    uint32_t info[SK_MEMINFO_VARS];
    socklen_t n = sizeof info;
    uint64_t fill;
    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &n) || n <= SK_MEMINFO_RCVBUF * sizeof info[0]
        || !info[SK_MEMINFO_RCVBUF])
        return 0;
    fill = (uint64_t)info[SK_MEMINFO_RMEM_ALLOC] * 256 / info[SK_MEMINFO_RCVBUF];
    return fill < 256 ? (uint32_t)fill : 256;
}

static inline void ea_pause(long ns)
{
    struct timespec t = {0, ns};
    nanosleep(&t, 0);
}

/* The kernel rounds a thread's sleeps up by its slack, 50 us unless told otherwise. */
static inline void ea_exact_sleeps(void) { prctl(PR_SET_TIMERSLACK, 1000); }

/* Room for zeroed memory, of which ea_table_touch faults in what is used. */
static inline void *ea_table_reserve(size_t bytes)
{
    void *p = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? 0 : p;
}

/* Faults in what isn't there yet, and changes nothing: others may write there meanwhile. A kernel before 5.14 leaves it
 * to the first use. False there. */
static inline int ea_table_touch(void *start, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
    uint8_t *page = (uint8_t *)((uintptr_t)start & ~(uintptr_t)4095);
    return madvise(page, (size_t)((uint8_t *)start + bytes - page), MADV_POPULATE_WRITE) == 0;
#else
    (void)start, (void)bytes;
    return 0;
#endif
}

/* Zeroed memory, faulted in now so that a flood can't grow the process later. */
static inline void *ea_table_alloc(size_t bytes)
{
    void *p = ea_table_reserve(bytes);
#ifdef MADV_HUGEPAGE
    if (p)
        madvise(p, bytes, MADV_HUGEPAGE);
#endif
    if (p && !ea_table_touch(p, bytes))
        for (size_t i = 0; i < bytes; i += 4096)
            ((volatile uint8_t *)p)[i] = 0;
    return p;
}

/* calloc, but every page is there from the start. */
static inline void *ea_calloc_now(uint32_t count, size_t size)
{
    void *p = calloc(count, size);
    volatile uint8_t *touch = p;
    for (size_t i = 0; p && i < count * size; i += 4096)
        touch[i] = 0;
    if (p)
        touch[count * size - 1] = 0; /* it needn't begin where a page does */
    return p;
}

#endif
