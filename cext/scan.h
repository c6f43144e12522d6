/* scan.h: byte classes, and the scan of a datagram: where control bytes and stops stand, found with SSE2 or AVX2.
 *
 * It knows nothing of SIP beyond the character classes of RFC 3261 §25.1, keeps no state
 * but the class table and what the processor has, and never allocates. Part of hot.h.
 */
#ifndef EDGE_SCAN_H
#define EDGE_SCAN_H

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

#endif
