/* hash.h: keyed hashes over words and slices: SipHash, and the sums that it is put over.
 *
 * It knows nothing of SIP, keeps no state and never allocates. A slice may be read
 * up to eight bytes behind its end; what stands there has no say.
 */
#ifndef EDGE_HASH_H
#define EDGE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t ea_load64(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
    return x;
}

static inline uint32_t ea_load32(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, 4);
    return x;
}

static inline uint16_t ea_load16(const uint8_t *p)
{
    uint16_t x;
    memcpy(&x, p, 2);
    return x;
}

/* What stays of a word that holds n bytes. */
static const uint64_t ea_kept[9] = {
    0, 0xff, 0xffff, 0xffffff, 0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff, ~0ull,
};

/* The first n (0..8) bytes, the rest of the word 0. Reads 8. */
__attribute__((no_sanitize("address")))
static inline uint64_t ea_load_part(const uint8_t *p, uint32_t n)
{
    return ea_load64(p) & ea_kept[n];
}

/* ---- SipHash (Aumasson, Bernstein 2012) over words ----
 *
 * Input is a sequence of 64-bit words; a slice is its length in one word, then
 * words, the last one filled up with zeros. Lengths come first, so two different
 * sequences of slices never give the same words. ea_mac_* is SipHash-2-4 and makes
 * what leaves the process; ea_key_* is SipHash-1-3 for keys of tables and digests
 * that never do.
 */

typedef struct {
    uint64_t v0, v1, v2, v3, words;
} EaSip;

#define EA_ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define EA_SIPROUND(s)                                                                         \
    do {                                                                                       \
        (s)->v0 += (s)->v1; (s)->v1 = EA_ROTL((s)->v1, 13); (s)->v1 ^= (s)->v0;                \
        (s)->v0 = EA_ROTL((s)->v0, 32);                                                        \
        (s)->v2 += (s)->v3; (s)->v3 = EA_ROTL((s)->v3, 16); (s)->v3 ^= (s)->v2;                \
        (s)->v0 += (s)->v3; (s)->v3 = EA_ROTL((s)->v3, 21); (s)->v3 ^= (s)->v0;                \
        (s)->v2 += (s)->v1; (s)->v1 = EA_ROTL((s)->v1, 17); (s)->v1 ^= (s)->v2;                \
        (s)->v2 = EA_ROTL((s)->v2, 32);                                                        \
    } while (0)

static inline void ea_sip_init(EaSip *s, const uint8_t *key)
{
    uint64_t k0 = ea_load64(key), k1 = ea_load64(key + 8);
    s->v0 = k0 ^ 0x736f6d6570736575ull;
    s->v1 = k1 ^ 0x646f72616e646f6dull ^ 0xee; /* the variant of 128 bits */
    s->v2 = k0 ^ 0x6c7967656e657261ull;
    s->v3 = k1 ^ 0x7465646279746573ull;
    s->words = 0;
}

#define EA_SIP_FAMILY(prefix, ROUNDS)                                                          \
    static inline void prefix##_word(EaSip *s, uint64_t m)                                     \
    {                                                                                          \
        s->v3 ^= m;                                                                            \
        for (int i = 0; i < ROUNDS; i++)                                                       \
            EA_SIPROUND(s);                                                                    \
        s->v0 ^= m;                                                                            \
        s->words++;                                                                            \
    }                                                                                          \
    /* A slice without its length, which the caller gives in a word before. */                 \
    static inline void prefix##_text(EaSip *s, const uint8_t *p, uint32_t n)                   \
    {                                                                                          \
        for (; n > 8; n -= 8, p += 8)                                                          \
            prefix##_word(s, ea_load64(p));                                                    \
        prefix##_word(s, ea_load_part(p, n));                                                  \
    }                                                                                          \
    static inline void prefix##_slice(EaSip *s, const uint8_t *p, uint32_t n)                  \
    {                                                                                          \
        prefix##_word(s, n);                                                                   \
        prefix##_text(s, p, n);                                                                \
    }                                                                                          \
    /* Ends the sequence; the second half is made only when `high` is given. */                \
    static inline uint64_t prefix##_end(EaSip *s, uint64_t *high)                              \
    {                                                                                          \
        uint64_t low;                                                                          \
        prefix##_word(s, s->words << 59);                                                      \
        s->v2 ^= 0xee;                                                                         \
        for (int i = 0; i < ROUNDS + 2; i++)                                                   \
            EA_SIPROUND(s);                                                                    \
        low = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;                                                   \
        if (high) {                                                                            \
            s->v1 ^= 0xdd;                                                                     \
            for (int i = 0; i < ROUNDS + 2; i++)                                               \
                EA_SIPROUND(s);                                                                \
            *high = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;                                             \
        }                                                                                      \
        return low;                                                                            \
    }

EA_SIP_FAMILY(ea_mac, 2)
EA_SIP_FAMILY(ea_key, 1)

/* ---- sums: NH (Black, Halevi, Krawczyk, Krovetz, Rogaway 1999; in UMAC, RFC 4418) ----
 *
 * Each word of the input is added to a word of a secret key, the two of a pair are
 * multiplied, the products are summed up to 128 bits. Whoever neither knows the key
 * nor sees a sum finds two inputs of one sum with a chance of 2^-63 a try, however
 * they are chosen: no better than guessing a hash of 64 bits. So a sum is never
 * shown and never compared: SipHash is put over it, and what comes out is as good
 * as SipHash over the whole input, at a third of the work.
 *
 * A slice is its length and tag in one word, then words, the last one filled up
 * with zeros, and one more word of zeros where they don't come out in pairs.
 */

enum {
    /* A whole datagram, and three words more for each of its rows. */
    EA_SUM_PAIRS = (65536 + 256 * 24) / 16
};

typedef struct {
    uint64_t word[2];
} EaSumKey;

typedef struct {
    const EaSumKey *key, *end;
    uint64_t low, high;
} EaSum;

static inline void ea_sum_init(EaSum *s, const EaSumKey *key)
{
    s->key = key;
    s->end = key + EA_SUM_PAIRS;
    s->low = s->high = 0;
}

__extension__ typedef unsigned __int128 EaProduct;

static inline EaProduct ea_sum_product(const EaSumKey *key, uint64_t a, uint64_t b)
{
    return (EaProduct)(a + key->word[0]) * (b + key->word[1]);
}

static inline void ea_sum_add(EaSum *s, EaProduct sum)
{
    sum += s->low | (EaProduct)s->high << 64;
    s->low = (uint64_t)sum;
    s->high = (uint64_t)(sum >> 64);
}

static inline void ea_sum_pair(EaSum *s, uint64_t a, uint64_t b)
{
    if (s->key < s->end)
        ea_sum_add(s, ea_sum_product(s->key++, a, b));
}

static inline void ea_sum_tagged(EaSum *s, const uint8_t *p, uint32_t n, uint32_t tag)
{
    const EaSumKey *key = s->key;
    EaProduct sum = s->low | (EaProduct)s->high << 64;
    uint64_t word = n | (uint64_t)tag << 32;
    if ((uintptr_t)s->end - (uintptr_t)key < (uint64_t)n + 2 * sizeof *key)
        return; /* can't be: a datagram's slices don't overlap */
    for (; n > 16; n -= 16, p += 16) {
        sum += ea_sum_product(key++, word, ea_load64(p));
        word = ea_load64(p + 8);
        __asm__("" : "+r"(n)); /* else the compiler works out beforehand where all this ends, which takes longer */
    }
    if (n > 8) {
        sum += ea_sum_product(key++, word, ea_load64(p));
        word = ea_load_part(p + 8, n - 8);
        n = 0;
    }
    sum += ea_sum_product(key++, word, ea_load_part(p, n));
    s->key = key;
    s->low = (uint64_t)sum;
    s->high = (uint64_t)(sum >> 64);
}

static inline void ea_sum_slice(EaSum *s, const uint8_t *p, uint32_t n)
{
    ea_sum_tagged(s, p, n, 0);
}

/* SipHash-1-3 over a sum. */
static inline uint64_t ea_sum_key(const EaSum *s, const uint8_t *key)
{
    EaSip h;
    ea_sip_init(&h, key);
    ea_key_word(&h, s->low);
    ea_key_word(&h, s->high);
    return ea_key_end(&h, 0);
}

/* SipHash-2-4 over a sum. */
static inline uint64_t ea_sum_mac(const EaSum *s, const uint8_t *key)
{
    EaSip h;
    ea_sip_init(&h, key);
    ea_mac_word(&h, s->low);
    ea_mac_word(&h, s->high);
    return ea_mac_end(&h, 0);
}

#endif
